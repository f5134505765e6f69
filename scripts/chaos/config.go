package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// Config has the figures of the config scenario, in milliseconds.
type Config struct {
	Changes int `json:"changes"`
	// Live is the time from commit until the slowest data plane has a change,
	// as the API tells it.
	Live Spread `json:"live_ms"`
	// Revoked is Live for revocations of keys; Refused is the time from the call
	// that revokes a key until the slowest data plane refuses it, as callers
	// see it.
	Revocations int    `json:"revocations"`
	Revoked     Spread `json:"revoked_ms"`
	Refused     Spread `json:"refused_ms"`
	// Cut is the time from that call until a stream that is open ends.
	Cut Spread `json:"cut_ms"`
}

// Spread of a figure.
type Spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Marks of the config scenario in milliseconds.
const (
	liveP50Mark = 20
	liveP99Mark = 200
	cutMark     = 1000
)

func spread(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	slices.Sort(v)
	return Spread{P50: v[len(v)/2], P99: v[min(len(v)-1, len(v)*99/100)], Max: v[len(v)-1]}
}

// config measures how fast changes reach three data planes.
func config(ctx context.Context, b *bench, out *Outcome) error {
	c := &Config{Changes: b.o.Changes, Revocations: b.o.Revocations}
	out.Config = c
	var live []float64
	for n := range b.o.Changes {
		ms, err := b.change(ctx, n)
		if err != nil {
			return fmt.Errorf("change %d: %w", n, err)
		}
		live = append(live, ms)
	}
	c.Live = spread(live)
	var revoked, refused, cut []float64
	for n := range b.o.Revocations {
		r, err := b.revoke(ctx, n, n%10 == 0)
		if err != nil {
			return fmt.Errorf("revocation %d: %w", n, err)
		}
		revoked, refused = append(revoked, r.live), append(refused, r.refused)
		if r.cut > 0 {
			cut = append(cut, r.cut)
		}
	}
	c.Revoked, c.Refused, c.Cut = spread(revoked), spread(refused), spread(cut)
	b.logf("  live p50 %.1f p99 %.1f max %.1f ms; revoked p50 %.1f p99 %.1f ms; refused p50 %.1f p99 %.1f ms; streams cut p50 %.1f max %.1f ms",
		c.Live.P50, c.Live.P99, c.Live.Max, c.Revoked.P50, c.Revoked.P99, c.Refused.P50, c.Refused.P99, c.Cut.P50, c.Cut.Max)
	late := func(s Spread) bool { return s.P50 > liveP50Mark*b.o.Slack || s.P99 > liveP99Mark*b.o.Slack }
	switch {
	case late(c.Live):
		return fmt.Errorf("changes are live after p50 %.1f ms, p99 %.1f ms; the marks are %d and %d", c.Live.P50, c.Live.P99, liveP50Mark, liveP99Mark)
	case late(c.Revoked):
		return fmt.Errorf("revocations are live after p50 %.1f ms, p99 %.1f ms; the marks are %d and %d", c.Revoked.P50, c.Revoked.P99, liveP50Mark, liveP99Mark)
	case c.Refused.P99 > cutMark*b.o.Slack:
		return fmt.Errorf("callers with a revoked key are refused only after p99 %.0f ms", c.Refused.P99)
	case c.Cut.Max > cutMark*b.o.Slack:
		return fmt.Errorf("an open stream of a revoked key was cut after %.0f ms", c.Cut.Max)
	}
	return b.invariants(ctx)
}

// change makes one change and returns after how many milliseconds it was live
// on all data planes.
func (b *bench) change(ctx context.Context, n int) (float64, error) {
	t := b.tenant
	var made struct {
		ChangeID int64 `json:"change_id"`
	}
	routes := []string{}
	if n%2 == 0 {
		routes = []string{stand.Route, "demo"}
	}
	if err := t.API.Do(ctx, "PATCH", t.Path("/api-keys/"+t.KeyID), map[string]any{"allowed_routes": routes}, &made); err != nil {
		return 0, err
	}
	return b.awaitLive(ctx, made.ChangeID)
}

// awaitLive waits for a change and returns what the API says it took.
func (b *bench) awaitLive(ctx context.Context, change int64) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		status, err := b.tenant.Change(ctx, change)
		if err != nil {
			return 0, err
		}
		if status.Live == len(b.stand.Planes) {
			return status.SlowestMS, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("live on %d of %d data planes: %w", status.Live, status.Total, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

type revocation struct{ live, refused, cut float64 }

// revoke makes a key, revokes it, and watches all data planes from outside.
func (b *bench) revoke(ctx context.Context, n int, withStream bool) (r revocation, err error) {
	t := b.tenant
	var key struct {
		ID       string `json:"id"`
		Secret   string `json:"secret"`
		ChangeID int64  `json:"change_id"`
	}
	if err := t.API.Do(ctx, "POST", t.Path("/api-keys"), map[string]any{"name": fmt.Sprintf("revoke %d", n)}, &key); err != nil {
		return r, err
	}
	if err := b.stand.AwaitLive(ctx, t, key.ChangeID); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var stream *http.Response
	if withStream {
		if stream, err = b.openStream(ctx, key.Secret); err != nil {
			return r, err
		}
		defer stream.Body.Close()
	}
	begin := time.Now()
	since := func() float64 { return float64(time.Since(begin).Microseconds()) / 1000 }
	var g errgroup.Group
	refused := make([]float64, len(b.stand.Planes))
	for i, p := range b.stand.Planes {
		g.Go(func() (err error) {
			err = awaitRefusal(ctx, p.Addr, key.Secret)
			refused[i] = since()
			return err
		})
	}
	if stream != nil {
		g.Go(func() (err error) {
			err = awaitCut(stream)
			r.cut = since()
			return err
		})
	}
	err = t.API.Do(ctx, "POST", t.Path("/api-keys/"+key.ID+"/revoke"), nil, &key)
	if err = errors.Join(err, g.Wait()); err != nil {
		return r, err
	}
	r.refused = slices.Max(refused)
	r.live, err = b.awaitLive(ctx, key.ChangeID)
	return r, err
}

// openStream opens an endless stream and waits for its first event.
func (b *bench) openStream(ctx context.Context, key string) (*http.Response, error) {
	body := loadgen.ChatBody(stand.Route, "events=100000,gap=20ms,size=100000", true, 300)
	resp, err := stand.Post(ctx, "http://"+b.stand.Planes[0].Addr+"/v1/chat/completions", key, body)
	if err != nil {
		return nil, err
	}
	first := make([]byte, 1)
	if _, err := resp.Body.Read(first); err != nil || resp.StatusCode != 200 {
		resp.Body.Close()
		return nil, fmt.Errorf("open a stream: %s, %v", resp.Status, err)
	}
	return resp, nil
}

func awaitRefusal(ctx context.Context, addr, key string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/v1/models", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("wait for %s to refuse a key: %w", addr, err)
		}
		resp.Body.Close()
		switch resp.StatusCode {
		case 200:
		case 401:
			return nil
		default:
			return fmt.Errorf("a revoked key is answered %s", resp.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to refuse a key: %w", addr, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// awaitCut reads a stream to its end, which must be an error event.
func awaitCut(stream *http.Response) error {
	var last string
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if !strings.Contains(last, `"key_revoked"`) {
		return fmt.Errorf("the stream of a revoked key ends with %.200q (%v)", last, lines.Err())
	}
	return nil
}
