package gemini

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// NewReader reads a provider's stream: each event is an answer of its own that
// holds what is new. The stream has no last event; it is complete when the
// connection ends after all candidates said why they did.
func (Format) NewReader() canon.Reader { return &stream{} }

// stream reads a stream.
type stream struct {
	emit    canon.Emit
	ev      canon.Event
	err     error
	headed  bool
	choices []choice
	model   canon.Text
	queries int64
	blocked bool
	done    bool
	// args is the size of all arguments that come in pieces.
	args    int
	watched bool
	// r walks over an event, first over the head of the first one.
	r, first reader
}

// choice is how far a candidate is.
type choice struct {
	index int
	// next is the index of the part that begins next; open says whether the one
	// before is open, and kind and signed tell of it.
	next   int
	open   bool
	kind   canon.Kind
	signed bool
	// ascii says that the text of the open part has as many characters as bytes.
	ascii bool
	// calls says that there were calls of tools.
	calls    bool
	finished bool
	// args are the arguments of the open call, when they come in pieces.
	args *tree
}

func garbage(why error) error {
	return fault.New(fault.UpstreamGarbage, "", errors.Join(errGarbage, why))
}

// Held is about how much memory the stream takes: texts that come in pieces
// have room for more.
func (st *stream) Held() int { return st.args + st.args/4 + len(st.model) }

// Watch makes the reader hold little.
func (st *stream) Watch() { st.watched = true }

func (st *stream) send(kind canon.EventKind, choice int) {
	ev := &st.ev
	if st.err == nil {
		ev.Kind, ev.Choice = kind, choice
		st.err = st.emit(ev)
	}
	// Events are large: only what the kind uses is taken back.
	switch kind {
	case canon.DeltaEvent, canon.SignatureEvent:
		ev.Text = nil
	case canon.BeginEvent, canon.CitationEvent:
		ev.Part = canon.Part{}
	case canon.UsageEvent:
		ev.Usage, ev.ServiceTier = canon.Usage{}, nil
	case canon.EndEvent:
	default:
		*ev = canon.Event{}
	}
}

// Read takes one answer of the stream.
func (st *stream) Read(_, data []byte, emit canon.Emit) error {
	if st.err != nil || st.done {
		return st.err
	}
	st.emit = emit
	if !st.headed {
		st.head(data)
	}
	var x chunk
	if st.err == nil {
		st.chunk(data, &x)
	}
	st.emit = nil
	return st.err
}

func (st *stream) fail(err error) error {
	if st.err == nil {
		st.err = err
	}
	return st.err
}

// head looks through the first answer for what names them all: that stands
// behind what they say.
func (st *stream) head(data []byte) {
	r := &st.first
	r.reset(data)
	if r.s.Peek() != '{' {
		st.fail(garbage(nil))
		return
	}
	var x answer
	if r.top(&x, false); r.bad != nil || !r.s.End() {
		st.fail(garbage(asError(r.bad)))
		return
	}
	if x.failed {
		// The walk over the answer says what.
		return
	}
	st.headed = true
	st.model = bytes.Clone(x.model)
	st.ev.ID, st.ev.Model, st.ev.Created = x.id, x.model, unixOf(x.created)
	st.ev.From = canon.Gemini
	st.send(canon.HeadEvent, 0)
}

// chunk is what an answer of the stream says besides its candidates.
type chunk struct {
	usage    canon.Usage
	tier     canon.Text
	feedback []byte
	failed   bool
}

func (st *stream) chunk(data []byte, x *chunk) {
	r := &st.r
	r.reset(data)
	if r.s.Peek() != '{' {
		st.fail(garbage(nil))
		return
	}
	for o := r.object(); st.err == nil && r.next(&o, answerNames); {
		switch o.field {
		case ansCandidates:
			st.candidates()
		case ansUsage:
			if c := r.s.Peek(); c == '{' {
				x.tier = r.usage(&x.usage)
			} else {
				r.skip()
			}
		case ansFeedback:
			x.feedback = r.value()
		case ansError:
			c := r.s.Peek()
			r.skip()
			x.failed = x.failed || c == '{' || c == '"'
		default:
			r.skip()
		}
	}
	switch {
	case st.err != nil:
	case r.bad != nil || !r.s.End():
		st.fail(garbage(asError(r.bad)))
	case x.failed:
		st.fail(Format{}.ReadRefusal(200, data, ""))
	default:
		st.closing(x)
	}
}

// closing tells what came beside the candidates.
func (st *stream) closing(x *chunk) {
	if reason := blockReason(x.feedback); reason != nil && len(st.choices) == 0 && !st.blocked {
		st.blocked = true
		st.ev.Index, st.ev.Stop, st.ev.StopRaw = 0, canon.StopFilter, reason
		st.ev.Extra = []canon.Field{{Name: "promptFeedback", Value: x.feedback}}
		st.send(canon.FinishEvent, 0)
	}
	if x.usage.Reported {
		if st.queries > 0 {
			x.usage.Searches = billed(st.queries, st.model)
		}
		st.ev.Index, st.ev.Usage, st.ev.ServiceTier = 0, x.usage, x.tier
		st.send(canon.UsageEvent, 0)
	}
}

func (st *stream) candidates() {
	r := &st.r
	for a := r.array(); st.err == nil && r.element(&a); {
		var c candidate
		r.parts, r.kinds = r.parts[:0], r.kinds[:0]
		r.candidate(&c, a.i, false)
		if r.bad != nil {
			return
		}
		st.candidate(&c)
	}
}

func (st *stream) candidate(c *candidate) {
	ch := st.choice(c.index)
	for i := range st.r.parts {
		if st.err == nil {
			st.piece(ch, &st.r.parts[i], &st.r.kinds[i])
		}
	}
	st.cite(ch, c)
	if c.logProbs != nil {
		if lp := logProbs(c.logProbs); lp != nil {
			st.ev.Index, st.ev.Raw = max(ch.next-1, 0), lp
			st.send(canon.LogProbsEvent, ch.index)
		}
	}
	if c.finish != nil && !c.finish.Is("FINISH_REASON_UNSPECIFIED") {
		st.finish(ch, c)
	}
}

func (st *stream) choice(index int) *choice {
	for i := range st.choices {
		if st.choices[i].index == index {
			return &st.choices[i]
		}
	}
	st.choices = append(st.choices, choice{index: index})
	return &st.choices[len(st.choices)-1]
}

func (st *stream) begin(ch *choice, p canon.Part) {
	st.end(ch)
	ch.open, ch.kind, ch.signed = true, p.Kind, p.Redacted != nil
	ch.ascii, ch.finished = true, false
	st.ev.Part = p
	st.ev.Index = ch.next
	ch.next++
	st.send(canon.BeginEvent, ch.index)
}

func (st *stream) delta(ch *choice, t canon.Text) {
	st.ev.Index, st.ev.Text = ch.next-1, t
	st.send(canon.DeltaEvent, ch.index)
}

func (st *stream) sign(ch *choice, s canon.Text) {
	if s != nil {
		ch.signed = true
		st.ev.Index, st.ev.Text = ch.next-1, s
		st.send(canon.SignatureEvent, ch.index)
	}
}

// end ends the open part. Arguments that came in pieces go out whole.
func (st *stream) end(ch *choice) {
	if !ch.open {
		return
	}
	if ch.args != nil {
		if raw := ch.args.json(); raw != nil {
			st.delta(ch, canon.Quote(string(raw)))
		}
		st.args -= ch.args.size
		ch.args = nil
	}
	ch.open = false
	st.ev.Index = ch.next - 1
	st.send(canon.EndEvent, ch.index)
}

// piece takes a part of a chunk.
func (st *stream) piece(ch *choice, p *canon.Part, x *part) {
	switch p.Kind {
	case canon.TextPart, canon.ReasoningPart, canon.RefusalPart:
		st.text(ch, p)
	case canon.ToolCallPart:
		st.call(ch, p, x)
	default:
		st.begin(ch, *p)
		st.end(ch)
	}
}

// text goes on with the open part when that is of the same kind; a signature
// ends what it signs.
func (st *stream) text(ch *choice, p *canon.Part) {
	same := ch.open && ch.kind == p.Kind && p.Redacted == nil && p.ID == nil
	same = same && (!ch.signed || p.Text.Empty() && p.Signature == nil)
	if !same {
		if p.Text.Empty() && p.Signature == nil && p.Redacted == nil && p.ID == nil && len(p.Extra) == 0 {
			// Streams end with an empty text after calls.
			return
		}
		st.begin(ch, canon.Part{Kind: p.Kind, ID: p.ID, Redacted: p.Redacted, From: p.From, Extra: p.Extra})
	}
	if !p.Text.Empty() {
		ch.ascii = ch.ascii && isASCII(p.Text)
		st.delta(ch, p.Text)
	}
	st.sign(ch, p.Signature)
}

// isASCII reports whether offsets in bytes and in characters are the same.
func isASCII(t canon.Text) bool {
	for _, c := range t {
		if c >= 0x80 {
			return false
		}
	}
	return !bytes.Contains(t, []byte(`\u`))
}

// call takes a call, whole or in pieces: the first piece has the name and says
// that it goes on, the last does not say so.
func (st *stream) call(ch *choice, p *canon.Part, x *part) {
	goesOn := x.call.continues == canon.Yes
	continued := ch.open && ch.kind == canon.ToolCallPart && ch.args != nil
	if p.Name == nil && !continued {
		if p.Args != nil || x.call.partial != nil {
			st.fail(garbage(errors.New("a call has no name")))
		}
		return
	}
	if p.Name != nil {
		st.begin(ch, canon.Part{Kind: canon.ToolCallPart, ID: p.ID, Name: p.Name, From: p.From, Extra: p.Extra})
		ch.calls = true
		if goesOn || x.call.partial != nil {
			ch.args = &tree{sum: &st.args, watched: st.watched}
		}
	}
	st.sign(ch, p.Signature)
	if p.Args != nil {
		st.delta(ch, canon.Quote(string(p.Args)))
	}
	if x.call.partial != nil {
		if err := ch.args.add(x.call.partial); err != nil {
			st.fail(err)
			return
		}
	}
	if !goesOn {
		st.end(ch)
	}
}

// cite gives the citations to the open text, or to an empty one when another
// part came after the text.
func (st *stream) cite(ch *choice, c *candidate) {
	if c.grounding == nil && c.citations == nil {
		return
	}
	var g grounding
	readGrounding(c.grounding, &g)
	st.queries = max(st.queries, g.queries)
	var all []canon.Citation
	put := func(_ int64, at canon.Citation) {
		if at.From == canon.Gemini && !ch.ascii {
			// Where the characters are is not known without the text.
			at.Start, at.End = 0, 0
		}
		all = append(all, at)
	}
	ch.ascii = ch.ascii && ch.open
	g.each(put)
	readCitations(c.citations, func(at canon.Citation) { put(0, at) })
	if len(all) == 0 {
		return
	}
	if !ch.open || ch.kind != canon.TextPart {
		st.begin(ch, canon.Part{Kind: canon.TextPart})
	}
	st.ev.Index, st.ev.Part.Citations = ch.next-1, all
	st.send(canon.CitationEvent, ch.index)
}

func (st *stream) finish(ch *choice, c *candidate) {
	st.end(ch)
	if ch.finished {
		return
	}
	ch.finished = true
	st.ev.Index = 0
	st.ev.Stop, st.ev.StopRaw, st.ev.StopText = c.stop(ch.calls), c.finish, c.stopText
	if c.grounding != nil && !isForeign(c.grounding) {
		st.ev.Extra = []canon.Field{{Name: fmt.Sprintf("candidates[%d].groundingMetadata", c.index), Value: c.grounding}}
	}
	st.send(canon.FinishEvent, ch.index)
}

// End says what a stream means whose connection ended.
func (st *stream) End(emit canon.Emit) error {
	if st.err != nil || st.done {
		return st.err
	}
	complete := st.blocked || len(st.choices) > 0
	for i := range st.choices {
		complete = complete && st.choices[i].finished
	}
	if !complete {
		return st.fail(fault.New(fault.UpstreamReset, "", errors.New("the stream ended before its candidates did")))
	}
	st.done = true
	st.emit = emit
	st.send(canon.DoneEvent, 0)
	st.emit = nil
	return st.err
}
