package main

import (
	"context"
	"strconv"

	"github.com/tollgate/tollgate/controlplane"
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
	checks, err := controlplane.Doctor(ctx, url)
	if err != nil {
		return err
	}
	var rows [][]field
	found := 0
	for _, c := range checks {
		result := "ok"
		if !c.OK {
			result = "found " + strconv.FormatInt(c.Rows, 10)
			found++
		}
		rows = append(rows, []field{{"check", c.Name}, {"result", result}, {"meaning", c.Explanation}})
	}
	if err := printRows(a.stdout, format, rows); err != nil {
		return err
	}
	if found > 0 {
		return foundError{found}
	}
	return nil
}
