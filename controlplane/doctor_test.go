package controlplane_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

func TestTheDoctorFindsANewDatabaseWell(t *testing.T) {
	checks, err := controlplane.Doctor(context.Background(), postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) < 15 {
		t.Errorf("%d checks", len(checks))
	}
	for _, c := range checks {
		if !c.OK || c.Rows != 0 || c.Explanation == "" {
			t.Errorf("%+v", c)
		}
	}
}

func TestTheDoctorSaysThatThereIsNoDatabase(t *testing.T) {
	_, err := controlplane.Doctor(context.Background(), "postgres://someone:hunter2@127.0.0.1:1/tollgate")
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error holds the password: %v", err)
	}
}
