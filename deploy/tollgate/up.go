package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/deploy/internal/allinone"
)

// up runs everything. The terminal shows what a person needs; the programs'
// log lines go to a file in the data directory.
func up(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	level, err := a.logLevel()
	if err != nil {
		return err
	}
	dir := a.dataDir()
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	log, err := openLog(filepath.Join(dir, "tollgate.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// An access line for each request: they go out together.
	out := dataplane.NewLogWriter(log)
	defer out.Close()
	return allinone.Run(ctx, allinone.Config{
		Getenv:   a.getenv,
		DataDir:  dir,
		Version:  version,
		Logger:   slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})),
		Progress: func(s string) { fmt.Fprintln(a.stderr, s+" …") },
		OnReady: func(i allinone.Info) {
			fmt.Fprint(a.stdout, startPage(i, log.name, a.colour))
			context.AfterFunc(ctx, func() { fmt.Fprintln(a.stderr, "\nstopping …") })
		},
	})
}

func (a *app) dataDir() string {
	if d := a.getenv("TOLLGATE_DATA_DIR"); d != "" {
		return d
	}
	return allinone.DefaultDataDir()
}
