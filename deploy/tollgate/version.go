package main

import (
	"context"
	"runtime"
	"strconv"

	"github.com/tollgate/tollgate/migrations"
)

func showVersion(_ context.Context, a *app, args []string) error {
	format, err := outputFlag(args)
	if err != nil {
		return err
	}
	schema, err := migrations.Latest()
	if err != nil {
		return err
	}
	return printRows(a.stdout, format, [][]field{{
		{"version", version}, {"schema", strconv.FormatInt(schema, 10)}, {"go", runtime.Version()},
		{"platform", runtime.GOOS + "/" + runtime.GOARCH},
	}})
}
