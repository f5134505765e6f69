package main

import (
	"context"
	"log/slog"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/portal"
)

// logger writes JSON lines to stderr: stdout is for data.
func (a *app) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: a.logLevel()}))
}

func (a *app) logLevel() slog.Level {
	var level slog.Level
	// An unknown word leaves the level at info.
	_ = level.UnmarshalText([]byte(a.getenv("TOLLGATE_LOG_LEVEL")))
	return level
}

func runControlPlane(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	cfg, err := controlplane.FromEnv(a.getenv)
	if err != nil {
		return err
	}
	cfg.Logger = a.logger()
	return controlplane.Run(ctx, cfg)
}

func runDataPlane(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	cfg, err := dataplane.FromEnv(a.getenv)
	if err != nil {
		return err
	}
	// An access line for each request: they go out together.
	out := dataplane.NewLogWriter(a.stderr)
	defer out.Close()
	cfg.Logger, cfg.Version = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: a.logLevel()})), version
	if a.logLevel() <= slog.LevelInfo {
		cfg.AccessLog = out
	}
	return dataplane.Run(ctx, cfg)
}

func runPortal(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	cfg, err := portal.FromEnv(a.getenv)
	if err != nil {
		return err
	}
	cfg.Logger = a.logger()
	return portal.Run(ctx, cfg)
}
