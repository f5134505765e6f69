package meter

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// notes is the little that has to outlive segments. All of it can be lost
// without loss of usage: epochs also stand in segments, and events whose
// confirmation is forgotten are shipped again.
type notes struct {
	DataPlaneID string `json:"data_plane_id"`
	// Epoch is the newest boot.
	Epoch uint64 `json:"epoch"`
	// Confirmed holds the watermark of each data plane and epoch in the spool.
	Confirmed map[string]uint64 `json:"confirmed"`
}

func notesPath(dir string) string { return filepath.Join(dir, "spool.json") }

func readNotes(dir string, log *slog.Logger) (n notes) {
	b, err := os.ReadFile(notesPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return n
	}
	if err == nil {
		err = json.Unmarshal(b, &n)
	}
	if err != nil {
		log.Error("usage spool notes cannot be read; events will be shipped again", "error", err)
		return notes{}
	}
	return n
}

func (m *Meter) writeNotes() error {
	m.mu.Lock()
	n := m.notes()
	m.mu.Unlock()
	return m.keepNotes(n)
}

// notes copies what is to be kept; the caller holds mu.
func (m *Meter) notes() notes {
	n := notes{DataPlaneID: m.planeID, Epoch: m.epoch, Confirmed: map[string]uint64{}}
	for k, l := range m.lines {
		n.Confirmed[k.String()] = l.confirmed
	}
	return n
}

func (m *Meter) keepNotes(n notes) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return replaceFile(notesPath(m.cfg.Dir), b)
}

// replaceFile writes a file so that a crash leaves the old one or the new one.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(filepath.Dir(path))
}
