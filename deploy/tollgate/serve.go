package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/deploy/internal/allinone"
	"github.com/tollgate/tollgate/portal"
)

// logger writes JSON lines to stderr: stdout is for data.
func (a *app) logger() (*slog.Logger, error) {
	level, err := a.logLevel()
	return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level})), err
}

func (a *app) logLevel() (slog.Level, error) {
	word := a.getenv("TOLLGATE_LOG_LEVEL")
	switch strings.ToLower(word) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, allinone.BadConfig(fmt.Errorf("TOLLGATE_LOG_LEVEL is %q: it must be debug, info, warn or error", word))
}

func runControlPlane(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	log, logErr := a.logger()
	cfg, err := controlplane.FromEnv(a.getenv)
	if err := allinone.BadConfig(logErr, err, cfg.Validate()); err != nil {
		return err
	}
	cfg.Logger = log
	return controlplane.Run(ctx, cfg)
}

func runDataPlane(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	level, logErr := a.logLevel()
	cfg, err := dataplane.FromEnv(a.getenv)
	if err := allinone.BadConfig(logErr, err, cfg.Validate()); err != nil {
		return err
	}
	// An access line for each request: they go out together.
	out := dataplane.NewLogWriter(a.stderr)
	defer out.Close()
	cfg.Logger, cfg.Version = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})), version
	if level <= slog.LevelInfo {
		cfg.AccessLog = out
	}
	return dataplane.Run(ctx, cfg)
}

func runPortal(ctx context.Context, a *app, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	log, logErr := a.logger()
	cfg, err := portal.FromEnv(a.getenv)
	if err := allinone.BadConfig(logErr, err); err != nil {
		return err
	}
	cfg.Logger = log
	return portal.Run(ctx, cfg)
}
