// Command portal serves the web pages of Tollgate. See portal.Config for its
// environment.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/portal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	config, err := portal.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	config.Logger = slog.New(slog.NewJSONHandler(os.Stdout, nil))
	return portal.Run(ctx, config)
}
