package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// static kills the control plane, NATS and Postgres, and then asks the data
// planes for everything: to go on, to restart, and to start new.
func static(ctx context.Context, b *bench, out *Outcome) error {
	path := filepath.Join(b.o.Dir, "given.snapshot")
	if err := b.saveSnapshot(ctx, path); err != nil {
		return err
	}
	b.stand.Control.Kill()
	b.stand.NATS.Kill()
	b.stand.Postgres.KillAlone()
	old := b.stand.Planes[0]
	if err := b.serves(ctx, out, old); err != nil {
		return fmt.Errorf("a data plane that runs: %w", err)
	}
	old.Kill()
	out.Kills = 4
	begin := time.Now()
	if err := old.Start(ctx); err != nil {
		return fmt.Errorf("a data plane that restarts: %w", err)
	}
	out.RecoverySeconds = time.Since(begin).Seconds()
	if err := b.serves(ctx, out, old); err != nil {
		return fmt.Errorf("a data plane that restarted: %w", err)
	}
	url, closeServer, err := serveFile(path)
	if err != nil {
		return err
	}
	defer closeServer()
	for _, from := range []string{path, url} {
		if err := b.startsNew(ctx, out, from); err != nil {
			return fmt.Errorf("a new data plane with the snapshot %s: %w", from, err)
		}
	}
	return nil
}

// saveSnapshot waits until the control plane's snapshot lets the tenant call.
func (b *bench) saveSnapshot(ctx context.Context, path string) error {
	raw, err := b.stand.API.Raw(ctx, "GET", "/v1/operator/config/snapshot", nil)
	if err != nil {
		return fmt.Errorf("get the snapshot: %w", err)
	}
	return os.WriteFile(path, raw, 0o600)
}

// serves sends some load and wants all of it answered.
func (b *bench) serves(ctx context.Context, out *Outcome, p *stand.Plane) error {
	o := b.load()
	o.Targets, o.RPS, o.Duration, o.Count, o.Conns = []string{p.Addr}, 0, 30*time.Second, 300, 16
	r, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	out.Requests += r.Requests
	out.Failed += r.Requests - r.OK
	if r.OK != o.Count {
		return fmt.Errorf("%d of %d calls went well: %+v", r.OK, o.Count, r.Kinds)
	}
	return refusesUnknown(ctx, p)
}

// refusesUnknown: a data plane cut off from its control plane cannot know that
// a key does not exist, so it answers 503 and never 401.
func refusesUnknown(ctx context.Context, p *stand.Plane) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		resp, err := stand.Post(ctx, "http://"+p.Addr+"/v1/chat/completions", secretkey.New(secretkey.API), loadgen.ChatBody(stand.Route, "", false, 200))
		if err != nil {
			return err
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == 503 {
			return nil
		}
		// It takes the link to be up for some seconds after it went down.
		if resp.StatusCode != 401 || time.Now().After(deadline) {
			return fmt.Errorf("an unknown key is answered %d: %s", resp.StatusCode, body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (b *bench) startsNew(ctx context.Context, out *Outcome, snapshot string) error {
	p, err := b.stand.NewPlane(map[string]string{"TOLLGATE_SNAPSHOT": snapshot})
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := p.Start(ctx); err != nil {
		return err
	}
	b.logf("  a new data plane with %s is ready after %.2f s", filepath.Base(snapshot), time.Since(begin).Seconds())
	if err := b.serves(ctx, out, p); err != nil {
		return err
	}
	return p.Stop(40 * time.Second)
}

func serveFile(path string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })}
	go s.Serve(l)
	return "http://" + l.Addr().String() + "/snapshot", func() { s.Close() }, nil
}
