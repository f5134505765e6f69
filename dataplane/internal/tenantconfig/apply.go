package tenantconfig

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

// delta is one envelope as it came.
type delta struct {
	env *configv1.Envelope
	raw []byte
	// seq is its place in the stream; 0 for one that came ahead of it.
	seq uint64
}

type graveKey struct {
	kind configv1.Kind
	id   string
}

// cut ends calls of a key, or of a tenant; committed is when the change was, 0
// when that is not known.
type cut struct {
	tenant, key string
	committed   int64
}

// apply takes a run of changes in order: each resource by itself, refused ones
// apart. Accepted ones go to the delta log in one write, after they are live.
func (s *Store) apply(run []delta) {
	s.mu.Lock()
	st := s.state.Load()
	if st == nil {
		s.mu.Unlock()
		return
	}
	a := applier{store: s, state: st, now: s.cfg.Now()}
	for i := range run {
		a.take(&run[i])
	}
	a.finish()
	if s.disk.appendRun(a.accepted) > s.cfg.CompactBytes {
		select {
		case s.compact <- struct{}{}:
		default:
		}
	}
	s.mu.Unlock()
	s.fire(a.cuts)
}

func (s *Store) fire(cuts []cut) {
	for _, c := range cuts {
		if s.cfg.OnCut != nil {
			s.cfg.OnCut(c.tenant, c.key)
		}
		if s.cfg.OnRevocation != nil && c.committed != 0 {
			// What was committed while this data plane was down let nobody pass.
			since := time.Unix(0, max(c.committed, s.start.UnixNano()))
			s.cfg.OnRevocation(max(0, s.cfg.Now().Sub(since)))
		}
	}
}

// applier is one run of changes under way.
type applier struct {
	store    *Store
	state    *state
	now      time.Time
	accepted []delta
	cuts     []cut
	// catalogue says that the catalogue changed.
	catalogue bool
}

// take applies one envelope; nothing in it can make the data plane fail.
func (a *applier) take(d *delta) {
	accepted, err := a.try(d.env)
	s := a.store
	if err != nil {
		s.report(refusalFor(d.env, err))
	}
	if accepted {
		a.accepted = append(a.accepted, *d)
		if at := d.env.GetCommittedAtUnixNano(); at > s.committed.Load() {
			s.committed.Store(at)
		}
	}
	if d.seq > 0 {
		s.seq = max(s.seq, d.seq)
		if r := d.env.GetRevision(); r > s.revision.Load() {
			s.revision.Store(r)
		}
	}
}

// finish swaps in a changed catalogue and forgets deletions that nothing can
// overtake any more.
func (a *applier) finish() {
	if a.catalogue {
		a.state.setCatalog()
	}
	for k, revision := range a.store.graves {
		if revision <= a.store.revision.Load() {
			delete(a.store.graves, k)
		}
	}
}

func refusalFor(env *configv1.Envelope, err error) *statusv1.Refusal {
	r := &statusv1.Refusal{TenantId: env.GetTenantId(), Kind: env.GetKind(), Id: env.GetId(), Revision: env.GetRevision(), Path: "payload", Message: err.Error()}
	if e, ok := errors.AsType[*configcheck.Error](err); ok {
		r.Path, r.Message = e.Path, e.Message
	}
	return r
}

// try applies one envelope. accepted is false without an error for one that is
// not newer than what is held.
func (a *applier) try(env *configv1.Envelope) (accepted bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.store.log.Error("applying a config resource panicked", "tenant", env.GetTenantId(), "resource", env.GetId(), "panic", fmt.Sprint(p))
			accepted, err = false, &configcheck.Error{Path: "payload", Message: "cannot be applied by this version of the data plane"}
		}
	}()
	m, err := configcheck.Decode(env)
	if err != nil {
		return false, err
	}
	grave := graveKey{env.GetKind(), env.GetId()}
	if a.store.graves[grave] >= env.GetRevision() {
		return false, nil
	}
	switch env.GetKind() {
	case configv1.Kind_KIND_API_KEY:
		accepted, err = a.key(env, m)
	case configv1.Kind_KIND_CATALOG_MODEL:
		accepted = a.catalogModel(env, m)
	default:
		accepted, err = a.resource(env, m)
	}
	if env.GetDeleted() && accepted {
		a.store.graves[grave] = env.GetRevision()
	}
	return accepted, err
}

func (a *applier) key(env *configv1.Envelope, m proto.Message) (bool, error) {
	bits, _ := id.Bits(id.APIKey, env.GetId())
	_, slot, _ := a.state.slot(env.GetTenantId())
	old := a.state.keys.ofID(bits)
	if len(old) > 0 {
		if old[0].tenant != slot {
			return false, &configcheck.Error{Path: "envelope.tenant_id", Message: "differs from the tenant that has this key"}
		}
		if old[0].revision >= env.GetRevision() {
			return false, nil
		}
	}
	if env.GetDeleted() {
		a.state.keys.replace(bits, nil)
		a.cut(env, env.GetId())
		return true, nil
	}
	entries := a.state.compactKey(m.(*configv1.ApiKey), slot, env.GetRevision())
	for i := range entries {
		if e := a.state.keys.find(&entries[i].hash); e != nil && e.id != bits {
			path := "secret_sha256"
			if i == 1 {
				path = "previous_sha256"
			}
			return false, &configcheck.Error{Path: path, Message: "is the hash of another key"}
		}
	}
	// A secret that worked and works no more was revoked, or rotated away
	// without an overlap, because it leaked: its streams end too.
	ended := slices.ContainsFunc(old, func(was keyEntry) bool {
		return !a.dead(&was) && !slices.ContainsFunc(entries, func(is keyEntry) bool { return is.hash == was.hash && !a.dead(&is) })
	})
	a.state.keys.replace(bits, entries)
	if ended || len(old) == 0 && a.dead(&entries[0]) {
		a.cut(env, env.GetId())
	}
	return true, nil
}

// dead says that calls with this key have to end.
func (a *applier) dead(e *keyEntry) bool {
	return e.revoked() || e.expires != 0 && int64(e.expires) <= a.now.Unix()
}

func (a *applier) cut(env *configv1.Envelope, keyID string) {
	a.cuts = append(a.cuts, cut{env.GetTenantId(), keyID, env.GetCommittedAtUnixNano()})
}

func (a *applier) catalogModel(env *configv1.Envelope, m proto.Message) bool {
	if a.state.entries[env.GetId()].revision >= env.GetRevision() {
		return false
	}
	a.catalogue = true
	if env.GetDeleted() {
		delete(a.state.entries, env.GetId())
		return true
	}
	a.state.entries[env.GetId()] = catalogEntry{model: m.(*configv1.CatalogModel), revision: env.GetRevision(), committed: env.GetCommittedAtUnixNano()}
	return true
}

func (a *applier) resource(env *configv1.Envelope, m proto.Message) (bool, error) {
	t, _, _ := a.state.slot(env.GetTenantId())
	if t.revisionOf(env.GetKind(), env.GetId()) >= env.GetRevision() {
		return false, nil
	}
	if env.GetDeleted() {
		t.drop(env.GetKind(), env.GetId())
	} else {
		r := newResource(env.GetKind(), env.GetId(), env.GetRevision(), env.GetCommittedAtUnixNano(), env.GetPayload())
		if path, message := t.put(r); path != "" {
			return false, &configcheck.Error{Path: path, Message: message}
		}
	}
	if env.GetKind() == configv1.Kind_KIND_TENANT {
		tenant, _ := m.(*configv1.Tenant)
		if tenant.GetStatus() != configv1.TenantStatus_TENANT_STATUS_ACTIVE {
			a.cut(env, "")
		}
	}
	return true, nil
}
