package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Ways in which a request can fail before it has a whole answer.
const (
	// Refused: no connection; nothing was sent.
	Refused = "refused"
	// Lost: the connection ended before any answer.
	Lost = "lost"
	// Cut: the connection ended, or broke the protocol, within the answer.
	Cut = "cut"
	// TimedOut: Options.Timeout passed.
	TimedOut = "timeout"
	// Unended: a stream that ended without the event [DONE].
	Unended = "unended"
)

// worker sends one request after the other; it has a connection to each target.
type worker struct {
	r         *run
	templates []template
	conns     []*wire
	tallies   []tally
	records   []Record
}

// template is a request ready to send but for its id.
type template struct {
	bytes []byte
	id    []byte // within bytes
	again []byte // the id in the body, when it is there
}

const idForm = "load-%016x-%08d"

func newWorker(r *run) *worker {
	w := &worker{r: r, conns: make([]*wire, len(r.o.Targets)), tallies: make([]tally, len(r.o.Requests))}
	for i, q := range r.o.Requests {
		w.tallies[i] = newTally()
		path := q.Path
		if path == "" {
			path = "/v1/chat/completions"
		}
		id := fmt.Sprintf(idForm, r.o.Seed, 0)
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: tollgate.test\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Request-Id: ",
			path, r.o.Key, len(q.Body))
		all := append([]byte(head+id+"\r\n\r\n"), q.Body...)
		t := template{bytes: all, id: all[len(head) : len(head)+len(id)]}
		if at := bytes.LastIndex(all, []byte(placeholder)); at > len(head)+len(id) {
			t.again = all[at : at+len(placeholder)]
		}
		w.templates = append(w.templates, t)
	}
	return w
}

// work takes jobs from the schedule, or makes its own in a closed loop.
func (w *worker) work(ctx context.Context, jobs <-chan job) {
	defer func() {
		for _, c := range w.conns {
			if c != nil {
				c.c.Close()
			}
		}
	}()
	if jobs != nil {
		for j := range jobs {
			w.do(ctx, j)
		}
		return
	}
	for ctx.Err() == nil {
		j, ok := w.r.take()
		if !ok {
			return
		}
		w.do(ctx, j)
	}
}

func (w *worker) do(ctx context.Context, j job) {
	t := &w.templates[j.kind]
	id := fmt.Appendf(t.id[:0], idForm, w.r.o.Seed, j.n)
	copy(t.again, id)
	target := w.r.target()
	rec := Record{Name: w.r.o.Requests[j.kind].Name, Target: w.r.o.Targets[target], Started: j.start.UnixNano()}
	first := w.exchange(ctx, t.bytes, j.kind, target, &rec)
	rec.LatencyUS = time.Since(j.start).Microseconds()
	if !first.IsZero() {
		rec.FirstByteUS = first.Sub(j.start).Microseconds()
	}
	w.tallies[j.kind].add(&rec)
	if w.r.o.Records {
		rec.ID = string(id)
		w.records = append(w.records, rec)
	}
}

// maxIdle is for how long a connection is used again without looking whether
// the other side has closed it, as clients do that wait for it all the time.
const maxIdle = time.Millisecond

// exchange sends one request and reads its answer into rec.
func (w *worker) exchange(ctx context.Context, request []byte, kind, target int, rec *Record) (first time.Time) {
	c := w.conns[target]
	if c != nil && time.Since(c.used) > maxIdle && c.closed() {
		w.drop(target)
		c = nil
	}
	if c == nil {
		d := net.Dialer{Timeout: w.r.o.Timeout}
		raw, err := d.DialContext(context.WithoutCancel(ctx), "tcp", w.r.o.Targets[target])
		if err != nil {
			rec.Failure = Refused
			w.r.rest(target)
			sleepUntil(ctx, time.Now().Add(5*time.Millisecond)) // no spinning on a dead gateway
			return first
		}
		c = &wire{c: raw, buf: make([]byte, 32<<10)}
		w.conns[target] = c
	}
	c.c.SetDeadline(time.Now().Add(w.r.o.Timeout))
	defer func() { c.used = time.Now() }()
	_, err := c.c.Write(request)
	if err == nil {
		a := answer{wire: c, leave: w.r.o.Requests[kind].Leave}
		err = a.read()
		first = a.first
		a.fill(rec, w.r.o.Requests[kind].Stream)
		if err == nil && !a.close && !rec.Left {
			return first
		}
	}
	w.drop(target)
	if err != nil {
		rec.Failure = failure(err, rec.Status)
		if rec.Failure == Lost {
			w.r.rest(target)
		}
	}
	return first
}

func (w *worker) drop(target int) {
	w.conns[target].c.Close()
	w.conns[target] = nil
}

func failure(err error, status int) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut
	case status != 0:
		return Cut
	}
	return Lost
}

// fill copies what was read into the record.
func (a *answer) fill(rec *Record, stream bool) {
	rec.Status, rec.Bytes, rec.Events, rec.Left = a.status, a.size, a.events, a.left
	if a.status != 200 {
		rec.Code = errorCode(a.head[:])
		return
	}
	if stream && a.whole && !a.left && !bytes.Contains(a.tail, []byte("data: [DONE]")) {
		rec.Failure = Unended
		rec.Code = errorCode(a.tail)
	}
}

// errorCode finds the code of an OpenAI error.
func errorCode(body []byte) string {
	_, rest, ok := bytes.Cut(body, []byte(`"code":`))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, " ")
	if len(rest) == 0 || rest[0] != '"' {
		return ""
	}
	code, _, ok := bytes.Cut(rest[1:], []byte(`"`))
	if !ok {
		return ""
	}
	return string(code)
}
