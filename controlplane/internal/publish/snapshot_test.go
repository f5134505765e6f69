package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func contents(r *snapshot.Reader) (map[string]string, error) {
	state := map[string]string{}
	for {
		env, err := r.NextEnvelope()
		if errors.Is(err, io.EOF) {
			return state, nil
		}
		if err != nil {
			return nil, err
		}
		apply(state, env)
	}
}

func apply(state map[string]string, e *configv1.Envelope) {
	k := e.TenantId + "/" + e.Id
	if e.Deleted {
		delete(state, k)
		return
	}
	state[k] = string(e.Payload)
}

// Whatever changed, and whenever the snapshot was taken: the snapshot and the
// stream after its sequence are what was committed.
func TestSnapshotAndStreamAreWhatWasCommitted(t *testing.T) {
	w := newWorld(t)
	p := w.publisher()
	w.run(p)
	want := map[string]string{}
	var n int64
	rapid.Check(t, func(rt *rapid.T) {
		change := func() {
			tenant := rapid.SampledFrom([]string{"ten_a", "ten_b"}).Draw(rt, "tenant")
			r := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "resource")
			payload := ""
			if rapid.IntRange(0, 3).Draw(rt, "remove") > 0 {
				payload = fmt.Sprint("v", n)
			}
			w.commit(tenant, r, payload, false)
			n++
			if payload == "" {
				delete(want, tenant+"/"+r)
			} else {
				want[tenant+"/"+r] = payload
			}
		}
		for range rapid.IntRange(0, 4).Draw(rt, "before") {
			change()
		}
		snap, err := p.cfg.Snapshots.Open(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		r, err := snapshot.NewReader(snap)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := contents(r)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "after") {
			change()
		}
		w.published(n)
		for _, e := range w.messages(r.Header().StreamSequence + 1) {
			apply(got, e)
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("snapshot of revision %d and stream after %d make %v, want %v", r.Header().Revision, r.Header().StreamSequence, got, want)
		}
	})
}

func TestASnapshotIsBuiltOncePerState(t *testing.T) {
	w := newWorld(t)
	p := w.publisher()
	w.run(p)
	w.commit("ten_a", "r", "x", false)
	w.published(1)
	eventually(t, func() error {
		if w.count(`SELECT stream_created FROM publisher`) == 0 {
			return errors.New("no stream yet")
		}
		return nil
	})
	first, err := p.cfg.Snapshots.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.cfg.Snapshots.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if first.Header != again.Header {
		t.Error("the same state was built twice")
	}
	if h, err := snapshot.Verify(first); err != nil || h.Count != 1 {
		t.Errorf("the snapshot does not verify: %v, %v", h, err)
	}
	w.commit("ten_a", "r2", "x", false)
	w.published(2)
	newer, err := p.cfg.Snapshots.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if newer.Header.Revision != 2 || newer.Header.Count != 2 {
		t.Errorf("after a change the snapshot is %v", newer.Header)
	}
}

// A snapshot that cannot be built is no snapshot: the one before does not stand
// in for it. When the database is away it does, since nothing newer is known.
func TestAStaleSnapshotIsNotPassedOff(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "snapshots")
	snapshots := NewSnapshots(w.db, dir)
	ctx := context.Background()
	if _, err := snapshots.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshots.Open(ctx); err != nil {
		t.Errorf("the present state is there already: %v", err)
	}
	w.run(w.publisher())
	w.commit("ten_a", "r", "x", false)
	w.published(1)
	if _, err := snapshots.Open(ctx); err == nil {
		t.Error("an older state was given out for the present one")
	}
	w.db.Close()
	if _, err := snapshots.Open(ctx); err != nil {
		t.Errorf("without a database: %v", err)
	}
}
