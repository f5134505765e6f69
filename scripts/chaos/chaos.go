// Command chaos kills parts of the running product while it works, and holds
// what the ledger says afterwards against what the provider really served and
// what callers really got. Everything random comes from one seed. It prints a
// verdict as JSON and exits with 1 when the product did not hold.
//
// A scenario kills one kind of part again and again under load. The parts are
// real processes, killed with SIGKILL: nothing is told to stop. It knows the
// product from outside: its addresses, its API, and the ledger's table.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// Options of a run.
type Options struct {
	Seed uint64
	// Scenarios to run, in this order; names of Scenarios.
	Scenarios []string
	// PlaneKills and OtherKills are how often data planes, and each other part,
	// are killed.
	PlaneKills, OtherKills int
	// Changes and Revocations of the config scenario.
	Changes, Revocations int
	// RPS of the load, half of it streams.
	RPS float64
	// Between kills pass at least and at most this long.
	MinPause, MaxPause time.Duration
	// Dir for state and logs.
	Dir      string
	Binaries stand.Binaries
	// Slack multiplies the marks for times: 1 on a quiet machine, more where
	// only the books matter.
	Slack float64
	// Progress is told what happens; may be io.Discard.
	Progress io.Writer
}

// Outcome of one scenario.
type Outcome struct {
	Scenario string  `json:"scenario"`
	OK       bool    `json:"ok"`
	Problem  string  `json:"problem,omitempty"`
	Seconds  float64 `json:"seconds"`
	Kills    int     `json:"kills,omitempty"`
	// Requests that callers sent, and those that did not end well.
	Requests int `json:"requests,omitempty"`
	Failed   int `json:"failed,omitempty"`
	// RecoverySeconds is the longest time from the start of a killed part until
	// it is ready again; LedgerSeconds the time from the end of the load, or the
	// last recovery, until the ledger has everything.
	RecoverySeconds float64  `json:"recovery_s,omitempty"`
	LedgerSeconds   float64  `json:"ledger_s,omitempty"`
	Verdict         *Verdict `json:"verdict,omitempty"`
	Config          *Config  `json:"config,omitempty"`
}

// Report of a run.
type Report struct {
	Seed     uint64    `json:"seed"`
	OK       bool      `json:"ok"`
	Outcomes []Outcome `json:"outcomes"`
}

type scenario struct {
	planes int
	run    func(context.Context, *bench, *Outcome) error
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"dataplane":    {2, killPlanes},
		"nats":         {2, killNATS},
		"postgres":     {2, killPostgres},
		"controlplane": {2, killControl},
		"config":       {3, config},
		"static":       {1, static},
	}
}

// Scenarios are the names of all scenarios.
func Scenarios() []string {
	return []string{"dataplane", "nats", "postgres", "controlplane", "config", "static"}
}

// bench is what a scenario works on.
type bench struct {
	o      Options
	rng    *rand.Rand
	stand  *stand.Stand
	tenant *stand.Tenant
	// down holds the addresses of data planes that are not ready.
	down sync.Map
}

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.o.Progress, format+"\n", args...)
}

// Run plays the scenarios one after the other, each on a product of its own.
func Run(ctx context.Context, o Options) (*Report, error) {
	report := &Report{Seed: o.Seed, OK: true}
	for i, name := range o.Scenarios {
		sc, ok := scenarios()[name]
		if !ok {
			return nil, fmt.Errorf("there is no scenario %q", name)
		}
		out, err := play(ctx, o, name, sc, o.Seed+uint64(i))
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", name, err)
		}
		report.Outcomes = append(report.Outcomes, out)
		report.OK = report.OK && out.OK
	}
	return report, nil
}

// play runs one scenario. An error means that it could not be played; that the
// product failed stands in the outcome.
func play(ctx context.Context, o Options, name string, sc scenario, seed uint64) (out Outcome, err error) {
	out.Scenario = name
	begin := time.Now()
	s, err := stand.Start(ctx, stand.Config{Dir: fmt.Sprintf("%s/%s", o.Dir, name), Binaries: o.Binaries, DataPlanes: sc.planes})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	tenant, err := s.NewTenant(ctx, "chaos")
	if err != nil {
		return out, err
	}
	b := &bench{o: o, rng: rand.New(rand.NewPCG(seed, 0)), stand: s, tenant: tenant}
	b.logf("%s: seed %d, product up after %.1f s", name, seed, time.Since(begin).Seconds())
	if failure := sc.run(ctx, b, &out); failure != nil {
		out.Problem = failure.Error()
	}
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	out.OK = out.Problem == ""
	out.Seconds = time.Since(begin).Seconds()
	b.logf("%s: ok %v %s", name, out.OK, out.Problem)
	return out, nil
}

// pause waits a random time between kills.
func (b *bench) pause(ctx context.Context) error {
	d := b.o.MinPause + time.Duration(b.rng.Int64N(int64(b.o.MaxPause-b.o.MinPause)+1))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
