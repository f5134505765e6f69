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

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := portal.FromEnv(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
		return 2
	}
	config.Logger = slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := portal.Run(ctx, config); err != nil {
		config.Logger.Error("portal stopped", "error", err)
		return 1
	}
	return 0
}
