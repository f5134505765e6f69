package openai

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// streamReader turns chunks into events. Each chunk is read as a message is;
// what it adds to which part is all the state there is.
type streamReader struct {
	answerReader
	ev     canon.Event
	emit   canon.Emit
	err    error
	headed bool
	done   bool
	// citations and results are copies of the first lists that came.
	citations, results []byte
	states             []streamChoice
	base               []canon.Part
	baseNotes          []note
	scratch            []byte
	created            int64
}

// streamChoice is what is known of a choice that is under way.
type streamChoice struct {
	index int
	// next is how many parts began.
	next int
	// open is the part that texts go to, of kind; -1 when there is none.
	open int
	kind canon.Kind
	// signed says that the open part has its signature.
	signed   bool
	calls    []streamCall
	ids      int // how long those of the calls are
	finished bool
	refused  bool
	cited    bool
	// stop, with how it was said, is told at the end of the stream: some list
	// their sources in a chunk behind the reason.
	stop           canon.Stop
	reason, before canon.Text
}

// streamCall is a tool call that is under way.
type streamCall struct {
	wire   int
	id     canon.Text
	part   int
	begun  bool
	ended  bool
	custom bool
	nest   nesting
}

const (
	maxCalls = 256
	// maxSources bounds the lists of sources that are kept.
	maxSources = 64 << 10
	// callSize and choiceSize are about what one takes that is under way.
	callSize   = 128
	choiceSize = 128
)

// Held is how much memory the reader takes.
func (r *streamReader) Held() int {
	n := cap(r.citations) + cap(r.results) + cap(r.scratch) + choiceSize*cap(r.states)
	for i := range r.states {
		c := &r.states[i]
		n += callSize*cap(c.calls) + c.ids + cap(c.reason) + cap(c.before)
	}
	return n
}

// NewReader reads a provider's stream.
func (Format) NewReader() canon.Reader {
	r := &streamReader{base: make([]canon.Part, 0, 4), baseNotes: make([]note, 0, 4)}
	r.lax, r.quick = true, true
	return r
}

// Read takes one event of the wire.
func (r *streamReader) Read(_, data []byte, emit canon.Emit) error {
	if r.done {
		return nil
	}
	r.emit, r.err = emit, nil
	if bytes.Equal(data, doneMark) {
		return r.finish()
	}
	r.parts, r.notes = r.base[:0], r.baseNotes[:0]
	if !r.object(data) {
		return fault.New(fault.UpstreamGarbage, "", errors.New("an event of the stream is not a chunk of chat completions"))
	}
	if r.head.failed {
		return openaierror.Inside(data)
	}
	r.begins()
	r.sourcesOf()
	for i := range r.read {
		if !r.chunk(&r.read[i]) {
			return r.err
		}
	}
	r.usageOf()
	return r.err
}

// End says what it means that the connection ended.
func (r *streamReader) End(emit canon.Emit) error {
	if r.done {
		return nil
	}
	r.emit, r.err = emit, nil
	finished := len(r.states) > 0
	for i := range r.states {
		finished = finished && r.states[i].finished
	}
	if !finished {
		return fault.New(fault.UpstreamReset, "", errors.New("the stream ended without its last event"))
	}
	return r.finish()
}

func (r *streamReader) finish() error {
	for i := range r.states {
		c := &r.states[i]
		r.close(c)
		r.endCalls(c, true)
		ev := r.make(c, canon.FinishEvent, 0)
		ev.Stop, ev.StopText, ev.StopRaw = c.stop, c.before, c.reason
		r.out()
	}
	r.done = true
	r.ev = canon.Event{Kind: canon.DoneEvent}
	r.out()
	return r.err
}

// out emits the event that was made.
func (r *streamReader) out() bool {
	if r.err == nil {
		r.err = r.emit(&r.ev)
	}
	return r.err == nil
}

// make readies an event of a part.
func (r *streamReader) make(c *streamChoice, kind canon.EventKind, part int) *canon.Event {
	r.ev = canon.Event{Kind: kind, Choice: c.index, Index: part}
	return &r.ev
}

func (r *streamReader) send(c *streamChoice, kind canon.EventKind, part int) bool {
	r.make(c, kind, part)
	return r.out()
}

// begins emits the head with the first chunk that tells one; Azure's first
// chunk is about the prompt alone.
func (r *streamReader) begins() {
	h := &r.head
	if r.headed || h.id.Empty() && len(r.read) == 0 {
		return
	}
	r.headed, r.created = true, h.created
	r.ev = canon.Event{Kind: canon.HeadEvent, From: canon.OpenAIChat, ID: h.id, Model: h.model, Created: h.created, ServiceTier: h.tier, Fingerprint: h.fingerprint}
	r.out()
}

func (r *streamReader) sourcesOf() {
	if r.citations == nil && len(r.head.citations) > 2 && len(r.head.citations) < maxSources {
		r.citations = bytes.Clone(r.head.citations)
	}
	if r.results == nil && len(r.head.results) > 2 && len(r.head.results) < maxSources {
		r.results = bytes.Clone(r.head.results)
	}
}

func (r *streamReader) usageOf() {
	raw := r.head.usage
	for i := range r.read {
		if raw == nil {
			raw = r.read[i].usage
		}
	}
	if raw == nil {
		return
	}
	r.ev = canon.Event{Kind: canon.UsageEvent}
	if readReport(&r.sub, raw, &r.ev.Usage); r.ev.Usage.Reported {
		r.out()
	}
}

func (r *streamReader) state(index int) *streamChoice {
	for i := range r.states {
		if r.states[i].index == index {
			return &r.states[i]
		}
	}
	r.states = append(r.states, streamChoice{index: index, open: -1})
	return &r.states[len(r.states)-1]
}

// chunk emits what a chunk adds to a choice.
func (r *streamReader) chunk(read *choice) bool {
	c := r.state(read.index)
	for i := range read.parts {
		p := &read.parts[i]
		ok := true
		switch p.Kind {
		case canon.TextPart:
			ok = p.Text.Empty() && p.Citations == nil && p.Signature == nil || r.texts(c, p)
		case canon.RefusalPart:
			c.refused = true
			ok = r.texts(c, p)
		case canon.ReasoningPart:
			ok = r.thought(c, p)
		case canon.AudioPart:
			ok = r.texts(c, p)
		case canon.ToolCallPart:
			ok = r.call(c, p, &read.notes[i])
		default:
			ok = r.whole(c, p)
		}
		if !ok {
			return false
		}
	}
	if len(read.logprobs) > 0 {
		r.make(c, canon.LogProbsEvent, max(c.open, 0)).Raw = read.logprobs
		r.out()
	}
	if !read.finish.reason.Empty() && !c.finished {
		r.endCalls(c, true)
		f := &read.finish
		f.refused, f.called = c.refused, len(c.calls) > 0
		c.finished = true
		c.stop, c.before, c.reason = f.stop(), bytes.Clone(f.sequence), bytes.Clone(f.reason)
	}
	return r.err == nil
}

// enter makes a part of the kind the open one.
func (r *streamReader) enter(c *streamChoice, p *canon.Part) bool {
	if c.open >= 0 && c.kind == p.Kind {
		return true
	}
	r.close(c)
	r.endCalls(c, false)
	c.open, c.kind, c.signed = c.next, p.Kind, false
	c.next++
	ev := r.make(c, canon.BeginEvent, c.open)
	ev.Part.Kind, ev.Part.ID, ev.Part.From, ev.Part.Media.FileID = p.Kind, p.ID, p.From, p.Media.FileID
	return r.out()
}

func (r *streamReader) texts(c *streamChoice, p *canon.Part) bool {
	if !r.enter(c, p) {
		return false
	}
	if !p.Text.Empty() || p.Media.Data != nil {
		ev := r.make(c, canon.DeltaEvent, c.open)
		ev.Text, ev.Part.Media.Data = p.Text, p.Media.Data
		r.out()
	}
	if p.Signature != nil {
		r.make(c, canon.SignatureEvent, c.open).Text = p.Signature
		r.out()
	}
	if p.Citations != nil {
		c.cited = true
		r.make(c, canon.CitationEvent, c.open).Part.Citations = p.Citations
		r.out()
	}
	return r.err == nil
}

// thought takes a piece of reasoning. What comes after a signature is another
// part, and what is redacted is one for itself.
func (r *streamReader) thought(c *streamChoice, p *canon.Part) bool {
	if p.Redacted != nil {
		return r.whole(c, p)
	}
	if p.Text.Empty() && p.Signature == nil {
		return true
	}
	if c.open >= 0 && c.kind == canon.ReasoningPart && c.signed {
		r.close(c)
	}
	if !r.enter(c, p) {
		return false
	}
	if !p.Text.Empty() {
		r.make(c, canon.DeltaEvent, c.open).Text = p.Text
		r.out()
	}
	if p.Signature != nil {
		c.signed = true
		ev := r.make(c, canon.SignatureEvent, c.open)
		ev.Text, ev.Part.From = p.Signature, p.From
		r.out()
	}
	return r.err == nil
}

// whole emits a part that came in one piece.
func (r *streamReader) whole(c *streamChoice, p *canon.Part) bool {
	r.close(c)
	r.endCalls(c, false)
	n := c.next
	c.next++
	r.make(c, canon.BeginEvent, n).Part = *p
	return r.out() && r.send(c, canon.EndEvent, n)
}

// close ends the open part. Sources that were listed beside the answer belong
// to its first text.
func (r *streamReader) close(c *streamChoice) {
	if c.open < 0 {
		return
	}
	if c.kind == canon.TextPart && c.index == 0 && !c.cited {
		if list := r.pages(r.citations, r.results); list != nil {
			c.cited = true
			r.make(c, canon.CitationEvent, c.open).Part.Citations = list
			r.out()
		}
	}
	r.send(c, canon.EndEvent, c.open)
	c.open = -1
}
