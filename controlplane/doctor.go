package controlplane

import (
	"context"
	"fmt"

	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
)

// DoctorCheck is what one invariant query found: its name, whether all is
// well, how many things are not, and what should hold.
type DoctorCheck = doctor.Check

// Doctor runs every invariant query over the whole ledger of a database. It
// needs no running control plane.
func Doctor(ctx context.Context, databaseURL string) ([]DoctorCheck, error) {
	db, err := postgres.Open(ctx, databaseURL, 2)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	checks, err := doctor.Run(ctx, db, doctor.Everything())
	if err != nil {
		return nil, fmt.Errorf("doctor: %w", err)
	}
	return checks, nil
}
