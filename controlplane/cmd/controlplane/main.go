// Command controlplane runs the control plane alone. It reads the environment
// and knows signals and exit codes; everything else is the package
// controlplane's.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/controlplane"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("control plane stopped", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := controlplane.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	cfg.Logger = log
	return controlplane.Run(ctx, cfg)
}
