package tenantconfig

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"golang.org/x/sync/errgroup"
)

// loaded is what came of a snapshot.
type loaded struct {
	state   *state
	header  *configv1.SnapshotHeader
	refused []*statusv1.Refusal
}

// A batch is some envelopes laid end to end, so that handing them to another
// goroutine costs little for each.
type batch struct {
	data []byte
	ends []int
}

const (
	batchBytes = 256 << 10
	chunkKeys  = 4096
)

// readSnapshot builds a new state from a snapshot, on all processors. The
// state is handed out only when the snapshot was whole.
func (s *Store) readSnapshot(r io.Reader) (*loaded, error) {
	sr, err := snapshot.NewReader(r)
	if err != nil {
		return nil, err
	}
	st := newState(s.log, s.cfg.PrivateKey, s.report)
	b := &bulk{state: st}
	batches := make(chan *batch, 2*runtime.GOMAXPROCS(0))
	var g errgroup.Group
	for range max(1, runtime.GOMAXPROCS(0)) {
		g.Go(func() error { return b.work(batches) })
	}
	readErr := fillBatches(sr, batches)
	close(batches)
	if err := errors.Join(readErr, g.Wait()); err != nil {
		return nil, err
	}
	b.finish()
	return &loaded{state: st, header: sr.Header(), refused: b.refused}, nil
}

func fillBatches(sr *snapshot.Reader, batches chan<- *batch) error {
	cur := &batch{data: make([]byte, 0, batchBytes)}
	for {
		env, err := sr.Next()
		if errors.Is(err, io.EOF) {
			batches <- cur
			return nil
		}
		if err != nil {
			return err
		}
		if len(cur.data)+len(env) > batchBytes && len(cur.ends) > 0 {
			batches <- cur
			cur = &batch{data: make([]byte, 0, max(batchBytes, len(env)))}
		}
		cur.data = append(cur.data, env...)
		cur.ends = append(cur.ends, len(cur.data))
	}
}

// bulk gathers what the workers read.
type bulk struct {
	state   *state
	mu      sync.Mutex
	chunks  [][]keyEntry
	refused []*statusv1.Refusal
}

// bulkWorker is one goroutine of a bulk load.
type bulkWorker struct {
	*bulk
	keys []keyEntry
	// The tenant of the last envelope: snapshots often hold a tenant's
	// resources together.
	tenantID string
	tenant   *Tenant
	slot     uint32
}

func (b *bulk) work(batches <-chan *batch) error {
	w := &bulkWorker{bulk: b}
	defer func() { w.flush() }()
	var failed error
	for bt := range batches {
		start := 0
		for _, end := range bt.ends {
			if failed == nil {
				failed = w.take(bt.data[start:end])
			}
			start = end
		}
	}
	return failed
}

// take files one envelope. What does not parse as an envelope at all makes the
// snapshot unusable; what is wrong inside one is refused alone.
func (w *bulkWorker) take(raw []byte) error {
	if e, ok := scanEnvelope(raw); ok && !e.deleted && e.kind == configv1.Kind_KIND_API_KEY && w.seek(e.tenant) {
		if len(w.keys)+2 > cap(w.keys) {
			w.flush()
			w.keys = make([]keyEntry, 0, chunkKeys)
		}
		if w.keys, ok = w.state.scanKey(&e, w.slot, w.keys); ok {
			return nil
		}
	}
	env, err := parseEnvelope(raw)
	if err != nil {
		return err
	}
	if err := w.checked(env); err != nil {
		w.mu.Lock()
		w.refused = append(w.refused, refusalFor(env, err))
		w.mu.Unlock()
	}
	return nil
}

// checked files an envelope the long way.
func (w *bulkWorker) checked(env *configv1.Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.state.log.Error("loading a config resource panicked", "tenant", env.GetTenantId(), "resource", env.GetId(), "panic", fmt.Sprint(p))
			err = &configcheck.Error{Path: "payload", Message: "cannot be applied by this version of the data plane"}
		}
	}()
	m, err := configcheck.Decode(env)
	if err != nil {
		return err
	}
	if env.GetDeleted() {
		return &configcheck.Error{Path: "envelope.deleted", Message: "is set in a snapshot"}
	}
	switch m := m.(type) {
	case *configv1.ApiKey:
		w.seek([]byte(env.GetTenantId()))
		w.keys = append(w.keys, w.state.compactKey(m, w.slot, env.GetRevision())...)
	case *configv1.CatalogModel:
		w.mu.Lock()
		w.state.entries[env.GetId()] = catalogEntry{model: m, revision: env.GetRevision(), committed: env.GetCommittedAtUnixNano()}
		w.mu.Unlock()
	default:
		w.seek([]byte(env.GetTenantId()))
		r := newResource(env.GetKind(), env.GetId(), env.GetRevision(), env.GetCommittedAtUnixNano(), env.GetPayload())
		t := w.tenant
		t.mu.Lock()
		t.resources = append(t.resources, r)
		t.mu.Unlock()
		if env.GetKind() == configv1.Kind_KIND_TENANT {
			t.present.Store(true)
		}
	}
	return nil
}

// seek makes tenantID the worker's tenant; false when it is no tenant's id.
func (w *bulkWorker) seek(tenantID []byte) bool {
	if w.tenant != nil && w.tenantID == string(tenantID) {
		return true
	}
	t, slot, ok := w.state.slot(string(tenantID))
	if ok {
		w.tenant, w.slot, w.tenantID = t, slot, t.ID
	}
	return ok
}

func (w *bulkWorker) flush() {
	if len(w.keys) == 0 {
		return
	}
	w.mu.Lock()
	w.chunks = append(w.chunks, w.keys)
	w.mu.Unlock()
	w.keys = nil
}

// finish builds the tables once all is read.
func (b *bulk) finish() {
	clashes := b.state.keys.fill(b.chunks)
	b.chunks = nil
	slots := *b.state.slots.Load()
	for i := range clashes {
		e := &clashes[i]
		b.refused = append(b.refused, clashRefusal(slots[e.tenant].ID, e))
	}
	b.state.catalog.Store(newCatalog(b.state.entries))
	for _, t := range slots {
		t.resources = slices.Clip(t.resources)
	}
}
