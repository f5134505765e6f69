package tenantconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

// ErrNoSnapshot means that nothing on this machine can be started from.
var ErrNoSnapshot = errors.New("no config snapshot on this machine")

// Load brings in what is on this machine: the newest readable snapshot of the
// local directory with the changes after it, else the file that
// Config.Snapshot names. Run calls it; calling it before is allowed.
func (s *Store) Load(ctx context.Context) error {
	s.loadMu.Lock()
	defer s.loadMu.Unlock()
	if s.Loaded() {
		return nil
	}
	gens := s.disk.snapshots()
	for i := len(gens) - 1; i >= 0; i-- {
		err := s.loadGeneration(gens[i])
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Error("config snapshot cannot be used; falling back to the one before", "generation", gens[i], "error", err)
		if corrupt(err) {
			s.disk.discard(gens[i])
		}
	}
	if s.cfg.Snapshot == "" || isURL(s.cfg.Snapshot) {
		return ErrNoSnapshot
	}
	f, err := os.Open(s.cfg.Snapshot)
	if err != nil {
		return fmt.Errorf("open config snapshot: %w", err)
	}
	defer f.Close()
	return s.adopt(f, nil)
}

// corrupt says that a snapshot is bad as it stands on the disk. One that could
// only not be read, for lack of file descriptors or memory, say, may be good.
func corrupt(err error) bool {
	_, checked := errors.AsType[*snapshot.Error](err)
	_, unread := errors.AsType[*fs.PathError](err)
	return checked && !unread
}

// loadGeneration reads a snapshot of the directory and replays the logs since.
func (s *Store) loadGeneration(gen uint64) error {
	began := time.Now()
	f, err := os.Open(s.disk.snapshotPath(gen))
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := s.readSnapshot(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created, s.seq = l.header.GetStreamCreatedUnixNano(), l.header.GetStreamSequence()
	s.revision.Store(l.header.GetRevision())
	s.committed.Store(l.header.GetBuiltAtUnixNano())
	replayed, err := s.replay(l.state, gen)
	if err != nil {
		s.log.Error("config delta log cannot be written; changes will be fetched again after a restart", "error", err)
	}
	s.install(l)
	s.log.Info("config loaded", "generation", gen, "revision", s.Revision(), "keys", l.state.keys.keys,
		"tenants", l.state.tenants(), "replayed", replayed, "took", time.Since(began))
	return nil
}

// install makes a state the live one. Loading leaves much garbage behind; what
// follows needs little, so memory is given back at once.
func (s *Store) install(l *loaded) {
	s.state.Store(l.state)
	for _, r := range l.refused {
		s.report(r)
	}
	s.acks.wake()
	debug.FreeOSMemory()
}

// replay applies the logs from generation gen on to a state and goes on
// writing the last of them. A log of another stream still holds true changes,
// but then the place in the stream is not known any more.
func (s *Store) replay(st *state, gen uint64) (n int, err error) {
	a := applier{store: s, state: st, now: s.cfg.Now()}
	identity := s.created
	var last uint64
	var end int64
	for _, g := range s.disk.logs() {
		if g < gen {
			continue
		}
		logIdentity, good, err := s.replayLog(g, &a, &n)
		if err != nil {
			s.log.Error("config delta log cannot be read", "generation", g, "error", err)
			identity = 0
			continue
		}
		if logIdentity != s.created {
			identity = 0
		}
		last, end = g, good
	}
	a.finish()
	s.created = identity
	if last == 0 {
		return n, s.disk.start(max(gen, lastOf(s.disk.logs())+1), identity)
	}
	return n, s.disk.resume(last, end)
}

func lastOf(gens []uint64) uint64 {
	if len(gens) == 0 {
		return 0
	}
	return gens[len(gens)-1]
}

func (s *Store) replayLog(gen uint64, a *applier, n *int) (identity, good int64, err error) {
	f, err := os.Open(s.disk.deltaPath(gen))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return readDeltas(f, func(seq uint64, raw []byte) {
		env, err := parseEnvelope(raw)
		if err != nil {
			return
		}
		*n++
		a.take(&delta{env: env, seq: seq})
	})
}

// identity is which stream a snapshot has to belong to.
type identity struct {
	created int64
	last    uint64
}

var errWrongStream = errors.New("the snapshot belongs to another stream")

// adopt takes a whole snapshot from elsewhere: kept on disk first, read from
// there, checked against the stream, and swapped in. What it does not hold is
// gone, but for revocations newer than it, and good versions of resources that
// it holds in a bad one.
func (s *Store) adopt(r io.Reader, want *identity) error {
	path, err := s.keep(r)
	if err != nil {
		return err
	}
	defer os.Remove(path) // Gone already when it was promoted.
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read config snapshot back: %w", err)
	}
	defer f.Close()
	l, err := s.readSnapshot(f)
	if err != nil {
		return err
	}
	h := l.header
	if want != nil && (h.GetStreamCreatedUnixNano() != want.created || h.GetStreamSequence() > want.last) {
		return errWrongStream
	}
	s.mu.Lock()
	old := s.state.Load()
	if old != nil && s.created == h.GetStreamCreatedUnixNano() && s.seq >= h.GetStreamSequence() && want == nil {
		s.mu.Unlock()
		return nil
	}
	a := applier{store: s, state: l.state, now: s.cfg.Now()}
	for _, env := range s.carryOver(old, l) {
		if raw, err := proto.Marshal(env); err == nil {
			a.take(&delta{env: env, raw: raw})
		}
	}
	a.finish()
	cuts := append(a.cuts, a.diff(old)...)
	s.link.apart()
	s.created, s.seq = h.GetStreamCreatedUnixNano(), h.GetStreamSequence()
	s.revision.Store(h.GetRevision())
	s.committed.Store(max(s.committed.Load(), h.GetBuiltAtUnixNano()))
	s.install(l)
	if err := s.disk.promote(path, s.created); err != nil {
		s.log.Error("config snapshot cannot be kept on disk; a restart will fetch it again", "error", err)
	}
	s.disk.appendRun(a.accepted)
	s.mu.Unlock()
	s.log.Info("config snapshot adopted", "revision", h.GetRevision(), "keys", l.state.keys.keys, "tenants", l.state.tenants())
	s.fire(cuts)
	return nil
}

// keep writes a snapshot that comes in to the directory.
func (s *Store) keep(r io.Reader) (string, error) {
	f, err := s.disk.incoming()
	if err != nil {
		return "", fmt.Errorf("keep config snapshot: %w", err)
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("keep config snapshot: %w", err)
	}
	return f.Name(), nil
}

// carryOver lists what of the old state outlives a snapshot.
func (s *Store) carryOver(old *state, l *loaded) (envs []*configv1.Envelope) {
	if old == nil {
		return nil
	}
	revision := l.header.GetRevision()
	for _, r := range l.refused {
		if env := old.envelope(r); env != nil {
			envs = append(envs, env)
		}
	}
	old.keys.all(func(e *keyEntry) bool {
		if e.revoked() && e.revision > revision && e.previousUntil == 0 {
			envs = append(envs, old.keyEnvelope(e))
		}
		return true
	})
	for _, t := range *old.slots.Load() {
		if env := t.tenantEnvelope(); env != nil && env.GetRevision() > revision && t.suspended() {
			envs = append(envs, env)
		}
	}
	for k, at := range s.graves {
		if k.kind == configv1.Kind_KIND_API_KEY && at > revision {
			bits, _ := id.Bits(id.APIKey, k.id)
			if found := l.state.keys.ofID(bits); len(found) > 0 {
				owner := (*l.state.slots.Load())[found[0].tenant]
				envs = append(envs, &configv1.Envelope{Revision: at, TenantId: owner.ID, Kind: k.kind, Id: k.id, Deleted: true})
			}
		}
	}
	return envs
}

// diff finds what was alive in the old state and is not in the new one.
func (a *applier) diff(old *state) (cuts []cut) {
	if old == nil {
		return nil
	}
	slots := *old.slots.Load()
	old.keys.all(func(e *keyEntry) bool {
		if e.previousUntil != 0 || a.dead(e) {
			return true
		}
		now := a.state.keys.find(&e.hash)
		if now == nil || now.id != e.id {
			now = nil
			if found := a.state.keys.ofID(e.id); len(found) > 0 {
				now = &found[0]
			}
		}
		if now == nil || a.dead(now) {
			cuts = append(cuts, cut{tenant: slots[e.tenant].ID, key: string(id.Format(nil, id.APIKey, e.id))})
		}
		return true
	})
	for _, t := range slots {
		if !t.present.Load() || t.suspended() {
			continue
		}
		if n := a.state.tenant(t.ID); n == nil || !n.present.Load() || n.suspended() {
			cuts = append(cuts, cut{tenant: t.ID})
		}
	}
	return cuts
}

// envelope gives the version held of what a refusal is about; nil when there
// is none.
func (s *state) envelope(r *statusv1.Refusal) *configv1.Envelope {
	switch r.GetKind() {
	case configv1.Kind_KIND_API_KEY:
		bits, ok := id.Bits(id.APIKey, r.GetId())
		if found := s.keys.ofID(bits); ok && len(found) > 0 {
			return s.keyEnvelope(&found[0])
		}
	case configv1.Kind_KIND_CATALOG_MODEL:
		if e, ok := s.entries[r.GetId()]; ok {
			payload, err := proto.Marshal(e.model)
			if err == nil {
				return &configv1.Envelope{Revision: e.revision, Kind: r.GetKind(), Id: r.GetId(), CommittedAtUnixNano: e.committed, Payload: payload}
			}
		}
	default:
		if t := s.tenant(r.GetTenantId()); t != nil {
			return t.envelope(r.GetKind(), r.GetId())
		}
	}
	return nil
}

// keyEnvelope writes a key as it came, from its compact form.
func (s *state) keyEnvelope(e *keyEntry) *configv1.Envelope {
	limits := s.limits.get(e.limits >> 1)
	k := &configv1.ApiKey{
		Id: string(id.Format(nil, id.APIKey, e.id)), ProjectId: string(id.Format(nil, id.Project, e.project)),
		ExpiresAtUnix: int64(e.expires), Revoked: e.revoked(), AllowedRoutes: limits.routes, ParameterRules: limits.source,
	}
	for _, h := range s.keys.ofID(e.id) {
		if h.previousUntil == 0 {
			k.SecretSha256 = h.hash[:]
		} else {
			k.PreviousSha256, k.PreviousValidUntilUnix = h.hash[:], int64(h.previousUntil)
		}
	}
	payload, err := proto.Marshal(k)
	if err != nil {
		payload = nil // Refused again where it is taken.
	}
	return &configv1.Envelope{
		Revision: e.revision, TenantId: (*s.slots.Load())[e.tenant].ID, Kind: configv1.Kind_KIND_API_KEY, Id: k.Id, Payload: payload,
	}
}
