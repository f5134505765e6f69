package tenantconfig

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/proto/snapshot"
)

// disk is the store's directory. It holds generations: a snapshot and the log
// of the changes after it,
//
//	snapshot-7.tgs  deltas-7.log
//
// of which the newest and the one before are kept. The state is the newest
// readable snapshot and all logs from its generation on. A log is
//
//	magic, identity of the stream (8 bytes)
//	{ length u32, CRC-32C u32, stream sequence u64, envelope }*
//
// and ends where a record does not check. Failing to write costs persistence,
// not service: the store goes on from memory and says so.
type disk struct {
	dir string
	log *slog.Logger
	// gen is the generation being written; 0 before there is one.
	gen    uint64
	deltas *os.File
	size   int64
	buf    []byte
	// failed says that the log of this generation cannot be written any more.
	failed bool
}

const (
	deltaMagic  = "TGDELTA1"
	deltaHeader = len(deltaMagic) + 8
	recordHead  = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openDisk(dir string, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &disk{dir: dir, log: log}
	// What a crash left half-made.
	for _, name := range d.names("incoming-") {
		os.Remove(filepath.Join(dir, name))
	}
	return d, nil
}

func (d *disk) snapshotPath(gen uint64) string {
	return filepath.Join(d.dir, fmt.Sprintf("snapshot-%d.tgs", gen))
}

func (d *disk) deltaPath(gen uint64) string {
	return filepath.Join(d.dir, fmt.Sprintf("deltas-%d.log", gen))
}

func (d *disk) names(prefix string) (names []string) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		d.log.Error("list config directory", "error", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// generations lists those that have a file of this kind, oldest first.
func (d *disk) generations(prefix, suffix string) (gens []uint64) {
	for _, name := range d.names(prefix) {
		digits, ok := strings.CutSuffix(strings.TrimPrefix(name, prefix), suffix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			gens = append(gens, n)
		}
	}
	slices.Sort(gens)
	return gens
}

func (d *disk) snapshots() []uint64 { return d.generations("snapshot-", ".tgs") }
func (d *disk) logs() []uint64      { return d.generations("deltas-", ".log") }

// incoming makes a file for a snapshot to come.
func (d *disk) incoming() (*os.File, error) { return os.CreateTemp(d.dir, "incoming-*") }

// discard puts a snapshot that cannot be read aside, for people to look at.
func (d *disk) discard(gen uint64) {
	if err := os.Rename(d.snapshotPath(gen), filepath.Join(d.dir, "corrupt.tgs")); err != nil {
		d.log.Error("put corrupt config snapshot aside", "error", err)
	}
}

// start begins writing the log of generation gen, anew.
func (d *disk) start(gen uint64, identity int64) error {
	f, err := os.OpenFile(d.deltaPath(gen), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint64([]byte(deltaMagic), uint64(identity))
	if _, err := f.Write(head); err != nil {
		f.Close()
		return err
	}
	d.close()
	d.gen, d.deltas, d.size, d.failed, d.buf = gen, f, int64(deltaHeader), false, nil
	return nil
}

// resume goes on writing the log of generation gen after its good records.
func (d *disk) resume(gen uint64, good int64) error {
	f, err := os.OpenFile(d.deltaPath(gen), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Truncate(good); err != nil {
		f.Close()
		return err
	}
	d.close()
	d.gen, d.deltas, d.size, d.failed, d.buf = gen, f, good, false, nil
	return nil
}

// promote makes a snapshot file the newest generation.
func (d *disk) promote(path string, identity int64) error {
	next := d.gen + 1
	for _, g := range append(d.snapshots(), d.logs()...) {
		next = max(next, g+1)
	}
	if err := os.Rename(path, d.snapshotPath(next)); err != nil {
		return err
	}
	if err := d.start(next, identity); err != nil {
		return err
	}
	d.forget()
	return nil
}

// forget removes generations before the last but one snapshot.
func (d *disk) forget() {
	kept := d.snapshots()
	if len(kept) < 2 {
		return
	}
	oldest := kept[len(kept)-2]
	for _, g := range kept[:len(kept)-2] {
		os.Remove(d.snapshotPath(g))
	}
	for _, g := range d.logs() {
		if g < oldest {
			os.Remove(d.deltaPath(g))
		}
	}
}

// maxBacklog is how much a full disk may leave waiting in memory.
const maxBacklog = 32 << 20

// appendRun writes accepted changes and gives the size of the log. What cannot
// be written waits for the next run: a record must never be missing before one
// that is there, or a restart would take the change for applied.
func (d *disk) appendRun(run []delta) int64 {
	if d.deltas == nil || d.failed || len(run) == 0 {
		return d.size
	}
	for i := range run {
		d.buf = appendRecord(d.buf, run[i].seq, run[i].raw)
	}
	_, err := d.deltas.WriteAt(d.buf, d.size)
	if err == nil {
		d.size += int64(len(d.buf))
		d.buf = d.buf[:0]
		return d.size
	}
	d.log.Error("write config delta log; a restart will fetch these changes again", "error", err, "waiting_bytes", len(d.buf))
	if len(d.buf) > maxBacklog {
		d.failed, d.buf = true, nil
	}
	return d.size
}

func (d *disk) close() {
	if d.deltas != nil {
		d.deltas.Close()
		d.deltas = nil
	}
}

func appendRecord(b []byte, seq uint64, raw []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(raw)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, raw...)
	binary.BigEndian.PutUint32(b[at+4:], recordSum(b[at:]))
	return b
}

// recordSum covers the record but for the sum itself.
func recordSum(rec []byte) uint32 {
	return crc32.Update(crc32.Checksum(rec[:4], castagnoli), castagnoli, rec[8:])
}

// readDeltas calls f for each good record of a log and tells which stream the
// log belongs to and where its good part ends. raw is valid during the call.
func readDeltas(r io.Reader, f func(seq uint64, raw []byte)) (identity, good int64, err error) {
	br := bufio.NewReaderSize(r, 256<<10)
	head := make([]byte, deltaHeader)
	if _, err := io.ReadFull(br, head); err != nil || string(head[:len(deltaMagic)]) != deltaMagic {
		return 0, 0, errors.New("not a config delta log")
	}
	identity, good = int64(binary.BigEndian.Uint64(head[len(deltaMagic):])), int64(deltaHeader)
	buf := make([]byte, recordHead, 4<<10)
	for {
		buf = buf[:recordHead]
		if _, err := io.ReadFull(br, buf); err != nil {
			return identity, good, nil
		}
		n := binary.BigEndian.Uint32(buf)
		if n > snapshot.MaxEnvelope {
			return identity, good, nil
		}
		buf = slices.Grow(buf, int(n))[:recordHead+int(n)]
		if _, err := io.ReadFull(br, buf[recordHead:]); err != nil {
			return identity, good, nil
		}
		if recordSum(buf) != binary.BigEndian.Uint32(buf[4:]) {
			return identity, good, nil
		}
		f(binary.BigEndian.Uint64(buf[8:]), buf[recordHead:])
		good += int64(len(buf))
	}
}
