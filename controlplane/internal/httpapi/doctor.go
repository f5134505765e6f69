package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// doctorDays is how much of the ledger a call looks at; the command line looks
// at all of it.
const doctorDays = 7

// RunDoctor asks the invariants of the database.
func (s *Server) RunDoctor(ctx context.Context, _ apiserver.RunDoctorRequestObject) (apiserver.RunDoctorResponseObject, error) {
	checks, err := doctor.Run(ctx, s.Doctor, s.cfg.Now().AddDate(0, 0, -doctorDays))
	if err != nil {
		return nil, err
	}
	out := apiserver.RunDoctor200JSONResponse{Ok: true, Checks: make([]apiserver.DoctorCheck, len(checks))}
	for i, c := range checks {
		out.Ok = out.Ok && c.OK
		out.Checks[i] = apiserver.DoctorCheck{Name: c.Name, Ok: c.OK, Rows: c.Rows, Explanation: c.Explanation}
	}
	return out, nil
}
