package loadgen

import (
	"maps"
	"slices"
	"time"
)

// Record is what became of one request.
type Record struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Target string `json:"target"`
	// Status is 0 when no answer came.
	Status int `json:"status"`
	// Code is the error's code, in an error body or in a stream.
	Code string `json:"code,omitempty"`
	// Failure says how the answer was not whole; empty when it was.
	Failure string `json:"failure,omitempty"`
	// Left says that we hung up on purpose.
	Left        bool  `json:"left,omitempty"`
	Started     int64 `json:"started_unix_nano"`
	LatencyUS   int64 `json:"latency_us"`
	FirstByteUS int64 `json:"first_byte_us"`
	Bytes       int64 `json:"bytes"`
	Events      int   `json:"events"`
}

// OK says that the whole answer came and was a 200.
func (r Record) OK() bool { return r.Status == 200 && r.Failure == "" && !r.Left }

// Result of a run.
type Result struct {
	Requests int `json:"requests"`
	OK       int `json:"ok"`
	// Unsent requests of an open loop found the queue full.
	Unsent  int     `json:"unsent"`
	Seconds float64 `json:"seconds"`
	RPS     float64 `json:"rps"`
	// Kinds holds the figures of each Request.Name.
	Kinds   map[string]Kind `json:"kinds"`
	Records []Record        `json:"records,omitempty"`
}

// Kind has the figures of one kind of request.
type Kind struct {
	Requests int            `json:"requests"`
	OK       int            `json:"ok"`
	Left     int            `json:"left,omitempty"`
	Status   map[int]int    `json:"status"`
	Failures map[string]int `json:"failures,omitempty"`
	Codes    map[string]int `json:"codes,omitempty"`
	Bytes    int64          `json:"bytes"`
	Events   int64          `json:"events"`
	// Latency and FirstByte are those of good answers.
	Latency   Percentiles `json:"latency_us"`
	FirstByte Percentiles `json:"first_byte_us"`
}

// Percentiles in microseconds.
type Percentiles struct {
	P50 int64 `json:"p50"`
	P90 int64 `json:"p90"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// tally gathers what one worker saw of one kind.
type tally struct {
	kind           Kind
	latency, first []int64
}

func newTally() tally {
	return tally{kind: Kind{Status: map[int]int{}, Failures: map[string]int{}, Codes: map[string]int{}}}
}

func (t *tally) add(r *Record) {
	k := &t.kind
	k.Requests++
	k.Status[r.Status]++
	k.Bytes += r.Bytes
	k.Events += int64(r.Events)
	if r.Failure != "" {
		k.Failures[r.Failure]++
	}
	if r.Code != "" {
		k.Codes[r.Code]++
	}
	if r.Left {
		k.Left++
	}
	if r.OK() {
		k.OK++
		t.latency = append(t.latency, r.LatencyUS)
		t.first = append(t.first, r.FirstByteUS)
	}
}

func summarise(r *run, workers []*worker, took time.Duration) *Result {
	out := &Result{Unsent: int(r.unsent.Load()), Seconds: took.Seconds(), Kinds: map[string]Kind{}}
	all := map[string]*tally{}
	for i, q := range r.o.Requests {
		sum := all[q.Name]
		if sum == nil {
			fresh := newTally()
			sum = &fresh
			all[q.Name] = sum
		}
		for _, w := range workers {
			sum.merge(&w.tallies[i])
		}
	}
	for name, t := range all {
		t.kind.Latency, t.kind.FirstByte = percentiles(t.latency), percentiles(t.first)
		out.Kinds[name] = t.kind
		out.Requests += t.kind.Requests
		out.OK += t.kind.OK
	}
	for _, w := range workers {
		out.Records = append(out.Records, w.records...)
	}
	slices.SortFunc(out.Records, func(a, b Record) int { return int(a.Started - b.Started) })
	out.RPS = float64(out.Requests) / out.Seconds
	return out
}

func (t *tally) merge(from *tally) {
	k, f := &t.kind, &from.kind
	k.Requests += f.Requests
	k.OK += f.OK
	k.Left += f.Left
	k.Bytes += f.Bytes
	k.Events += f.Events
	addAll(k.Status, f.Status)
	addAll(k.Failures, f.Failures)
	addAll(k.Codes, f.Codes)
	t.latency = append(t.latency, from.latency...)
	t.first = append(t.first, from.first...)
}

func addAll[K comparable](to, from map[K]int) {
	for k, n := range maps.All(from) {
		to[k] += n
	}
}

func percentiles(v []int64) Percentiles {
	if len(v) == 0 {
		return Percentiles{}
	}
	slices.Sort(v)
	at := func(p float64) int64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
	return Percentiles{P50: at(.5), P90: at(.9), P99: at(.99), Max: v[len(v)-1]}
}
