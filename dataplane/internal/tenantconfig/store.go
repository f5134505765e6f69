package tenantconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/seal"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"golang.org/x/sync/errgroup"
)

// Config of a Store. Zero values work but for Dir and DataPlaneID.
type Config struct {
	Logger *slog.Logger
	// Dir is where snapshot and delta log are kept.
	Dir string
	// DataPlaneID and Epoch identify this boot in acknowledgements and
	// heartbeats; the meter hands them out.
	DataPlaneID string
	Epoch       uint64
	// PrivateKey opens credentials. Without it every credential is refused.
	PrivateKey *seal.PrivateKey
	// NATS is the connection to follow changes on; nil for a data plane that
	// lives from its snapshot alone.
	NATS *nats.Conn
	// Snapshot is a file or an http(s) URL to start from when the local disk
	// has none.
	Snapshot string
	// SnapshotToken is sent as a bearer token to a snapshot URL.
	SnapshotToken string
	// HTTPClient fetches a snapshot URL; nil means one with timeouts.
	HTTPClient *http.Client
	// OnCut is called after a key was revoked, deleted or expired by a change
	// (keyID set), or a tenant was suspended or deleted (keyID empty). It must
	// return soon.
	OnCut func(tenantID, keyID string)
	// OnRevocation is called after OnCut with the time since the change was
	// committed, or since this boot if that is later.
	OnRevocation func(lag time.Duration)
	// Numbers fills in what heartbeats say of the rest of the data plane.
	Numbers func() Numbers
	// Version and Address of this data plane, for people.
	Version string
	Address func() string

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// HeartbeatEvery defaults to 5 s, CheckEvery (of the stream's identity) to
	// 2 s, LinkGrace (how long a lost link leaves the config complete) to 5 s.
	HeartbeatEvery, CheckEvery, LinkGrace time.Duration
	// RetryMin and RetryMax bound the jittered waits between attempts; 2 s and
	// 30 s.
	RetryMin, RetryMax time.Duration
	// CompactBytes is how large the delta log grows before it is merged into a
	// new snapshot; 16 MiB.
	CompactBytes int64
}

// Numbers are what a heartbeat reports for others.
type Numbers struct {
	InFlight, SpoolBytes, SpoolUnconfirmed, UsageLost, LastSeq uint64
}

// Store holds the config of all tenants. Reads are safe from any goroutine and
// take no lock.
type Store struct {
	cfg   Config
	log   *slog.Logger
	state atomic.Pointer[state]
	link  link
	start time.Time

	revision atomic.Uint64
	// committed is the commit time of the newest change applied.
	committed atomic.Int64
	// refusals by reason; the keys are fixed.
	refusals map[string]*atomic.Uint64

	// mu admits one writer; everything below it is the writer's.
	mu   sync.Mutex
	disk *disk
	// created and seq are the identity of the stream that the state belongs to
	// and the place in it up to which it is applied.
	created int64
	seq     uint64
	// graves remembers deletions that may overtake what they delete.
	graves map[graveKey]uint64

	acks    ackQueue
	compact chan struct{}
	loadMu  sync.Mutex
}

// Open prepares a store and its directory; nothing is loaded yet.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.DataPlaneID == "" {
		return nil, errors.New("tenantconfig: Dir and DataPlaneID are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 5 * time.Minute}
	}
	cfg.HeartbeatEvery = cmp.Or(cfg.HeartbeatEvery, 5*time.Second)
	cfg.CheckEvery = cmp.Or(cfg.CheckEvery, 2*time.Second)
	cfg.LinkGrace = cmp.Or(cfg.LinkGrace, 5*time.Second)
	cfg.RetryMin = cmp.Or(cfg.RetryMin, 2*time.Second)
	cfg.RetryMax = cmp.Or(cfg.RetryMax, 30*time.Second)
	cfg.CompactBytes = cmp.Or(cfg.CompactBytes, 16<<20)
	d, err := openDisk(cfg.Dir, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("open config directory %s: %w", cfg.Dir, err)
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger, disk: d, graves: map[graveKey]uint64{}, refusals: map[string]*atomic.Uint64{},
		acks: newAckQueue(), compact: make(chan struct{}, 1), start: cfg.Now(),
	}
	for _, reason := range configcheck.Reasons() {
		s.refusals[reason] = new(atomic.Uint64)
	}
	s.link.apart()
	return s, nil
}

// LookupKey finds the key of a secret's SHA-256. It costs a hash table look-up
// and one small allocation; an unknown key costs no allocation and no I/O.
func (s *Store) LookupKey(hash *[32]byte) (Key, bool) {
	st := s.state.Load()
	if st == nil {
		return Key{}, false
	}
	return st.lookup(hash)
}

// Loaded reports whether there is a config to serve from.
func (s *Store) Loaded() bool { return s.state.Load() != nil }

// Complete reports whether an unknown key is really unknown: the config is
// loaded, has caught up with the stream, and the link to it is up or was until
// a moment ago.
func (s *Store) Complete() bool {
	return s.Loaded() && s.link.good(s.cfg.Now(), s.cfg.LinkGrace)
}

// Revision is the newest change that is live (or refused); 0 before loading.
func (s *Store) Revision() uint64 { return s.revision.Load() }

// Age is how long ago the newest change that is live was committed.
func (s *Store) Age() time.Duration {
	at := s.committed.Load()
	if at == 0 {
		return 0
	}
	return max(0, s.cfg.Now().Sub(time.Unix(0, at)))
}

// Refused counts resources refused since boot.
func (s *Store) Refused() (n uint64) {
	for _, of := range s.refusals {
		n += of.Load()
	}
	return n
}

// RefusedFor counts those of one of configcheck.Reasons.
func (s *Store) RefusedFor(reason string) uint64 { return s.refusals[reason].Load() }

// Counts gives how many tenants and keys are held.
func (s *Store) Counts() (tenants, keys uint64) {
	st := s.state.Load()
	if st == nil {
		return 0, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.tenants(), uint64(st.keys.keys)
}

// Run loads the config and follows its changes until ctx ends. A data plane
// goes on serving whatever happens here, so Run returns an error only when it
// could not start.
func (s *Store) Run(ctx context.Context) error {
	if err := s.Load(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("no config yet", "error", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.runCompaction(ctx) })
	if isURL(s.cfg.Snapshot) {
		g.Go(func() error { return s.runBootstrap(ctx) })
	}
	if s.cfg.NATS != nil {
		g.Go(func() error { return s.runSync(ctx) })
		g.Go(func() error { return s.runRevocations(ctx) })
		g.Go(func() error { return s.runStatus(ctx) })
	}
	err := g.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disk.close()
	return err
}

// report queues a refusal for the next acknowledgement.
func (s *Store) report(r *statusv1.Refusal) {
	s.refusals[configcheck.Reason(r.GetPath())].Add(1)
	s.log.Warn("config resource refused", "tenant", r.GetTenantId(), "kind", r.GetKind().String(),
		"resource", r.GetId(), "revision", r.GetRevision(), "path", r.GetPath(), "reason", r.GetMessage())
	s.acks.refuse(r)
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// link remembers since when the config stream is out of reach.
type link struct {
	// since in Unix nanoseconds; 0 while the link is up; never as long as the
	// state has not caught up with a stream.
	since atomic.Int64
}

const never = -1 << 62

func (l *link) up() { l.since.Store(0) }

// lost marks the moment of loss, once.
func (l *link) lost(now time.Time) { l.since.CompareAndSwap(0, now.UnixNano()) }

// apart says that the state does not continue the stream: it is not complete.
func (l *link) apart() { l.since.Store(never) }

func (l *link) good(now time.Time, grace time.Duration) bool {
	at := l.since.Load()
	return at == 0 || at != never && now.UnixNano()-at <= int64(grace)
}
