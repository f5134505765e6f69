package publish

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/snapshot"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Snapshot is the whole config as one file.
type Snapshot struct {
	*io.SectionReader
	Header *configv1.SnapshotHeader
}

// Snapshots builds the file, one at a time, and keeps the newest. The file has
// no name: nobody else can change it, and nothing is left behind by a crash.
type Snapshots struct {
	db  *postgres.DB
	dir string

	mu     sync.Mutex
	file   *os.File
	size   int64
	header *configv1.SnapshotHeader
}

// askTimeout is how long Postgres may take to say where publishing stands.
const askTimeout = 10 * time.Second

// NewSnapshots keeps them in dir, which is made when needed.
func NewSnapshots(db *postgres.DB, dir string) *Snapshots { return &Snapshots{db: db, dir: dir} }

// OpenSnapshot is Open for those who only send the bytes on.
func (s *Snapshots) OpenSnapshot(ctx context.Context) (io.ReadCloser, int64, error) {
	snap, err := s.Open(ctx)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(snap), snap.Size(), nil
}

// Open gives a snapshot that has everything numbered so far. However many ask,
// Postgres is read once for each state. When Postgres is away, the newest one
// there is must do.
func (s *Snapshots) Open(ctx context.Context) (*Snapshot, error) {
	now, err := s.publication(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.header == nil {
		return nil, err
	}
	stale := err == nil && (s.header == nil || int64(s.header.Revision) != now.LastRevision || s.header.StreamCreatedUnixNano != now.StreamCreated)
	if stale {
		// A build that fails, on a full disk say, must not pass the file before
		// off as the present state.
		if err := s.build(ctx); err != nil {
			return nil, err
		}
	}
	return &Snapshot{SectionReader: io.NewSectionReader(s.file, 0, s.size), Header: s.header}, nil
}

func (s *Snapshots) publication(ctx context.Context) (postgres.Publication, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.db.Publication(ctx)
}

func (s *Snapshots) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longWork)
	defer cancel()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("build config snapshot: %w", err)
	}
	f, err := os.CreateTemp(s.dir, "config-*.snapshot")
	if err != nil {
		return fmt.Errorf("build config snapshot: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return fmt.Errorf("build config snapshot: %w", err)
	}
	header, err := s.write(ctx, f)
	if err == nil {
		s.size, err = f.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("build config snapshot: %w", err)
	}
	// Readers of the file before may be in the middle of it: it is closed when
	// the last of them has let go of it.
	s.file, s.header = f, header
	return nil
}

func (s *Snapshots) write(ctx context.Context, to io.Writer) (*configv1.SnapshotHeader, error) {
	buf := bufio.NewWriterSize(to, 1<<20)
	var w *snapshot.Writer
	var header *configv1.SnapshotHeader
	var epoch int64
	err := s.db.ReadConfig(ctx, func(h postgres.ConfigHead) (err error) {
		epoch = h.Epoch
		header = &configv1.SnapshotHeader{
			Revision: uint64(h.LastRevision), StreamCreatedUnixNano: h.StreamCreated, StreamSequence: uint64(h.StreamSequence),
			BuiltAtUnixNano: h.At.UnixNano(), Count: uint64(h.Count),
		}
		w, err = snapshot.NewWriter(buf, header)
		return err
	}, func(o postgres.Outgoing) error { return w.Write(envelope(o, epoch)) })
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return header, buf.Flush()
}

// Names in the metadata of the stored object.
const (
	metaRevision = "revision"
	metaCreated  = "stream_created"
)

// checkSnapshot asks for a snapshot when the object store has none for this
// stream.
func (t *term) checkSnapshot(ctx context.Context, known postgres.Publication) error {
	calling, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	t.asked = time.Now()
	bucket, err := t.bucket(calling)
	if err != nil {
		return err
	}
	info, err := bucket.GetInfo(calling, subject.SnapshotObject)
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound):
	case err != nil:
		return fmt.Errorf("look for snapshot: %w", err)
	case info.Metadata[metaCreated] == strconv.FormatInt(t.created, 10):
		t.snapshotted, _ = strconv.ParseInt(info.Metadata[metaRevision], 10, 64)
		return nil
	}
	t.snapshotted = known.LastRevision
	t.wantSnapshot()
	return nil
}

func (t *term) bucket(ctx context.Context) (jetstream.ObjectStore, error) {
	bucket, err := t.js.ObjectStore(ctx, subject.SnapshotBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		bucket, err = t.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: subject.SnapshotBucket, Description: "config snapshots", Storage: jetstream.FileStorage,
			MaxBytes: t.cfg.StreamMaxBytes,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", subject.SnapshotBucket, err)
	}
	return bucket, nil
}

// storeSnapshots puts snapshots into the object store when they are due.
func (t *term) storeSnapshots(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.want:
		}
		if err := t.storeSnapshot(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("cannot store a config snapshot; trying again", "error", err)
			sleep(ctx, t.cfg.Poll)
			t.wantSnapshot()
		}
	}
}

// whileConnected gives a context that ends when the connection is lost. What was
// sent to a NATS that died is not acknowledged by the one that comes back: a
// snapshot half stored would be waited for in vain.
func whileConnected(ctx context.Context, nc *nats.Conn) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	lost := nc.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	context.AfterFunc(ctx, func() { nc.RemoveStatusListener(lost) }) // which closes it
	go func() {
		<-lost
		cancel()
	}()
	if !nc.IsConnected() {
		cancel()
	}
	return ctx, cancel
}

func (t *term) storeSnapshot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longWork)
	defer cancel()
	ctx, end := whileConnected(ctx, t.cfg.NATS)
	defer end()
	snap, err := t.cfg.Snapshots.Open(ctx)
	if err != nil {
		return err
	}
	if snap.Header.StreamCreatedUnixNano == 0 {
		return fault.New(fault.ConfigUnavailable, "", errors.New("the stream of the snapshot is not known yet"))
	}
	bucket, err := t.bucket(ctx)
	if err != nil {
		return err
	}
	_, err = bucket.Put(ctx, jetstream.ObjectMeta{Name: subject.SnapshotObject, Metadata: map[string]string{
		metaRevision: strconv.FormatUint(snap.Header.Revision, 10), metaCreated: strconv.FormatInt(snap.Header.StreamCreatedUnixNano, 10),
	}}, snap)
	if err != nil {
		return fmt.Errorf("store snapshot of revision %d: %w", snap.Header.Revision, err)
	}
	err = t.attempt(ctx, func(ctx context.Context) error {
		return t.lead.SnapshotStored(ctx, t.cfg.DB, int64(snap.Header.Revision))
	})
	if err != nil {
		return fmt.Errorf("note snapshot: %w", err)
	}
	header, err := proto.Marshal(snap.Header)
	if err != nil {
		return fmt.Errorf("announce snapshot: %w", err)
	}
	if err := t.cfg.NATS.Publish(subject.SnapshotReady(), header); err != nil {
		return fmt.Errorf("announce snapshot: %w", err)
	}
	t.metrics.snapshots.Inc()
	t.log.Info("config snapshot stored", "revision", snap.Header.Revision, "count", snap.Header.Count, "bytes", snap.Size())
	return nil
}
