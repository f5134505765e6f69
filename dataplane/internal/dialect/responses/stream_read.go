package responses

import (
	"bytes"
	"errors"
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// streamReader reads a provider's stream. Its parts are told apart by the
// numbers of their items and, in a message, of their contents.
type streamReader struct {
	r     reader
	ev    wire
	out   canon.Event
	open  []openPart
	next  int // the part that begins next
	items []openItem
	// sum is what is known of the whole response.
	sum        response
	head, done bool
	// watched says that nobody wants the parts.
	watched bool
}

// openPart is a part that has begun.
type openPart struct {
	item, content int
	index         int
	thoughts      bool
	// told says that text came, cited how many annotations did, summary which
	// part of the summary is told.
	told    bool
	cited   int
	summary int
}

// openItem is an item that has begun: what its parts need of it.
type openItem struct {
	number int
	id     canon.Text
	extra  []canon.Field
	// given is how many of its contents have begun.
	given int
}

// maxOpenParts bounds what may be open at a time.
const maxOpenParts = 512

// wire is one event as it came.
type wire struct {
	kind                                   canon.Text
	item, content, summary                 int
	delta, text, refusal, arguments, input canon.Text
	whole                                  canon.Raw // item, part or response
	annotation, logprobs                   canon.Raw
	failure                                canon.Raw
	code, message, param                   canon.Raw
}

// NewReader reads a provider's stream.
func (Format) NewReader() canon.Reader { return &streamReader{r: reader{lax: true, j: -1}} }

// Held is how much memory the items take that are open.
func (s *streamReader) Held() int {
	n := openSize * (cap(s.open) + cap(s.items))
	for i := range s.items {
		it := &s.items[i]
		n += len(it.id)
		for k := range it.extra {
			n += len(it.extra[k].Name) + len(it.extra[k].Value)
		}
	}
	return n
}

// openSize is about what a part or an item takes that is open.
const openSize = 96

// Watch makes the reader hold little.
func (s *streamReader) Watch() { s.watched = true }

// handlers say what the events of the wire mean; others tell of progress that
// the events at the end of their item tell again.
var handlers = [...]struct {
	kind string
	do   func(s *streamReader, emit canon.Emit) error
}{
	{"response.output_text.delta", (*streamReader).textDelta},
	{"response.reasoning_summary_text.delta", (*streamReader).summaryDelta},
	{"response.function_call_arguments.delta", (*streamReader).callDelta},
	{"response.reasoning_text.delta", (*streamReader).thoughtDelta},
	{"response.custom_tool_call_input.delta", (*streamReader).callDelta},
	{"response.refusal.delta", (*streamReader).refusalDelta},
	{"response.output_text.annotation.added", (*streamReader).annotation},
	{"response.output_text.done", (*streamReader).textDone},
	{"response.refusal.done", (*streamReader).refusalDone},
	{"response.function_call_arguments.done", (*streamReader).callDone},
	{"response.custom_tool_call_input.done", (*streamReader).callDone},
	{"response.content_part.done", (*streamReader).partDone},
	{"response.output_item.added", (*streamReader).itemAdded},
	{"response.output_item.done", (*streamReader).itemDone},
	{"response.created", (*streamReader).created},
	{"response.in_progress", (*streamReader).created},
	{"response.queued", (*streamReader).created},
	{"response.completed", (*streamReader).completed},
	{"response.incomplete", (*streamReader).completed},
	{"response.failed", (*streamReader).completed},
	{"response.cancelled", (*streamReader).completed},
	// xAI's other name for the last event.
	{"response.done", (*streamReader).completed},
	{"error", (*streamReader).failed},
}

var doneMark = []byte("[DONE]")

// Read takes one event of the wire.
func (s *streamReader) Read(_, data []byte, emit canon.Emit) error {
	if s.done || bytes.Equal(data, doneMark) {
		return nil
	}
	if !s.parse(data) {
		return garbage("an event of the stream is not a JSON object")
	}
	kind := s.ev.kind
	if kind == nil {
		if s.ev.failure != nil || s.ev.message != nil {
			return s.failed(emit)
		}
		return garbage("an event of the stream has no type")
	}
	name := kind[1 : len(kind)-1]
	for i := range handlers {
		if string(name) == handlers[i].kind {
			return handlers[i].do(s, emit)
		}
	}
	return nil
}

// parse reads the fields of an event.
func (s *streamReader) parse(data []byte) bool {
	r, ev := &s.r, &s.ev
	*ev = wire{}
	r.s.Reset(data)
	r.extra, r.logprobs = nil, r.logprobs[:0]
	if r.s.Peek() != '{' {
		return false
	}
	r.s.Open('{')
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok {
			return false
		}
		if !more {
			return r.s.End()
		}
		if !s.field(name) {
			return false
		}
	}
}

func (s *streamReader) field(name []byte) bool {
	r, ev := &s.r, &s.ev
	switch string(name) {
	case "type":
		return r.text(&ev.kind, "")
	case "delta":
		return r.text(&ev.delta, "")
	case "output_index":
		return s.number(&ev.item)
	case "content_index":
		return s.number(&ev.content)
	case "summary_index":
		return s.number(&ev.summary)
	case "logprobs":
		return r.raw(&ev.logprobs)
	case "text":
		return r.text(&ev.text, "")
	case "refusal":
		return r.text(&ev.refusal, "")
	case "arguments":
		return r.text(&ev.arguments, "")
	case "input":
		return r.text(&ev.input, "")
	case "item", "part", "response":
		return r.raw(&ev.whole)
	case "annotation":
		return r.raw(&ev.annotation)
	case "error":
		return r.raw(&ev.failure)
	case "code":
		return r.raw(&ev.code)
	case "message":
		return r.raw(&ev.message)
	case "param":
		return r.raw(&ev.param)
	}
	return r.s.Skip()
}

func (s *streamReader) number(into *int) bool {
	var v canon.Raw
	ok := s.r.raw(&v)
	*into = count(v)
	return ok
}

// emit gives out one event. What it points to is kept by nobody.
func (s *streamReader) emit(emit canon.Emit, kind canon.EventKind, index int) error {
	s.out.Kind, s.out.Index = kind, index
	err := emit(&s.out)
	s.out = canon.Event{}
	return err
}

// created reads the response at the start of a stream.
func (s *streamReader) created(emit canon.Emit) error {
	if s.head {
		return nil
	}
	var to response
	s.r.s.Reset(s.ev.whole)
	if s.ev.whole != nil && !s.r.response(&to, false) {
		return garbage("the response in an event of the stream is not a JSON object")
	}
	return s.begin(&to, emit)
}

func (s *streamReader) begin(to *response, emit canon.Emit) error {
	s.head = true
	s.out.ID, s.out.Model, s.out.Created, s.out.ServiceTier = to.id, to.model, to.created, to.tier
	s.out.From, s.out.Usage = canon.Responses, to.usage
	return s.emit(emit, canon.HeadEvent, 0)
}

// find finds the open part of a place.
func (s *streamReader) find(item, content int) *openPart {
	for i := range s.open {
		if p := &s.open[i]; p.item == item && p.content == content {
			return p
		}
	}
	return nil
}

func (s *streamReader) item(number int) *openItem {
	for i := range s.items {
		if s.items[i].number == number {
			return &s.items[i]
		}
	}
	return nil
}

// start begins a part whose fields were put into s.out.
func (s *streamReader) start(item, content int, emit canon.Emit) (*openPart, error) {
	if !s.head {
		part := s.out.Part
		s.out = canon.Event{}
		if err := s.begin(&response{}, emit); err != nil {
			return nil, err
		}
		s.out.Part = part
	}
	if len(s.open) >= maxOpenParts {
		return nil, fault.New(fault.UpstreamGarbage, "", errors.New("too many parts of the stream are open at a time"))
	}
	s.open = append(s.open, openPart{item: item, content: content, index: s.next})
	s.next++
	if err := s.emit(emit, canon.BeginEvent, s.next-1); err != nil {
		return nil, err
	}
	return &s.open[len(s.open)-1], nil
}

// close ends a part.
func (s *streamReader) close(p *openPart, emit canon.Emit) error {
	index := p.index
	s.open = slices.DeleteFunc(s.open, func(o openPart) bool { return o.index == index })
	return s.emit(emit, canon.EndEvent, index)
}

// completed reads the response at the end of a stream.
func (s *streamReader) completed(emit canon.Emit) error {
	to := &s.sum
	s.r.s.Reset(s.ev.whole)
	if s.ev.whole == nil || !s.r.response(to, false) {
		return garbage("the response in an event of the stream is not a JSON object")
	}
	if to.status == nil && s.ev.kind.Is("response.failed") {
		to.status = failedStatus
	}
	if f := to.failed(); f != nil {
		return s.fault(f, emit)
	}
	if !s.head {
		if err := s.begin(to, emit); err != nil {
			return err
		}
	}
	if s.next == 0 {
		if err := s.late(emit); err != nil {
			return err
		}
	}
	for len(s.open) > 0 {
		if err := s.close(&s.open[0], emit); err != nil {
			return err
		}
	}
	s.done = true
	s.out.Usage, s.out.ServiceTier = to.report(), to.tier
	if s.out.Usage.Reported {
		if err := s.emit(emit, canon.UsageEvent, 0); err != nil {
			return err
		}
	}
	s.out = canon.Event{}
	s.out.Stop, s.out.StopText, s.out.StopRaw = to.stopped()
	if err := s.emit(emit, canon.FinishEvent, 0); err != nil {
		return err
	}
	return s.emit(emit, canon.DoneEvent, 0)
}

// failedStatus is the one of a response whose event alone says that it failed.
var failedStatus = canon.Text(`"failed"`)

// late gives out what stands in the response at the end and was told nowhere
// before.
func (s *streamReader) late(emit canon.Emit) error {
	if len(s.sum.output) == 0 {
		return nil
	}
	s.r.s.Reset(s.sum.output)
	number := 0
	var err error
	ok := s.r.s.Array(func(int) bool {
		if s.r.s.Peek() != '{' {
			return s.r.s.Skip()
		}
		if !s.r.item(&s.r.it) {
			return false
		}
		err = errors.Join(err, s.tell(&s.r.it, number, emit))
		number++
		return err == nil
	})
	if err == nil && !ok {
		err = garbage("the response in an event of the stream is not a JSON object")
	}
	return err
}

// failed reads an error event, flat or with its fields in an object.
func (s *streamReader) failed(emit canon.Emit) error {
	v := s.ev.failure
	if v == nil {
		v = append(v, `{"code":`...)
		v = append(v, orNull(s.ev.code)...)
		v = append(append(v, `,"message":`...), orNull(s.ev.message)...)
		v = append(append(v, `,"param":`...), orNull(s.ev.param)...)
		v = append(v, '}')
	}
	return s.fault(failureOf(v), emit)
}

func orNull(v canon.Raw) canon.Raw {
	if v == nil {
		return canon.Raw("null")
	}
	return v
}

// fault ends the stream with a fault.
func (s *streamReader) fault(f *fault.Fault, emit canon.Emit) error {
	s.done = true
	s.out.Fault = f
	if err := s.emit(emit, canon.FailEvent, 0); err != nil {
		return err
	}
	return f
}

// End says what it means that the connection ended.
func (s *streamReader) End(canon.Emit) error {
	if s.done {
		return nil
	}
	return fault.New(fault.UpstreamReset, "", errors.New("the stream ended without its last event"))
}
