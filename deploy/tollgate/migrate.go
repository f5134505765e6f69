package main

import (
	"context"
	"fmt"

	"github.com/tollgate/tollgate/deploy/internal/allinone"
	"github.com/tollgate/tollgate/deploy/internal/database"
)

func migrate(ctx context.Context, a *app, args []string) error {
	check := len(args) == 1 && args[0] == "--check"
	if !check {
		if err := noArguments(args); err != nil {
			return err
		}
	}
	url := a.getenv("TOLLGATE_DATABASE_URL")
	if url == "" {
		return usageError{"TOLLGATE_DATABASE_URL is not set; `tollgate up` migrates its own database"}
	}
	if check {
		if err := database.Check(ctx, url); err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "the schema is up to date")
		return nil
	}
	n, err := database.Migrate(ctx, url)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "%d migrations applied; the schema is up to date\n", n)
	return nil
}

// databaseURL is the one in the environment, else that of a running `up`.
func (a *app) databaseURL() (string, error) {
	if url := a.getenv("TOLLGATE_DATABASE_URL"); url != "" {
		return url, nil
	}
	url, err := allinone.DatabaseURL(a.dataDir())
	if err != nil {
		return "", fmt.Errorf("%w: %w", database.ErrUnreachable, err)
	}
	return url, nil
}
