package responses

import (
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// Bounds of what a stream's writer remembers, in bytes: of the parts that are
// open, whose whole text stands in the events at their end, and of all that is
// in the response at the end. What is beyond is left out there, with the items
// and the status kept: it was all sent as it came.
const (
	maxOpen   = 160 << 10
	maxOutput = 160 << 10
	// bareRoom is what items may take beyond that without their texts.
	bareRoom = 64 << 10
)

// writer writes a stream for a caller. Parts of canon's become items, or the
// contents of one message as long as nothing else comes between them.
type writer struct {
	events
	c           composer
	model, tier canon.Text
	created     int64
	stop        canon.Stop
	stopText    canon.Text
	stopRaw     canon.Text
	usage       canon.Usage

	slots []slot
	// inOpen is how much text the open parts hold.
	inOpen int
	msg    message
	// out holds the items that are done, and done where each of them is.
	out   []byte
	done  []piece
	ended bool
}

// piece is an item that is done: out[start:end].
type piece struct{ index, start, end int }

// message is the message that is open.
type message struct {
	open   bool
	id     canon.Text // as it is written
	own    canon.Text // as the part had it
	output int
	parts  int
	fields []byte
	// content are the parts that are done.
	content []byte
	running int // parts that are open
}

// slot is a part that is open.
type slot struct {
	index   int
	part    canon.Part
	words   *wording
	id      canon.Text // of its item
	output  int
	content int // its place in its message
	fields  []byte
	text    []byte
	notes   []byte // annotations
	noted   int
	logs    []byte // log-probabilities
	// begun says that text came, cut that some of it is not remembered.
	begun, cut bool
}

// NewWriter writes a stream for the caller who sent req.
func (Format) NewWriter(*canon.Request) canon.Writer { return &writer{} }

// Held is how much memory the writer takes.
func (w *writer) Held() int {
	n := cap(w.out) + cap(w.msg.content) + pieceSize*cap(w.done)
	for i := range w.slots {
		s := &w.slots[i]
		n += cap(s.text) + cap(s.notes) + cap(s.logs) + cap(s.part.Media.Data) + cap(s.part.Text)
	}
	return n
}

// pieceSize is what an item takes beside its JSON.
const pieceSize = 24

// steps says what each event of canon's becomes.
var steps = [...]func(w *writer, b []byte, ev *canon.Event) []byte{
	canon.HeadEvent:      (*writer).start,
	canon.BeginEvent:     (*writer).beginPart,
	canon.DeltaEvent:     (*writer).delta,
	canon.SignatureEvent: (*writer).signature,
	canon.CitationEvent:  (*writer).citation,
	canon.EndEvent:       (*writer).endPart,
	canon.LogProbsEvent:  (*writer).logProbs,
	canon.FinishEvent:    (*writer).finish,
	canon.UsageEvent:     (*writer).report,
	canon.DoneEvent:      (*writer).complete,
	canon.FailEvent:      (*writer).fail,
}

// Append writes what an event means on the wire. A response has one answer:
// more cannot be asked for, and are not written.
func (w *writer) Append(b []byte, ev *canon.Event) []byte {
	if w.ended || ev.Choice != 0 || int(ev.Kind) >= len(steps) {
		return b
	}
	return steps[ev.Kind](w, b, ev)
}

func (w *writer) start(b []byte, ev *canon.Event) []byte {
	w.c.id, w.c.from = slices.Clone(ev.ID), ev.From
	w.model, w.created = slices.Clone(ev.Model), ev.Created
	b = w.report(b, ev)
	for _, name := range [...]string{"response.created", "response.in_progress"} {
		b = append(w.begin(b, name), `,"response":`...)
		b = appendHead(b, w.c.id, w.model, w.created, w.tier)
		b = append(b, `,"status":"in_progress","error":null,"incomplete_details":null,"output":[],"usage":null`+constants+`}`...)
		b = w.end(b)
	}
	return b
}

// report notes the usage: it is told at the end.
func (w *writer) report(b []byte, ev *canon.Event) []byte {
	if ev.Usage.Reported {
		w.usage = ev.Usage
		w.usage.Raw, w.usage.Cost = slices.Clone(ev.Usage.Raw), slices.Clone(ev.Usage.Cost)
	}
	if ev.ServiceTier != nil {
		w.tier = slices.Clone(ev.ServiceTier)
	}
	return b
}

func (w *writer) finish(b []byte, ev *canon.Event) []byte {
	w.stop, w.stopText, w.stopRaw = ev.Stop, slices.Clone(ev.StopText), slices.Clone(ev.StopRaw)
	if int(w.stop) >= len(stops) {
		w.stop = canon.StopUnset
	}
	return w.closeAll(b)
}

// closeAll ends what is open.
func (w *writer) closeAll(b []byte) []byte {
	for len(w.slots) > 0 {
		b = w.endPart(b, &canon.Event{Index: w.slots[0].index})
	}
	return w.closeMessage(b)
}

func (w *writer) complete(b []byte, _ *canon.Event) []byte {
	b = w.closeAll(b)
	name := "response.completed"
	if stops[w.stop].status == "incomplete" {
		name = "response.incomplete"
	}
	b = append(w.begin(b, name), `,"response":`...)
	b = appendHead(b, w.c.id, w.model, w.created, w.tier)
	b = w.appendOutput(b)
	b = appendStop(b, w.c.from, w.stop, w.stopText, w.stopRaw)
	b = appendUsage(append(b, `,"usage":`...), &w.usage)
	b = w.end(append(b, constants+`}`...))
	*w = writer{ended: true}
	return b
}

func (w *writer) fail(b []byte, ev *canon.Event) []byte {
	b = w.closeAll(b)
	b = w.appendError(b, ev.Fault, "")
	b = append(w.begin(b, "response.failed"), `,"response":`...)
	b = appendHead(b, w.c.id, w.model, w.created, w.tier)
	b = appendFailure(w.appendOutput(b), ev.Fault)
	b = appendUsage(append(b, `,"usage":`...), &w.usage)
	b = w.end(append(b, constants+`}`...))
	*w = writer{ended: true}
	return b
}

// appendOutput writes the items in the order of their numbers.
func (w *writer) appendOutput(b []byte) []byte {
	slices.SortFunc(w.done, func(a, b piece) int { return a.index - b.index })
	b = append(b, `,"output":[`...)
	for i, p := range w.done {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, w.out[p.start:p.end]...)
	}
	return append(b, ']')
}

// remember keeps an item for the end, if there is room. Items without their
// text, and messages, whose texts were counted one by one, may take a little
// more than others.
func (w *writer) remember(index int, item []byte, bare bool) bool {
	room := maxOutput
	if bare {
		room += bareRoom
	}
	if len(w.out)+len(w.msg.content)+len(item) > room {
		return false
	}
	w.done = append(w.done, piece{index, len(w.out), len(w.out) + len(item)})
	w.out = buffer.Append(w.out, item, maxOutput)
	return true
}

// itemEvent writes the event of an item.
func (w *writer) itemEvent(b []byte, name string, output int) []byte {
	b = appendCount(w.begin(b, name), `,"output_index":`, int64(output))
	return append(b, `,"item":`...)
}

// whole writes an item that came in one piece.
func (w *writer) whole(b []byte, write func(b []byte) []byte) []byte {
	output := w.c.items
	b = w.end(write(w.itemEvent(b, "response.output_item.added", output)))
	b = w.itemEvent(b, "response.output_item.done", output)
	start := len(b)
	b = write(b)
	w.remember(output, b[start:], false)
	w.c.items++
	return w.end(b)
}

// openMessage opens a message, unless one is open that the part belongs to.
func (w *writer) openMessage(b []byte, p *canon.Part) []byte {
	m := &w.msg
	if m.open && w.c.from == canon.Responses && string(m.own) != string(p.ID) {
		b = w.closeMessage(b)
	}
	if m.open {
		return b
	}
	*m = message{open: true, own: slices.Clone(p.ID), output: w.c.items, content: m.content[:0]}
	m.id = w.c.appendID(nil, messagePrefix, p.ID)
	m.fields = w.c.fields(nil, p)
	w.c.items++
	b = w.itemEvent(b, "response.output_item.added", m.output)
	b = append(append(append(b, `{"id":`...), m.id...), `,"type":"message"`...)
	b = append(b, m.fields...)
	return w.end(append(b, `,"status":"in_progress","role":"assistant","content":[]}`...))
}

// closeMessage ends the message that is open, unless parts of it are.
func (w *writer) closeMessage(b []byte) []byte {
	m := &w.msg
	if !m.open || m.running > 0 {
		return b
	}
	m.open = false
	b = w.itemEvent(b, "response.output_item.done", m.output)
	start := len(b)
	b = append(append(append(b, `{"id":`...), m.id...), `,"type":"message"`...)
	b = append(append(b, m.fields...), messageStatus(w.stop)...)
	b = append(append(b, `,"role":"assistant","content":[`...), m.content...)
	b = append(b, "]}"...)
	m.content = m.content[:0]
	w.remember(m.output, b[start:], true)
	return w.end(b)
}
