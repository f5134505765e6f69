package main

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// exec1 runs one statement as the owner of the schema.
func exec1(t *testing.T, url, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
