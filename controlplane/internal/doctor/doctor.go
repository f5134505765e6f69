// Package doctor owns the invariants that can be asked of the database: SQL
// files that return a row for each thing that is wrong, and nothing when all is
// well. They are run hourly, by operators, and by tests after every fault. It
// does not repair.
package doctor

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed sql/*.sql
var files embed.FS

// Check is what one question found.
type Check struct {
	Name string
	OK   bool
	// Rows is how many things are wrong; counting stops at MaxRows.
	Rows int64
	// Explanation says what should hold, and shows one thing that does not.
	Explanation string
}

// MaxRows bounds what is counted of one question.
const MaxRows = 1000

// Store answers the questions.
type Store interface {
	// Violations runs a query with one parameter, the time from which on the
	// ledger is looked at, and returns how many rows it has, up to most, and
	// the first one as text.
	Violations(ctx context.Context, query string, since time.Time, most int) (int64, string, error)
	// BrokenChains does the same for the audit trail.
	BrokenChains(ctx context.Context) (int64, string, error)
}

// Everything is the time from which on the whole ledger is looked at.
func Everything() time.Time { return time.Unix(0, 0).UTC() }

// Run asks every question about the ledger from since on. It fails when one
// cannot be asked.
func Run(ctx context.Context, s Store, since time.Time) ([]Check, error) {
	queries, err := load()
	if err != nil {
		return nil, err
	}
	checks := make([]Check, 0, len(queries)+1)
	for _, q := range queries {
		rows, first, err := s.Violations(ctx, q.sql, since, MaxRows)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", q.name, err)
		}
		checks = append(checks, verdict(q.name, q.explanation, rows, first))
	}
	rows, first, err := s.BrokenChains(ctx)
	if err != nil {
		return nil, fmt.Errorf("check audit_chain: %w", err)
	}
	return append(checks, verdict("audit_chain", "No entry of the audit trail was changed or removed.", rows, first)), nil
}

func verdict(name, explanation string, rows int64, first string) Check {
	if rows > 0 {
		explanation += " Broken, for example: " + first
	}
	return Check{Name: name, OK: rows == 0, Rows: rows, Explanation: explanation}
}

type query struct{ name, explanation, sql string }

// load reads the files. The first line of each says what should hold.
func load() ([]query, error) {
	paths, err := fs.Glob(files, "sql/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list invariants: %w", err)
	}
	var out []query
	for _, p := range paths {
		b, err := files.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("read invariant: %w", err)
		}
		head, sql, _ := strings.Cut(string(b), "\n")
		explanation, ok := strings.CutPrefix(head, "-- ")
		if !ok {
			return nil, fmt.Errorf("%s does not say what should hold", p)
		}
		out = append(out, query{strings.TrimSuffix(strings.TrimPrefix(p, "sql/"), ".sql"), explanation, sql})
	}
	slices.SortFunc(out, func(a, b query) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

// Watch looks after the last two days every interval until ctx ends, logs what
// is broken, and keeps the number of broken invariants in failing.
func Watch(ctx context.Context, s Store, interval time.Duration, log *slog.Logger, failing *atomic.Int64) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			// A database that says nothing any more must not end the watch.
			asking, cancel := context.WithTimeout(ctx, interval)
			checks, err := Run(asking, s, now.AddDate(0, 0, -2))
			cancel()
			if err != nil {
				if ctx.Err() == nil {
					log.Warn("invariants could not be checked", "error", err)
				}
				continue
			}
			var n int64
			for _, c := range checks {
				if !c.OK {
					n++
					log.Error("an invariant is broken", "check", c.Name, "rows", c.Rows, "explanation", c.Explanation)
				}
			}
			failing.Store(n)
		}
	}
}
