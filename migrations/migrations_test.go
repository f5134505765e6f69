package migrations_test

import (
	"testing"

	"github.com/tollgate/tollgate/migrations"
)

func TestLatestIsTheNumberOfFiles(t *testing.T) {
	v, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if v < 4 {
		t.Fatalf("latest migration is %d, want at least 4", v)
	}
}
