package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// maker makes up answers: each byte of its input is a decision, and when they
// are used up all decisions are the first.
type maker struct {
	input []byte
	n     int
	// mixed says that parts of the answer's stream overlap.
	mixed bool
}

func (m *maker) pick(n int) int {
	if len(m.input) == 0 {
		return 0
	}
	c := m.input[0]
	m.input = m.input[1:]
	return int(c) % n
}

func (m *maker) one(of ...string) canon.Text { return canon.Quote(of[m.pick(len(of))]) }

func (m *maker) number() string { m.n++; return fmt.Sprint(m.n) }

// piece is some text that no other piece equals.
func (m *maker) piece() canon.Text {
	return canon.Quote([]string{"word", "two words ", "\n", `"\`, "naïve 🙂", "</x>\t", `{"a":`}[m.pick(7)] + m.number())
}

func (m *maker) citation() canon.Citation {
	return canon.Citation{URL: canon.Quote("https://example.com/" + m.number()), Title: m.one("A title", `"quoted"`, "ü"), From: canon.OpenAIChat}
}

var madeUpArgs = []string{`{}`, `{"a":1}`, `{"city":"Zürich \"old\"","n":[1,2.5e3,null]}`, ` { "a" : { "b" : [ ] } } `}

// part makes a part with what belongs to it.
func (m *maker) part() canon.Part {
	switch m.pick(7) {
	case 0, 1, 2:
		p := canon.Part{Kind: canon.TextPart, Text: m.piece()}
		for range m.pick(3) {
			p.Text = canon.Join(p.Text, m.piece())
		}
		if m.pick(4) == 3 {
			p.Citations = []canon.Citation{m.citation()}
		}
		return p
	case 3:
		p := canon.Part{Kind: canon.ReasoningPart, Text: m.piece(), From: canon.Anthropic}
		if m.pick(2) == 1 {
			p.Signature = canon.Quote("c2lnbmF0dXJl" + m.number())
		}
		return p
	case 4:
		return canon.Part{Kind: canon.ReasoningPart, Redacted: canon.Quote("cmVkYWN0ZWQ" + m.number()), From: canon.Anthropic}
	}
	call := canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("call_" + m.number()), Name: m.one("get_weather", "f", "a-b_c"),
		Args: canon.Raw(madeUpArgs[m.pick(len(madeUpArgs))])}
	switch c := m.pick(5); {
	case c == 3 && !m.mixed: // Who signs calls tells them whole.
		call.Signature, call.From = canon.Quote("Z2VtaW5p"+m.number()), canon.Gemini
	case c == 4:
		call.Custom, call.Args = true, canon.Raw(m.piece())
	}
	return call
}

// answer makes an answer as a provider might give it.
func (m *maker) answer() *canon.Answer {
	a := &canon.Answer{From: formats[m.pick(len(formats))].Name(), ID: canon.Quote("id_1"), Model: canon.Quote("model-1"), Created: 1_700_000_000}
	for i := range 1 + m.pick(3)/2 {
		c := canon.Choice{Index: i, Stop: []canon.Stop{canon.StopEnd, canon.StopLength, canon.StopFilter}[m.pick(3)]}
		for range m.pick(6) {
			p := m.part()
			if p.Kind == canon.ToolCallPart {
				c.Stop = canon.StopTools
			}
			c.Parts = append(c.Parts, p)
		}
		if len(c.Parts) == 0 && m.pick(2) == 1 {
			c.Stop, c.Parts = canon.StopRefusal, []canon.Part{{Kind: canon.RefusalPart, Text: m.piece()}}
		}
		a.Choices = append(a.Choices, c)
	}
	a.Usage = canon.Usage{Reported: true, Input: int64(10 + m.pick(100)), CacheRead: int64(m.pick(50)), Output: int64(5 + m.pick(100)), From: a.From}
	return a
}

// stream tells an answer in pieces. Parts of OpenAI's dialect may overlap: then
// a call stays open while what follows begins.
func (m *maker) stream(a *canon.Answer) []canon.Event {
	var events, open []canon.Event
	var kind canon.Kind
	canon.Replay(a, func(ev *canon.Event) error {
		if ev.Kind == canon.FinishEvent {
			events = append(events, open...)
			open = nil
		}
		if ev.Kind == canon.DeltaEvent {
			for _, t := range m.cut(ev.Text) {
				part := *ev
				part.Text = t
				events = append(events, part)
			}
			return nil
		}
		if ev.Kind == canon.BeginEvent {
			kind = ev.Part.Kind
		}
		if m.mixed && ev.Kind == canon.EndEvent && kind == canon.ToolCallPart && m.pick(2) == 1 {
			// What is left of the call comes after what follows it began.
			var rest []canon.Event
			for m.pick(2) == 1 && events[len(events)-1].Kind == canon.DeltaEvent {
				last := len(events) - 1
				rest = append([]canon.Event{events[last]}, rest...)
				events = events[:last]
			}
			open = append(open, append(rest, clone(ev))...)
			return nil
		}
		events = append(events, clone(ev))
		return nil
	})
	return events
}

// cut makes pieces of a text.
func (m *maker) cut(t canon.Text) (pieces []canon.Text) {
	runes := []rune(t.String())
	for len(runes) > 0 {
		n := len(runes)
		if m.pick(2) == 1 {
			n = 1 + m.pick(n)
		}
		pieces = append(pieces, canon.Quote(string(runes[:n])))
		runes = runes[n:]
	}
	return pieces
}

// sources are the pages that an answer cites.
func sources(a *canon.Answer) (urls []string) {
	for i := range a.Choices {
		if a.Choices[i].Index != 0 {
			continue
		}
		for _, p := range a.Choices[i].Parts {
			for _, c := range p.Citations {
				urls = append(urls, c.URL.String()+" "+c.Title.String())
			}
		}
	}
	return urls
}

// order is how the kinds of an answer's parts follow each other.
func order(a *canon.Answer) (kinds []canon.Kind) {
	for i := range a.Choices {
		if a.Choices[i].Index != 0 {
			continue
		}
		for _, p := range a.Choices[i].Parts {
			kind := p.Kind
			if kind == canon.RefusalPart {
				kind = canon.TextPart // Some have no name for refusals.
			}
			if n := len(kinds); !(kind == canon.TextPart && p.Text.Empty()) && (n == 0 || kinds[n-1] != kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

// proofs are the signatures of calls, which callers must send back.
func proofs(a *canon.Answer) (all []string) {
	for i := range a.Choices {
		for _, p := range a.Choices[i].Parts {
			if a.Choices[i].Index == 0 && p.Kind == canon.ToolCallPart {
				all = append(all, p.Signature.String())
			}
		}
	}
	return all
}

func hasCustom(a *canon.Answer) bool {
	return slices.ContainsFunc(a.Choices, func(c canon.Choice) bool {
		return slices.ContainsFunc(c.Parts, func(p canon.Part) bool { return p.Custom })
	})
}

// kept compares what was made with what was read of it in a format.
func kept(f dialect.Format, made, read *canon.Answer, mixed bool) error {
	if mixed && f.Name() == canon.Gemini {
		// Calls come whole there, in the order in which they were complete.
		made, read = byID(made), byID(read)
	}
	if err := same(made, read, oneChoice(f)); err != nil {
		return err
	}
	// These have one field of texts and one of calls.
	apart := f.Name() == canon.OpenAIChat || f.Name() == canon.Cohere
	if was, now := order(made), order(read); !mixed && !apart && !slices.Equal(was, now) {
		return fmt.Errorf("kinds %v became %v", was, now)
	}
	if was, now := sources(made), sources(read); !reflect.DeepEqual(was, now) {
		return fmt.Errorf("sources %v became %v", was, now)
	}
	// No caller speaks the first two. Streams of Responses tell a signature
	// behind its call, when writers of others are through with that.
	proven := f.Name() != canon.Bedrock && f.Name() != canon.Cohere && made.From != canon.Responses
	if was, now := proofs(made), proofs(read); proven && !slices.Equal(was, now) {
		return fmt.Errorf("signatures of calls %q became %q", was, now)
	}
	u, v := &made.Usage, &read.Usage
	// Cohere bills cached tokens in no class of their own.
	if u.Prompt() != v.Prompt() || u.Completion() != v.Completion() || u.CacheRead != v.CacheRead && f.Name() != canon.Cohere {
		return fmt.Errorf("usage %+v became %+v", u, v)
	}
	return nil
}

// byID is the answer with its calls in the order of their ids.
func byID(a *canon.Answer) *canon.Answer {
	sorted := *a
	sorted.Choices = slices.Clone(a.Choices)
	for i := range sorted.Choices {
		c := &sorted.Choices[i]
		c.Parts = slices.Clone(c.Parts)
		slices.SortStableFunc(c.Parts, func(p, q canon.Part) int { return bytes.Compare(p.ID, q.ID) })
	}
	return &sorted
}

// checkMadeUp tries a made-up answer, whole and streamed, in all formats, and
// from each of them in one more.
func checkMadeUp(input []byte) error {
	m := &maker{input: input}
	m.mixed = m.pick(2) == 1
	a := m.answer()
	// Only the end of a stream tells that the free text of a call is complete.
	mixedAgain := m.mixed || hasCustom(a)
	events := m.stream(a)
	for _, f := range formats {
		next := formats[m.pick(len(formats))]
		again, err := through(f, a)
		if err == nil {
			err = kept(f, a, again, false)
		}
		if err == nil {
			var third *canon.Answer
			if third, err = through(next, again); err == nil {
				err = kept(next, again, third, false)
			}
		}
		if err != nil {
			return fmt.Errorf("%s, then %s, whole: %w\nmade %s", f.Name(), next.Name(), err, f.AppendAnswer(nil, a))
		}
		whole, again2, err := streamKept(f, a, events, m.mixed)
		if err == nil {
			_, _, err = streamKept(next, whole, again2, mixedAgain)
		}
		if err != nil {
			return fmt.Errorf("%s, then %s, streamed: %w", f.Name(), next.Name(), err)
		}
	}
	return nil
}

// streamKept writes a stream of an answer in a format and checks what is read
// of it.
func streamKept(f dialect.Format, made *canon.Answer, events []canon.Event, mixed bool) (*canon.Answer, []canon.Event, error) {
	w := f.NewWriter(&canon.Request{Stream: true, IncludeUsage: true})
	var b []byte
	for i := range events {
		b = w.Append(b, &events[i])
	}
	var whole *canon.Fold
	var again []canon.Event
	payloads, err := payloadsOf(f, b)
	if err == nil {
		err = inOrder(f, payloads)
	}
	if err == nil {
		whole, again, err = fold(f, payloads)
	}
	if err == nil {
		err = kept(f, made, &whole.Answer, mixed)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w\nmade %s", err, b)
	}
	return &whole.Answer, again, nil
}

// inOrder checks the rules of streams that SDKs count on.
func inOrder(f dialect.Format, payloads [][]byte) error {
	open, finished := -1, false
	for i, p := range payloads {
		var ev struct {
			Type     string
			Index    int
			Sequence *int `json:"sequence_number"`
			Choices  []struct {
				Index  int
				Finish *string `json:"finish_reason"`
				Delta  map[string]any
			}
		}
		if err := json.Unmarshal(p, &ev); err != nil {
			return fmt.Errorf("%w in %s", err, p)
		}
		bad := false
		switch f.Name() {
		case canon.Responses:
			bad = ev.Sequence == nil || *ev.Sequence != i
		case canon.Anthropic:
			switch ev.Type {
			case "content_block_start":
				bad, open = open >= 0, ev.Index
			case "content_block_delta":
				bad = ev.Index != open
			case "content_block_stop":
				bad, open = ev.Index != open, -1
			case "message_delta", "message_stop":
				bad = open >= 0
			}
		case canon.OpenAIChat:
			for _, c := range ev.Choices {
				if c.Index == 0 {
					bad = finished
					finished = c.Finish != nil
				}
			}
		}
		if bad {
			return fmt.Errorf("event %d, %s, is out of order", i, p)
		}
	}
	return nil
}

// TestMadeUpAnswers tries answers that no provider was seen to give.
func TestMadeUpAnswers(t *testing.T) {
	const answers = 1000
	failed := map[string]int{}
	for seed := range uint64(answers) {
		r := rand.New(rand.NewPCG(seed, 1))
		input := make([]byte, 20+r.IntN(200))
		for i := range input {
			input[i] = byte(r.Uint32())
		}
		if err := checkMadeUp(input); err != nil {
			kind, _, _ := strings.Cut(err.Error(), ":")
			if failed[kind]++; failed[kind] <= 2 {
				t.Errorf("seed %d: %v", seed, shorten(err))
			}
		}
	}
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
}

func FuzzMadeUpAnswers(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x04\x04\x01\x06\x02\x01\x05\x00\x03"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if err := checkMadeUp(input); err != nil {
			t.Error(shorten(err))
		}
	})
}
