// Command controlplane runs the control plane alone. It reads the environment
// and knows signals and exit codes; everything else is the package
// controlplane's.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/controlplane"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := controlplane.FromEnv(os.Getenv)
	if err := errors.Join(err, cfg.Validate()); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		return 2
	}
	cfg.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := controlplane.Run(ctx, cfg); err != nil {
		cfg.Logger.Error("control plane stopped", "error", err)
		return 1
	}
	return 0
}
