package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/deploy/internal/database"
)

// doctor runs the invariant queries, which must find nothing.
func doctor(ctx context.Context, a *app, args []string) error {
	format, err := outputFlag(args)
	if err != nil {
		return err
	}
	url, err := a.databaseURL()
	if err != nil {
		return err
	}
	// A database that is away, or at another version, is told in words here; the
	// queries would only fail.
	if err := database.Check(ctx, url); err != nil {
		return err
	}
	checks, err := controlplane.Doctor(ctx, url)
	if err != nil {
		return err
	}
	found := 0
	for _, c := range checks {
		if !c.OK {
			found++
		}
	}
	if err := printChecks(a.stdout, format, checks); err != nil {
		return err
	}
	if found > 0 {
		return foundError{found}
	}
	return nil
}

// check and report have the shape of the API's DoctorCheck and DoctorReport.
type check struct {
	Name        string `json:"name"`
	OK          bool   `json:"ok"`
	Rows        int64  `json:"rows"`
	Explanation string `json:"explanation"`
}

type report struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
}

func printChecks(w io.Writer, format string, checks []controlplane.DoctorCheck) error {
	r := report{OK: true}
	var rows [][]field
	for _, c := range checks {
		r.OK = r.OK && c.OK
		r.Checks = append(r.Checks, check{c.Name, c.OK, c.Rows, c.Explanation})
		rows = append(rows, []field{{"name", c.Name}, {"ok", strconv.FormatBool(c.OK)}, {"rows", strconv.FormatInt(c.Rows, 10)}, {"explanation", c.Explanation}})
	}
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "yaml":
		if _, err := fmt.Fprintf(w, "ok: %t\nchecks:\n", r.OK); err != nil {
			return err
		}
		for _, c := range r.Checks {
			if _, err := fmt.Fprintf(w, "  - name: %q\n    ok: %t\n    rows: %d\n    explanation: %q\n", c.Name, c.OK, c.Rows, c.Explanation); err != nil {
				return err
			}
		}
		return nil
	}
	return printRows(w, format, rows)
}
