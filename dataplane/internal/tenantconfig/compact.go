package tenantconfig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// runCompaction merges the delta log into a new snapshot whenever the log has
// grown large, so that a start never replays much.
func (s *Store) runCompaction(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.compact:
		}
		if err := s.compactOnce(); err != nil {
			s.log.Error("merge config delta log into a snapshot; it goes on growing", "error", err)
		}
	}
}

// compactOnce turns to a new log, then merges the snapshot with the logs up to
// the old one, file to file, while changes go on.
func (s *Store) compactOnce() error {
	s.mu.Lock()
	gen := s.disk.gen
	h := &configv1.SnapshotHeader{
		Revision: s.revision.Load(), StreamCreatedUnixNano: s.created, StreamSequence: s.seq, BuiltAtUnixNano: s.cfg.Now().UnixNano(),
	}
	if gen == 0 || s.disk.failed || len(s.disk.buf) > 0 {
		s.mu.Unlock()
		return errors.New("the log on disk is behind")
	}
	err := s.disk.start(gen+1, s.created)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	path, err := s.disk.merge(gen, h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disk.gen != gen+1 {
		// A snapshot was adopted meanwhile; the merge is of the past.
		return os.Remove(path)
	}
	if err := os.Rename(path, s.disk.snapshotPath(gen+1)); err != nil {
		return err
	}
	s.disk.forget()
	return nil
}

// change is the newest of a resource in the logs.
type change struct {
	revision uint64
	deleted  bool
	raw      []byte
}

// merge writes the snapshot of generation ≤ gen and the logs up to gen as one.
func (d *disk) merge(gen uint64, h *configv1.SnapshotHeader) (path string, err error) {
	base, changes, err := d.changesUpTo(gen)
	if err != nil {
		return "", err
	}
	err = d.eachUnchanged(base, changes, func([]byte) error { h.Count++; return nil })
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if !c.deleted {
			h.Count++
		}
	}
	f, err := d.incoming()
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	bw := bufio.NewWriterSize(f, 256<<10)
	w, err := snapshot.NewWriter(bw, h)
	if err != nil {
		return "", err
	}
	if err := d.eachUnchanged(base, changes, w.WriteRaw); err != nil {
		return "", err
	}
	for _, c := range changes {
		if c.deleted {
			continue
		}
		if err := w.WriteRaw(c.raw); err != nil {
			return "", err
		}
	}
	return f.Name(), errors.Join(w.Close(), bw.Flush(), f.Sync())
}

// changesUpTo finds the newest snapshot not after gen and what the logs from
// it to gen changed.
func (d *disk) changesUpTo(gen uint64) (base uint64, changes map[string]change, err error) {
	for _, g := range d.snapshots() {
		if g <= gen {
			base = g
		}
	}
	if base == 0 {
		return 0, nil, errors.New("there is no snapshot to merge with")
	}
	changes = map[string]change{}
	for _, g := range d.logs() {
		if g < base || g > gen {
			continue
		}
		f, err := os.Open(d.deltaPath(g))
		if err != nil {
			return 0, nil, err
		}
		_, _, err = readDeltas(f, func(_ uint64, raw []byte) {
			e, ok := scanEnvelope(raw)
			if !ok {
				return
			}
			if k := e.key(); changes[k].revision < e.revision {
				changes[k] = change{e.revision, e.deleted, append([]byte(nil), raw...)}
			}
		})
		f.Close()
		if err != nil {
			return 0, nil, fmt.Errorf("log %d: %w", g, err)
		}
	}
	return base, changes, nil
}

// key names the resource of an envelope.
func (e *rawEnvelope) key() string {
	return string(append(append(append([]byte{byte(e.kind)}, e.tenant...), 0), e.id...))
}

// eachUnchanged calls f for every envelope of a snapshot that no change
// replaces.
func (d *disk) eachUnchanged(gen uint64, changes map[string]change, f func(raw []byte) error) error {
	file, err := os.Open(d.snapshotPath(gen))
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := snapshot.NewReader(file)
	if err != nil {
		return err
	}
	for {
		raw, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := scanEnvelope(raw); ok {
			if _, changed := changes[e.key()]; changed {
				continue
			}
		}
		if err := f(raw); err != nil {
			return err
		}
	}
}
