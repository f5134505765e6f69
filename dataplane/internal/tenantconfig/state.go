package tenantconfig

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tollgate/tollgate/dataplane/internal/parameters"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/seal"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

// state is everything of one snapshot and the changes since. Another snapshot
// makes another state, swapped in whole.
type state struct {
	log    *slog.Logger
	key    *seal.PrivateKey
	report func(*statusv1.Refusal)

	keys    keyTable
	limits  keyLimits
	catalog atomic.Pointer[catalog]
	// entries of the catalogue, for the writer.
	entries map[string]catalogEntry

	// slots is read without a lock and only ever grows.
	slots atomic.Pointer[[]*Tenant]
	mu    sync.Mutex
	index map[[16]byte]uint32
}

func newState(log *slog.Logger, key *seal.PrivateKey, report func(*statusv1.Refusal)) *state {
	s := &state{log: log, key: key, report: report, entries: map[string]catalogEntry{}, index: map[[16]byte]uint32{}}
	s.catalog.Store(newCatalog(nil))
	s.slots.Store(new([]*Tenant))
	return s
}

// slot gives the tenant's slot and its index, made when it is new.
func (s *state) slot(tenantID string) (*Tenant, uint32, bool) {
	bits, ok := id.Bits(id.Tenant, tenantID)
	if !ok {
		return nil, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := *s.slots.Load()
	if i, ok := s.index[bits]; ok {
		return slots[i], i, true
	}
	t := &Tenant{ID: strings.Clone(tenantID), state: s}
	i := uint32(len(slots))
	// Readers never look beyond the length they loaded, so the array may be
	// shared.
	slots = append(slots, t)
	s.slots.Store(&slots)
	s.index[bits] = i
	return t, i, true
}

// tenant finds a slot; nil when there is none.
func (s *state) tenant(tenantID string) *Tenant {
	bits, ok := id.Bits(id.Tenant, tenantID)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[bits]; ok {
		return (*s.slots.Load())[i]
	}
	return nil
}

// lookup finds the key of a hash. Keys of a tenant that is not here are not
// known.
func (s *state) lookup(hash *[32]byte) (Key, bool) {
	e := s.keys.find(hash)
	if e == nil {
		return Key{}, false
	}
	t := (*s.slots.Load())[e.tenant]
	if !t.present.Load() {
		return Key{}, false
	}
	// Both ids in one allocation.
	buf := make([]byte, 0, 2*30)
	buf = id.Format(buf, id.APIKey, e.id)
	n := len(buf)
	both := string(id.Format(buf, id.Project, e.project))
	limits := s.limits.get(e.limits >> 1)
	return Key{
		ID: both[:n], ProjectID: both[n:], Tenant: t,
		ExpiresAtUnix: int64(e.expires), PreviousValidUntilUnix: int64(e.previousUntil),
		Revoked: e.revoked(), AllowedRoutes: limits.routes, Rules: limits.rules,
	}, true
}

// open opens a credential's secret and keeps what came of it.
func (s *state) open(tenantID string, r *resource) error {
	var m configv1.Credential
	mustParse(r, &m)
	r.opened = &openedSecret{}
	if len(m.GetSealedSecret()) == 0 {
		return nil
	}
	if s.key == nil {
		r.opened.err = fmt.Errorf("credential %s: this data plane has no private key", r.id)
		return r.opened.err
	}
	plain, err := s.key.Open(tenantID, r.id, m.GetSealedSecret())
	if err != nil {
		r.opened.err = fmt.Errorf("credential %s: %w", r.id, err)
		return r.opened.err
	}
	r.opened.secret = NewSecret(string(plain))
	return nil
}

// setCatalog swaps the catalogue in; tenants compile again when next needed.
func (s *state) setCatalog() {
	s.catalog.Store(newCatalog(s.entries))
	for _, t := range *s.slots.Load() {
		t.compiled.Store(nil)
	}
}

// tenants counts the tenants that are here.
func (s *state) tenants() (n uint64) {
	for _, t := range *s.slots.Load() {
		if t.present.Load() {
			n++
		}
	}
	return n
}

func refusalOf(tenantID string, r *resource, path, message string) *statusv1.Refusal {
	return &statusv1.Refusal{TenantId: tenantID, Kind: r.kind, Id: strings.Clone(r.id), Revision: r.revision, Path: path, Message: message}
}

// limits are what a key may do: the routes it may call and its rules about
// parameters.
type limits struct {
	routes []string
	rules  *parameters.Rules
	// source is what rules were compiled from.
	source []*configv1.ParameterRule
}

// keyLimits holds each distinct set of limits once, so that a key costs an
// index: most have none, and thousands made alike share theirs. Sets are never
// removed while the state lives, so an index read from the table stays good.
type keyLimits struct {
	mu    sync.Mutex
	index map[string]uint32
	lists atomic.Pointer[[]limits]
}

// intern gives the index of a set of limits; 0 is the one without any.
func (l *keyLimits) intern(routes []string, rules []*configv1.ParameterRule) uint32 {
	if len(routes) == 0 && len(rules) == 0 {
		return 0
	}
	key := strings.Join(routes, "\x00")
	if len(rules) > 0 {
		// Its serialised form tells rules apart; no route's name holds this byte.
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&configv1.Project{ParameterRules: rules})
		if err != nil {
			panic("checked rules do not serialise")
		}
		key += "\x01" + string(b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.index[key]; ok {
		return i
	}
	var lists []limits
	if p := l.lists.Load(); p != nil {
		lists = *p
	} else {
		l.index, lists = map[string]uint32{}, []limits{{}}
	}
	i := uint32(len(lists))
	names := slices.Clone(routes)
	for i := range names {
		// Names may lie in a snapshot's buffer, which would stay with them.
		names[i] = strings.Clone(names[i])
	}
	lists = append(lists, limits{names, parameters.Compile(rules), rules})
	l.lists.Store(&lists)
	l.index[key] = i
	return i
}

func (l *keyLimits) get(i uint32) limits {
	if i == 0 {
		return limits{}
	}
	return (*l.lists.Load())[i]
}

// compactKey makes the table entries of a key: one, or two in rotation.
func (s *state) compactKey(k *configv1.ApiKey, tenant uint32, revision uint64) []keyEntry {
	e := keyEntry{revision: revision, tenant: tenant, expires: clampUnix(k.GetExpiresAtUnix()), limits: s.limits.intern(k.GetAllowedRoutes(), k.GetParameterRules()) << 1}
	e.id, _ = id.Bits(id.APIKey, k.GetId())
	e.project, _ = id.Bits(id.Project, k.GetProjectId())
	copy(e.hash[:], k.GetSecretSha256())
	if k.GetRevoked() {
		e.limits |= 1
	}
	entries := []keyEntry{e}
	if until := k.GetPreviousValidUntilUnix(); until > 0 {
		copy(e.hash[:], k.GetPreviousSha256())
		e.previousUntil = clampUnix(until)
		entries = append(entries, e)
	}
	return entries
}

// clampUnix keeps seconds in 32 bits: what ends after 2106 ends then, which
// for an expiry is never.
func clampUnix(at int64) uint32 {
	if at > 1<<32-1 {
		return 1<<32 - 1
	}
	return uint32(at)
}

// parseEnvelope is proto.Unmarshal for an envelope, with its error told.
func parseEnvelope(raw []byte) (*configv1.Envelope, error) {
	env := &configv1.Envelope{}
	if err := proto.Unmarshal(raw, env); err != nil {
		return nil, fmt.Errorf("envelope of %d bytes does not parse", len(raw))
	}
	return env, nil
}

// clashRefusal tells of a key whose hash another key has.
func clashRefusal(tenantID string, e *keyEntry) *statusv1.Refusal {
	path := "secret_sha256"
	if e.previousUntil != 0 {
		path = "previous_sha256"
	}
	return &statusv1.Refusal{
		TenantId: tenantID, Kind: configv1.Kind_KIND_API_KEY, Id: string(id.Format(nil, id.APIKey, e.id)),
		Revision: e.revision, Path: path, Message: "is the hash of another key",
	}
}
