// Package dialogue owns how the fake provider behaves as a model: it reads a
// chat request in one of three wire formats, refuses what the real API would
// refuse, decides what to answer, and writes the answer in the same format.
// Everything follows from the request, so that a test can say what must come
// back, and a request that was translated wrongly is refused or answered
// wrongly. It must not know connections, timing or how answers are broken.
//
// What the last text of the user asks for:
//
//	use the tool NAME           a call of each tool that the text names, at once
//	… one after another         the same, one call in each turn
//	hide your thoughts          thoughts that only the provider can read
//
// Otherwise the answer is a report of what the model was given (see report),
// or a value that fits the JSON schema. Arguments of calls fit the tool's
// schema as well.
package dialogue

import (
	"encoding/json"
	"slices"
	"strings"
)

// Dialect is a wire format.
type Dialect int

// Dialects.
const (
	Chat Dialect = iota
	Messages
	Gemini
)

// Head is what a request says outside of its body.
type Head struct {
	Dialect Dialect
	// Model and Stream stand in the URL in Gemini's dialect.
	Model  string
	Stream bool
	// Version is the header that Messages demands.
	Version string
}

// Settings change an answer.
type Settings struct {
	// Status other than 0 and 200 refuses the request.
	Status int
	// Input, Output, Cached and Reasoning are the tokens reported, as
	// OpenAI counts them; 0 means what the request and the answer make.
	Input, Output, Cached, Reasoning int
	NoUsage                          bool
	// Text replaces the report; it is streamed in so many events.
	Text   string
	Events int
}

// Answer is what to send.
type Answer struct {
	Status int
	// Header holds complete lines.
	Header string
	Type   string
	// Parts are the body: one of a whole answer, one for each event of a
	// stream. Content counts the content events up to each.
	Parts   [][]byte
	Content []int
	// Broken is the event of a failure in mid-stream.
	Broken []byte
	// Input and Output are the tokens that the answer reports.
	Input, Output int
}

// Conversation is a request that was found in order.
type Conversation struct {
	Dialect Dialect
	Model   string
	Stream  bool

	includeUsage bool
	system       []string
	turns        []turn
	tools        []tool
	// force is the tool that must be called, anyTool that some must be; none
	// that none may.
	force    string
	anyTool  bool
	none     bool
	parallel bool
	maxWords int
	stop     []string
	schema   map[string]any
	object   bool
	think    bool
	show     bool
	marks    int
	// names of tools by the ids of their calls.
	names map[string]string
}

type turn struct {
	role  string // user or assistant
	parts []part
}

type kind int

const (
	text kind = iota
	media
	call
	result
	thought
)

type part struct {
	kind kind
	// text of a text, a thought or a result; args of a call.
	text string
	// mime and size of media.
	mime string
	size int
	id   string
	name string
	// failed marks the result of a call that went wrong.
	failed bool
	signed string
}

type tool struct {
	name   string
	schema map[string]any
	custom bool
}

// reply is what the model says.
type reply struct {
	thought  string
	hidden   bool
	text     string
	calls    []part
	stop     stop
	stopText string
}

type stop int

const (
	atEnd stop = iota
	forTools
	atLength
	atSequence
)

// Ask is the text that the answer depends on: the user's last.
func (c *Conversation) Ask() string {
	for _, t := range slices.Backward(c.turns) {
		for _, p := range slices.Backward(t.parts) {
			if t.role == "user" && p.kind == text {
				return p.text
			}
		}
	}
	return ""
}

// answered are the results that came since the user's last text.
func (c *Conversation) answered() (out []part) {
	for _, t := range slices.Backward(c.turns) {
		for _, p := range slices.Backward(t.parts) {
			switch {
			case t.role == "user" && p.kind == text:
				slices.Reverse(out)
				return out
			case p.kind == result:
				out = append(out, p)
			}
		}
	}
	return out
}

func (c *Conversation) reply(s Settings) reply {
	ask := c.Ask()
	var r reply
	if c.think {
		r.thought = "Thinking about: " + ask
		r.hidden = strings.Contains(ask, "hide your thoughts")
	}
	if wanted := c.wanted(ask); len(wanted) > 0 {
		r.text, r.stop = "Let me look.", forTools
		for i, t := range wanted {
			r.calls = append(r.calls, part{kind: call, name: t.name, id: callID(len(c.names) + i), text: t.arguments()})
		}
		return r
	}
	switch {
	case s.Text != "":
		r.text = s.Text
	case c.schema != nil:
		r.text = encode(example(c.schema))
	case c.object:
		r.text = encode(map[string]any{"answer": ask})
	default:
		r.text = c.report()
	}
	r.cut(c.stop, c.maxWords)
	return r
}

func callID(n int) string { return "call_fake_" + string(rune('a'+n%26)) + string(rune('0'+n/26%10)) }

// naming is where a text names a tool, -1 when it does not.
func naming(ask, name string) int {
	part := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	for from := 0; ; {
		i := strings.Index(ask[from:], name)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(name)
		if (i == 0 || !part(ask[i-1])) && (end == len(ask) || !part(ask[end])) {
			return i
		}
		from = end
	}
}

// wanted are the tools to call now.
func (c *Conversation) wanted(ask string) []tool {
	if c.none {
		return nil
	}
	done := len(c.answered())
	var named []tool
	if strings.Contains(ask, "use the tool") {
		for _, t := range c.tools {
			if naming(ask, t.name) >= 0 {
				named = append(named, t)
			}
		}
		slices.SortStableFunc(named, func(a, b tool) int { return naming(ask, a.name) - naming(ask, b.name) })
	}
	switch i := slices.IndexFunc(c.tools, func(t tool) bool { return t.name == c.force }); {
	case done >= max(1, len(named)):
		return nil
	case c.force != "":
		return c.tools[i : i+1]
	case len(named) == 0 && c.anyTool:
		return c.tools[:1]
	case len(named) > 0 && (!c.parallel || strings.Contains(ask, "one after another")):
		return named[done : done+1]
	case done > 0:
		return nil
	}
	return named
}

// cut applies stop sequences and the bound on words, which stand for tokens.
func (r *reply) cut(stops []string, words int) {
	for _, s := range stops {
		if i := strings.Index(r.text, s); s != "" && i >= 0 {
			r.text, r.stop, r.stopText = r.text[:i], atSequence, s
		}
	}
	if f := strings.Fields(r.text); words > 0 && len(f) > words {
		r.text, r.stop, r.stopText = strings.Join(f[:words], " "), atLength, ""
	}
}

// counts are the tokens of an answer, as OpenAI counts them.
type counts struct{ input, output, cached, reasoning int }

func (c *Conversation) counts(s Settings, r *reply) counts {
	n := counts{s.Input, s.Output, s.Cached, s.Reasoning}
	if n.input == 0 {
		n.input = 10 + len(strings.Fields(strings.Join(c.system, " ")))
		for _, t := range c.turns {
			for _, p := range t.parts {
				n.input += 1 + len(strings.Fields(p.text))
			}
		}
	}
	if n.reasoning == 0 {
		n.reasoning = len(strings.Fields(r.thought))
	}
	if n.output == 0 {
		n.output = n.reasoning + len(strings.Fields(r.text)) + 5*len(r.calls)
	}
	return n
}

// Answer answers. The conversation stays as it is.
func (c *Conversation) Answer(s Settings) Answer {
	if s.Status != 0 && s.Status != 200 {
		return refusalFor(c.Dialect, s.Status, "").answer()
	}
	r := c.reply(s)
	n := c.counts(s, &r)
	w := writer{c: c, s: s, r: &r, n: n}
	a := Answer{Status: 200, Type: "application/json", Input: n.input, Output: n.output, Broken: broken(c.Dialect)}
	if c.Stream {
		a.Type = "text/event-stream"
		switch c.Dialect {
		case Chat:
			w.chatEvents()
		case Messages:
			w.messageEvents()
		case Gemini:
			w.geminiEvents()
		}
		a.Parts, a.Content = w.events, w.content
		return a
	}
	var body any
	switch c.Dialect {
	case Chat:
		body = w.chat()
	case Messages:
		body = w.message()
	case Gemini:
		body = w.gemini()
	}
	a.Parts, a.Content = [][]byte{[]byte(encode(body))}, []int{n.output}
	return a
}

// writer collects what is sent.
type writer struct {
	c       *Conversation
	s       Settings
	r       *reply
	n       counts
	events  [][]byte
	content []int
	shown   int
}

// add sends an event; content says that it holds some of the answer.
func (w *writer) add(raw string, content bool) {
	if content {
		w.shown++
	}
	w.events = append(w.events, []byte(raw))
	w.content = append(w.content, w.shown)
}

// pieces cuts a text for a stream, never within a character.
func (w *writer) pieces(s string) (out []string) {
	n := w.s.Events
	if w.s.Text == "" || n < 1 {
		n = 4
	}
	from := 0
	for i := 1; i <= n; i++ {
		to := len(s) * i / n
		for to < len(s) && s[to]&0xc0 == 0x80 {
			to++
		}
		if to > from {
			out = append(out, s[from:to])
		}
		from = max(from, to)
	}
	return out
}

type object = map[string]any

// encode writes JSON without changing characters for HTML's sake.
func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}
