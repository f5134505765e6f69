package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/proc"
	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// ledgerLimit is how long after the last recovery the ledger may take to have
// everything; ledgerPatience is how long it is waited for, to tell what is late
// from what is lost.
const (
	ledgerLimit    = 10 * time.Second
	ledgerPatience = time.Minute
)

// killPlanes kills data planes in turn under load. Requests that are open on a
// killed one fail, and nothing else may.
func killPlanes(ctx context.Context, b *bench, out *Outcome) error {
	turn := 0
	return b.underLoad(ctx, out, b.o.PlaneKills, func(ctx context.Context) error {
		p := b.stand.Planes[turn%len(b.stand.Planes)]
		turn++
		p.Kill()
		b.down.Store(p.Addr, true)
		defer b.down.Delete(p.Addr)
		return b.recover(ctx, out, p.Process, func() error { return p.Start(ctx) })
	}, brokenOnly)
}

func killNATS(ctx context.Context, b *bench, out *Outcome) error {
	return b.underLoad(ctx, out, b.o.OtherKills, func(ctx context.Context) error {
		b.stand.NATS.Kill()
		if err := b.pause(ctx); err != nil {
			return err
		}
		return b.recover(ctx, out, b.stand.NATS, func() error { return b.stand.NATS.Start(ctx) })
	}, none)
}

func killPostgres(ctx context.Context, b *bench, out *Outcome) error {
	return b.underLoad(ctx, out, b.o.OtherKills, func(ctx context.Context) error {
		b.stand.Postgres.KillAlone()
		if err := b.pause(ctx); err != nil {
			return err
		}
		return b.recover(ctx, out, b.stand.Postgres, func() error { return b.stand.RestartPostgres(ctx) })
	}, none)
}

func killControl(ctx context.Context, b *bench, out *Outcome) error {
	return b.underLoad(ctx, out, b.o.OtherKills, func(ctx context.Context) error {
		b.stand.Control.Kill()
		if err := b.pause(ctx); err != nil {
			return err
		}
		return b.recover(ctx, out, b.stand.Control, func() error { return b.stand.Control.Start(ctx) })
	}, none)
}

func (b *bench) recover(ctx context.Context, out *Outcome, p *proc.Process, start func() error) error {
	begin := time.Now()
	if err := start(); err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	out.RecoverySeconds = max(out.RecoverySeconds, took)
	out.Kills++
	b.logf("  kill %d of %s, ready again after %.2f s", out.Kills, p.Name(), took)
	return nil
}

// allowed says whether a caller may have seen this failure.
type allowed func(loadgen.Record) bool

func none(loadgen.Record) bool { return false }

// brokenOnly allows broken connections, and no error that Tollgate answers.
func brokenOnly(r loadgen.Record) bool {
	switch r.Failure {
	case loadgen.Refused, loadgen.Lost, loadgen.Cut:
		return r.Code == ""
	}
	return false
}

// underLoad calls kill a number of times while requests run, and then judges.
func (b *bench) underLoad(ctx context.Context, out *Outcome, kills int, kill func(context.Context) error, may allowed) error {
	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	type loaded struct {
		result *loadgen.Result
		err    error
	}
	done := make(chan loaded, 1)
	go func() {
		r, err := loadgen.Run(loadCtx, b.load())
		done <- loaded{r, err}
	}()
	killErr := b.pause(ctx)
	for range kills {
		if killErr != nil {
			break
		}
		if killErr = kill(ctx); killErr == nil {
			killErr = b.pause(ctx)
		}
	}
	stopLoad()
	l := <-done
	if killErr != nil {
		return killErr
	}
	if l.err != nil {
		return l.err
	}
	return b.judge(ctx, out, l.result, may)
}

// load is half streams; a stream takes some 200 ms, so that there are always
// some to be cut.
func (b *bench) load() loadgen.Options {
	return loadgen.Options{
		Targets: b.stand.Addrs(), Key: b.tenant.Key, Conns: 128, RPS: b.o.RPS, Duration: time.Hour, Seed: b.rng.Uint64(), Records: true,
		Timeout: 20 * time.Second, Skip: b.unready,
		Requests: []loadgen.Request{
			{Name: "plain", Body: loadgen.ChatBody(stand.Route, "size=600,in=120,out=150,delay=5ms", false, 800)},
			{Name: "stream", Stream: true, Body: loadgen.ChatBody(stand.Route, "events=20,gap=10ms,size=400,in=90", true, 800)},
		},
	}
}

// unready is what a balancer knows that checks readiness.
func (b *bench) unready(target string) bool {
	_, down := b.down.Load(target)
	return down
}

// judge waits for the ledger and compares the three logs.
func (b *bench) judge(ctx context.Context, out *Outcome, load *loadgen.Result, may allowed) error {
	out.Requests = load.Requests
	var worst string
	wrong := 0
	for _, r := range load.Records {
		if r.OK() {
			continue
		}
		out.Failed++
		if !may(r) {
			wrong++
			worst = fmt.Sprintf("%s: status %d, code %q, failure %q", r.ID, r.Status, r.Code, r.Failure)
		}
	}
	if err := b.settle(ctx, out, load); err != nil {
		return err
	}
	v := out.Verdict
	b.logf("  %d served, %d in the ledger (%d interrupted), %d of %d callers failed, ledger complete after %.2f s",
		v.Served, v.Ledger, v.Interrupted, out.Failed, out.Requests, out.LedgerSeconds)
	switch {
	case v.Failed() != "":
		return errors.New(v.Failed())
	case out.LedgerSeconds > b.o.Slack*ledgerLimit.Seconds():
		return fmt.Errorf("the ledger was complete only after %.1f s", out.LedgerSeconds)
	case wrong > 0:
		return fmt.Errorf("%d requests failed through Tollgate's own fault, the last %s", wrong, worst)
	case load.Unsent > 0:
		return fmt.Errorf("%d requests were not sent because too many were open", load.Unsent)
	}
	return b.invariants(ctx)
}

// settle waits until the three logs agree or the limit has passed.
func (b *bench) settle(ctx context.Context, out *Outcome, load *loadgen.Result) error {
	begin := time.Now()
	for {
		ledger, err := readLedger(ctx, b.stand, b.tenant.ID)
		if err != nil {
			return err
		}
		v := Judge(b.stand.Fake.Log(), ledger, load.Records)
		out.Verdict, out.LedgerSeconds = &v, time.Since(begin).Seconds()
		if v.Failed() == "" && b.stand.Fake.Stats().InFlight == 0 || time.Since(begin) > ledgerPatience {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// invariants runs the product's own checks of its books.
func (b *bench) invariants(ctx context.Context) error {
	var report struct {
		OK     bool `json:"ok"`
		Checks []struct {
			Name string `json:"name"`
			OK   bool   `json:"ok"`
			Rows int64  `json:"rows"`
		} `json:"checks"`
	}
	if err := b.stand.API.Do(ctx, "GET", "/v1/operator/doctor", nil, &report); err != nil {
		return fmt.Errorf("invariant queries: %w", err)
	}
	if len(report.Checks) == 0 {
		return fmt.Errorf("invariant queries: none was run")
	}
	for _, c := range report.Checks {
		if !c.OK {
			return fmt.Errorf("invariant %s found %d rows", c.Name, c.Rows)
		}
	}
	return nil
}
