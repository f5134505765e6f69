package fakeprovider

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// Record says what was served for one request. Records are only ever added.
type Record struct {
	N int `json:"n"`
	// RequestID is the header x-request-id, or else the body's field "user":
	// gateways pass on the one or the other.
	RequestID string `json:"request_id"`
	Model     string `json:"model"`
	Mode      Mode   `json:"mode,omitempty"`
	Stream    bool   `json:"stream"`
	Status    int    `json:"status"`
	// Input and Output are the tokens of what was served: Output is less than
	// what a whole answer has when it was cut.
	Input  int `json:"input"`
	Output int `json:"output"`
	// Bytes were handed to the kernel, head included.
	Bytes int64 `json:"bytes"`
	// Complete says that the whole answer was sent.
	Complete bool `json:"complete"`
	// Cancelled says that the client left before the end.
	Cancelled bool  `json:"cancelled"`
	Started   int64 `json:"started_unix_nano"`
	Ended     int64 `json:"ended_unix_nano"`
	// Path and Body are what arrived, when Options.KeepBodies is set.
	Path string `json:"path,omitempty"`
	Body []byte `json:"body,omitempty"`
}

// Stats counts what was served since the start.
type Stats struct {
	Requests  int64 `json:"requests"`
	Complete  int64 `json:"complete"`
	Cancelled int64 `json:"cancelled"`
	InFlight  int64 `json:"in_flight"`
	Bytes     int64 `json:"bytes"`
}

// journal keeps records in memory and, when it has a file, there as JSON lines.
type journal struct {
	mu      sync.Mutex
	records []Record
	stats   Stats
	keep    bool
	file    *os.File
	changed chan struct{}
}

func newJournal(keep bool, path string) (*journal, error) {
	j := &journal{keep: keep, changed: make(chan struct{})}
	if path == "" {
		return j, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	j.file = f
	return j, nil
}

func (j *journal) begin() {
	j.mu.Lock()
	j.stats.InFlight++
	j.mu.Unlock()
}

func (j *journal) end(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.InFlight--
	j.stats.Requests++
	j.stats.Bytes += r.Bytes
	if r.Complete {
		j.stats.Complete++
	}
	if r.Cancelled {
		j.stats.Cancelled++
	}
	if !j.keep && j.file == nil {
		return
	}
	r.N = int(j.stats.Requests)
	r.Ended = time.Now().UnixNano()
	if j.keep {
		j.records = append(j.records, r)
	}
	if j.file != nil {
		line, _ := json.Marshal(r)
		j.file.Write(append(line, '\n'))
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// since returns the records after the first n, and a channel that is closed
// when there are more.
func (j *journal) since(n int) ([]Record, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n = max(0, min(n, len(j.records)))
	return j.records[n:len(j.records):len(j.records)], j.changed
}

func (j *journal) now() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
