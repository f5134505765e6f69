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

func (st *stream) send(kind canon.EventKind, choice int) {
	if st.err == nil {
		st.ev.Kind, st.ev.Choice = kind, choice
		st.err = st.emit(&st.ev)
	}
	st.ev = canon.Event{}
}

// Read takes one answer of the stream.
func (st *stream) Read(_, data []byte, emit canon.Emit) error {
	if st.err != nil || st.done {
		return st.err
	}
	st.emit = emit
	defer func() { st.emit = nil }()
	var r reader
	r.s.Reset(data)
	if r.s.Peek() != '{' {
		return st.fail(garbage(nil))
	}
	var x answer
	if r.top(&x, false); r.bad != nil || !r.s.End() {
		return st.fail(garbage(asError(r.bad)))
	}
	if x.failed {
		return st.fail(Format{}.ReadRefusal(200, data, ""))
	}
	var usage canon.Usage
	tier := readUsage(x.usage, &usage)
	st.head(&x, tier)
	if x.candidates != nil {
		st.candidates(x.candidates)
	}
	if reason := blockReason(x.feedback); reason != nil && len(st.choices) == 0 && !st.blocked {
		st.blocked = true
		st.ev.Stop, st.ev.StopRaw = canon.StopFilter, reason
		st.ev.Extra = []canon.Field{{Name: "promptFeedback", Value: x.feedback}}
		st.send(canon.FinishEvent, 0)
	}
	if usage.Reported {
		if st.queries > 0 {
			usage.Searches = billed(st.queries, st.model)
		}
		st.ev.Usage, st.ev.ServiceTier = usage, tier
		st.send(canon.UsageEvent, 0)
	}
	return st.err
}

func (st *stream) fail(err error) error {
	st.err = err
	return err
}

func (st *stream) head(x *answer, tier canon.Text) {
	if st.headed {
		return
	}
	st.headed = true
	st.model = bytes.Clone(x.model)
	st.ev.ID, st.ev.Model, st.ev.Created = x.id, x.model, unixOf(x.created)
	st.ev.From, st.ev.ServiceTier = canon.Gemini, tier
	st.send(canon.HeadEvent, 0)
}

func (st *stream) candidates(raw []byte) {
	var r reader
	r.s.Reset(raw)
	for a := r.array(); r.element(&a); {
		var c candidate
		// The index may stand behind the content.
		at := candidateIndex(&r, a.i)
		if at < 0 {
			st.fail(garbage(errors.New("a candidate has no usable index")))
			return
		}
		ch := st.choice(at)
		r.candidate(&c, a.i, false, func() {
			r.parts = r.parts[:0]
			p, x := r.part()
			if r.bad == nil && st.err == nil {
				st.piece(ch, p, &x)
			}
		})
		if r.bad != nil {
			st.fail(garbage(r.bad))
		}
		if st.err != nil {
			return
		}
		st.cite(ch, &c)
		if lp := logProbs(c.logProbs); lp != nil {
			st.ev.Raw = lp
			st.ev.Index = max(ch.next-1, 0)
			st.send(canon.LogProbsEvent, ch.index)
		}
		if c.finish != nil && !c.finish.Is("FINISH_REASON_UNSPECIFIED") {
			st.finish(ch, &c)
		}
	}
	if r.bad != nil {
		st.fail(garbage(r.bad))
	}
}

// candidateIndex looks ahead for a candidate's index; -1 when it is of no use.
func candidateIndex(r *reader, otherwise int) int {
	s := scanner(r.s.Text()[r.s.Pos():])
	at := otherwise
	found := s.Object(func(name []byte) bool {
		if string(name) != "index" {
			return s.Skip()
		}
		v, ok := s.Value()
		if b := v.Of(s.Text()); len(b) == 1 && b[0] >= '0' && b[0] <= '9' {
			at = int(b[0] - '0')
		} else if string(b) != "null" {
			at = -1
		}
		return ok
	})
	if !found || at >= maxCandidates {
		return -1
	}
	return at
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
			ch.args = &tree{}
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
