// Command dataplane serves callers; package dataplane documents how, and which
// environment variables it reads.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/dataplane"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := dataplane.FromEnv(os.Getenv)
	if err := errors.Join(err, cfg.Validate()); err != nil {
		fmt.Fprintln(os.Stderr, "dataplane:", err)
		return 2
	}
	out := dataplane.NewLogWriter(os.Stderr)
	defer out.Close()
	cfg.Logger, cfg.AccessLog = slog.New(slog.NewJSONHandler(out, nil)), out
	if err := dataplane.Run(ctx, cfg); err != nil {
		cfg.Logger.Error("data plane stopped", "error", err)
		return 1
	}
	return 0
}
