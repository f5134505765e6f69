package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/proto/id"
	"golang.org/x/sync/errgroup"
)

// ErrLocked means that another process uses the spool.
var ErrLocked = errors.New("the usage spool is in use by another process")

// ErrSettled is the answer to settling an admission twice.
var ErrSettled = errors.New("the admission is settled already")

// errClosed is the answer to settling after Close.
var errClosed = errors.New("the meter is closed")

// Config of a Meter. Zero values work but for Dir.
type Config struct {
	Logger *slog.Logger
	// Dir is where the spool is.
	Dir string
	// DataPlaneID names this data plane; when empty one is made and kept in
	// Dir.
	DataPlaneID string
	// NATS carries batches and watermarks; nil keeps everything in the spool.
	NATS *nats.Conn
	// MaxBytes caps the spool on disk; 4 GiB. When it is reached, or the disk is
	// full, admissions are refused.
	MaxBytes int64
	// SegmentBytes is the size of one file; 8 MiB, and less in a small spool.
	SegmentBytes int64
	// Retain is how long confirmed events stay; 15 minutes.
	Retain time.Duration
	// SyncAfter is how long a record may wait for the disk; 40 ms. ShipEvery
	// is how long an event may wait for a batch; 50 ms.
	SyncAfter, ShipEvery time.Duration
	// AckTimeout bounds the wait for JetStream; 5 s. ReshipAfter is how long
	// the watermark may stand still behind what was shipped; 10 s.
	AckTimeout, ReshipAfter time.Duration
	// RetryMin and RetryMax bound the jittered wait after a failed shipment;
	// 100 ms and 2 s.
	RetryMin, RetryMax time.Duration
	// FlushTimeout bounds the last shipment after Run's context ended; 5 s.
	FlushTimeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// WriteThrough writes each record with write(2) instead of gathering them in
	// a mapped journal, as systems other than Linux do.
	WriteThrough bool
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, d := range []struct {
		v         *time.Duration
		otherwise time.Duration
	}{
		{&c.Retain, 15 * time.Minute}, {&c.SyncAfter, 40 * time.Millisecond}, {&c.ShipEvery, 50 * time.Millisecond},
		{&c.AckTimeout, 5 * time.Second}, {&c.ReshipAfter, 10 * time.Second}, {&c.FlushTimeout, 5 * time.Second},
		{&c.RetryMin, 100 * time.Millisecond}, {&c.RetryMax, 2 * time.Second},
	} {
		if *d.v == 0 {
			*d.v = d.otherwise
		}
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 4 << 30
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = min(8<<20, c.MaxBytes/16)
	}
	c.SegmentBytes = max(c.SegmentBytes&^7, segmentHeader+4*maxFrame)
	// One segment being written and one to turn to is the least that works.
	c.MaxBytes = max(c.MaxBytes, 2*c.SegmentBytes)
}

// Meter is the spool of this boot and all that is left of earlier ones.
type Meter struct {
	cfg     Config
	log     *slog.Logger
	planeID string
	epoch   uint64
	lock    *os.File

	mu     sync.Mutex
	closed bool
	// journal stands before the active segment; nil where files cannot be
	// mapped.
	journal *journal
	active  *segment
	// spares are allocated and empty.
	spares []*segment
	// segments are those written to, the active one last.
	segments []*segment
	// next is the number of the next segment file.
	next uint64
	// bytes on disk, spares included.
	bytes int64
	// admissions made and open, and the newest event.
	admitted, open, seq uint64
	// debts are admissions of earlier boots that are not settled yet, for lack
	// of room.
	debts []debt
	lines map[lineKey]*line
	// retryAt is when a disk that was full is tried again.
	retryAt time.Time
	full    bool
	// unwritten says that a half of the journal waits for a disk that does not
	// take it.
	unwritten bool
	// near says that the spool is almost at its cap.
	near bool

	lost, unrecorded, reshipped atomic.Uint64

	// syncMu is held while files are synced or closed.
	syncMu sync.Mutex
	// syncWake and shipWake are signalled when there is something to do.
	syncWake, shipWake chan struct{}
	syncAsked          atomic.Bool
	unshipped          atomic.Int64
	buffers            sync.Pool
}

// Open takes the spool of a directory, settles what an earlier process left
// open, and is ready for admissions.
func Open(cfg Config) (*Meter, error) {
	cfg.setDefaults()
	if cfg.Dir == "" {
		return nil, errors.New("meter: Dir is required")
	}
	if len(cfg.DataPlaneID) > maxPlaneID {
		return nil, fmt.Errorf("meter: the data plane's id is longer than %d", maxPlaneID)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make usage spool: %w", err)
	}
	lock, err := lockFile(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock usage spool %s: %w", cfg.Dir, err)
	}
	m := &Meter{
		cfg: cfg, log: cfg.Logger, planeID: cfg.DataPlaneID, lock: lock, next: 1, lines: map[lineKey]*line{},
		syncWake: make(chan struct{}, 1), shipWake: make(chan struct{}, 1),
	}
	m.buffers.New = func() any { b := make([]byte, 0, 2*maxFrame); return &b }
	if err := m.boot(); err != nil {
		m.release()
		return nil, fmt.Errorf("open usage spool %s: %w", cfg.Dir, err)
	}
	return m, nil
}

// boot finds out who this is and what is left, and settles it.
func (m *Meter) boot() error {
	notes := readNotes(m.cfg.Dir, m.log)
	if m.planeID == "" {
		m.planeID = notes.DataPlaneID
	}
	if m.planeID == "" {
		m.planeID = id.New(id.DataPlane)
	}
	if err := m.replayJournal(); err != nil {
		return err
	}
	found, err := m.scan(notes)
	if err != nil {
		return err
	}
	m.epoch = max(uint64(m.cfg.Now().UnixMilli()), notes.Epoch+1, found.epoch+1)
	m.lines[lineKey{m.planeID, m.epoch}] = &line{first: 1}
	// The id and the epoch are kept before anything is written under them.
	if err := m.writeNotes(); err != nil {
		if m.cfg.DataPlaneID == "" && notes.DataPlaneID == "" {
			return fmt.Errorf("keep the data plane's id: %w", err)
		}
		m.log.Error("usage spool notes cannot be written", "error", err)
	}
	m.debts = found.debts
	if !m.cfg.WriteThrough {
		if m.journal, err = openJournal(m.cfg.Dir); err != nil {
			m.log.Warn("usage journal cannot be used; every record is a write of its own", "error", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.spares) == 0 {
		if err := m.grow(); err != nil {
			m.log.Error("usage spool has no room; billable requests are refused until it has", "error", err)
		}
	}
	m.payDebts()
	return nil
}

// DataPlaneID is the id that events are shipped under.
func (m *Meter) DataPlaneID() string { return m.planeID }

// Epoch numbers this boot.
func (m *Meter) Epoch() uint64 { return m.epoch }

// Run syncs, ships and trims until ctx ends, then syncs and ships what is left
// and returns. Requests have to be settled before, or are settled as
// interrupted by the next boot.
func (m *Meter) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.runKeeper(ctx) })
	g.Go(func() error { return m.runShipper(ctx) })
	return g.Wait()
}

// Close gives the spool back. Run must have returned.
func (m *Meter) Close() error {
	m.abandon()
	m.syncAll()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if m.journal != nil {
		// What the disk does not take now stays in the journal for the next boot.
		if err := m.spill(); err != nil {
			m.log.Error("usage records stay in the journal", "error", err)
		}
	}
	if err := m.keepNotes(m.notes()); err != nil {
		m.log.Error("usage spool notes cannot be written", "error", err)
	}
	// A short last segment leaves the next boot less to read.
	if m.active != nil {
		if err := m.active.file.Truncate(m.active.used); err != nil {
			m.log.Warn("usage segment cannot be cut to size", "error", err)
		}
	}
	return m.release()
}

// abandon stops admissions that are still open from touching the journal; the
// next boot settles them.
func (m *Meter) abandon() {
	m.mu.Lock()
	var open []*Admission
	if m.journal != nil && !m.closed {
		for _, a := range m.journal.open {
			if a != nil {
				open = append(open, a)
			}
		}
	}
	m.mu.Unlock()
	for _, a := range open {
		a.mu.Lock()
		a.abandoned = true
		a.mu.Unlock()
	}
}

// release closes all files.
func (m *Meter) release() error {
	m.syncMu.Lock()
	defer m.syncMu.Unlock()
	var err error
	for _, s := range m.segments {
		err = errors.Join(err, s.release())
	}
	for _, s := range m.spares {
		err = errors.Join(err, s.release(), os.Remove(s.path))
	}
	if m.journal != nil {
		err = errors.Join(err, m.journal.close())
	}
	return errors.Join(err, m.lock.Close())
}

// Stats are the spool's figures of the moment.
type Stats struct {
	// Bytes on disk and the cap.
	Bytes, MaxBytes int64
	Segments        int
	// Unconfirmed events, and how long the oldest of them waits.
	Unconfirmed       uint64
	OldestUnconfirmed time.Duration
	// Unsettled admissions, those of earlier boots included.
	Unsettled uint64
	// LastSeq is the newest event of this boot.
	LastSeq uint64
	// Lost events could not be kept: an alarm when above 0.
	Lost uint64
	// Unrecorded are refusals of requests, which cost nothing, that a full
	// spool had no room for.
	Unrecorded uint64
	// Reshipped counts events sent again.
	Reshipped uint64
	// Full says that admissions are refused.
	Full bool
}

// Stats gives the figures of the moment.
func (m *Meter) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := Stats{
		Bytes: m.bytes, MaxBytes: m.cfg.MaxBytes, Segments: len(m.segments), LastSeq: m.seq, Full: m.full || m.unwritten,
		Unsettled: m.open + uint64(len(m.debts)), Lost: m.lost.Load(), Unrecorded: m.unrecorded.Load(), Reshipped: m.reshipped.Load(),
	}
	now := m.cfg.Now()
	for _, l := range m.lines {
		st.Unconfirmed += l.unconfirmed()
		if since := l.waitingSince(); since != 0 {
			st.OldestUnconfirmed = max(st.OldestUnconfirmed, now.Sub(time.Unix(0, since)))
		}
	}
	return st
}
