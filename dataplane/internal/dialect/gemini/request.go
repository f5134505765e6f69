package gemini

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// Fields of a request.
const (
	topContents = iota
	topSystem
	topTools
	topToolConfig
	topConfig
	topModel
	topTier
	topSafety
	topCached
	topLabels
)

var topNames = []string{
	"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model", "serviceTier",
	"safetySettings", "cachedContent", "labels",
}

// ReadRequest reads what a caller sent; see the package for the model.
func (Format) ReadRequest(body []byte, req *canon.Request) *fault.Fault {
	*req = canon.Request{
		From: canon.Gemini, IncludeUsage: true,
		Messages: req.Messages[:0], Tools: req.Tools[:0],
	}
	r := newReader(body)
	defer r.done()
	r.strict, r.extra = true, &req.Extra
	if c := r.s.Peek(); c != '{' {
		if r.skip(); r.bad == nil && r.s.End() {
			return fault.New(fault.WrongType, "The body must be a JSON object.", nil)
		}
		r.malformed()
		return r.bad
	}
	// Parts are large and growing copies them: most requests have fewer than two
	// for each KB.
	r.parts = make([]canon.Part, 0, min(len(body)/512+4, 64))
	contents := r.request(req)
	if r.bad == nil && !r.s.End() {
		r.malformed()
	}
	if r.bad != nil {
		return jsonFirst(body, r.bad)
	}
	if !contents {
		return fault.New(fault.MissingField, "The body has no contents.", nil).WithParam("contents")
	}
	return nil
}

// jsonFirst puts not being JSON before what is wrong inside of it.
func jsonFirst(body []byte, bad *fault.Fault) *fault.Fault {
	if bad.Kind == fault.MalformedJSON {
		return bad
	}
	var whole reader
	whole.s.Reset(body)
	if whole.skip(); whole.bad == nil && !whole.s.End() {
		whole.malformed()
	}
	if whole.bad != nil {
		return whole.bad
	}
	return bad
}

func (r *reader) request(req *canon.Request) (contents bool) {
	var system canon.Message
	for o := r.object(); r.next(&o, topNames); {
		switch o.field {
		case topContents:
			contents = r.s.Peek() != 'n'
			r.contents(req)
		case topSystem:
			r.system(&system)
		case topTools:
			r.tools(req)
		case topToolConfig:
			r.toolConfig(req)
		case topConfig:
			r.config(req)
		case topModel:
			r.text(&req.Model)
		case topTier:
			var tier canon.Text
			r.text(&tier)
			req.ServiceTier = tierOf(tier)
		case -1:
			r.keep(o.key)
		default:
			r.keep([]byte(topNames[o.field]))
		}
	}
	if r.bad == nil && (len(system.Parts) > 0 || len(system.Extra) > 0) {
		req.Messages = append(req.Messages, canon.Message{})
		copy(req.Messages[1:], req.Messages)
		req.Messages[0] = system
	}
	return contents
}

// tierOf and googleTier translate the one tier that has two names.
func tierOf(t canon.Text) canon.Text {
	if t.Is("standard") {
		return canon.Text(`"default"`)
	}
	return t
}

func (r *reader) missing(field string) {
	at := r.at(field)
	r.fail(fault.Newf(fault.MissingField, "%s is missing.", at).WithParam(at))
}

var contentNames = []string{"parts", "role"}

func (r *reader) contents(req *canon.Request) {
	if r.s.Peek() == '"' {
		r.skip()
		r.wrong("an array")
		return
	}
	first := 0
	for a := r.array(); r.element(&a); {
		r.push("contents", a.i)
		var m canon.Message
		start := len(r.parts)
		role := r.content(&m)
		if r.bad == nil {
			r.roleOf(&m, role)
		}
		if r.bad != nil {
			return
		}
		r.report(m.Extra)
		r.pop()
		if m.Role != canon.Assistant {
			m.Parts = r.parts[start:len(r.parts):len(r.parts)]
			req.Messages = appendRuns(req.Messages, m)
			continue
		}
		// Clients keep the chunks of a streamed answer as contents of their own:
		// together they are one turn.
		if n := len(req.Messages); n > 0 && req.Messages[n-1].Role == canon.Assistant {
			m.Extra = append(req.Messages[n-1].Extra, m.Extra...)
			req.Messages = req.Messages[:n-1]
		} else {
			first = start
		}
		r.mend(max(first, start-1), start)
		m.Parts = r.parts[first:len(r.parts):len(r.parts)]
		req.Messages = append(req.Messages, m)
	}
}

// mend joins what a stream tore: thoughts that follow each other up to their
// signature, and a signature that came after its text. Parts before from are
// left alone; those from start on are new.
func (r *reader) mend(from, start int) {
	kept := r.parts[:start]
	for i := start; i < len(r.parts); i++ {
		p := r.parts[i]
		n := len(kept) - 1
		if n < from || !continues(&kept[n], &p) {
			kept = append(kept, p)
			continue
		}
		if !p.Text.Empty() {
			if r.joined != n+1 {
				// A copy with room: the text itself lies in the body.
				kept[n].Text = canon.Join(orEmpty(kept[n].Text), emptyText)
				r.joined = n + 1
			}
			t := kept[n].Text
			kept[n].Text = append(p.Text.Append(t[:len(t)-1]), '"')
		}
		kept[n].Signature = p.Signature
	}
	r.parts = kept
}

// continues reports whether p is more of the part before it.
func continues(before, p *canon.Part) bool {
	if before.Kind != p.Kind || before.Signature != nil || before.Redacted != nil || p.Redacted != nil || p.ID != nil || len(p.Extra) > 0 {
		return false
	}
	return p.Kind == canon.ReasoningPart || p.Kind == canon.TextPart && p.Signature != nil && p.Text.Empty()
}

// content reads a content into r.parts.
func (r *reader) content(m *canon.Message) (role canon.Text) {
	for o := r.object(); r.next(&o, contentNames); {
		switch o.field {
		case 0:
			for a := r.array(); r.element(&a); {
				r.push("parts", a.i)
				r.part()
				if r.bad != nil {
					return nil
				}
				r.pop()
			}
		case 1:
			r.text(&role)
		default:
			f := canon.Field{Name: string(o.key)}
			f.Value = r.value()
			m.Extra = append(m.Extra, f)
		}
	}
	return role
}

func (r *reader) roleOf(m *canon.Message, role canon.Text) {
	switch {
	case role.Empty(), role.Is("user"), role.Is("function"):
		m.Role = canon.User
	case role.Is("model"):
		m.Role = canon.Assistant
	default:
		at := r.at("role")
		r.fail(fault.Newf(fault.BadRequest, "%s must be user or model.", at).WithParam(at))
	}
}

// appendRuns appends a content. Results of tools stand in messages of their
// own here, so a content that holds both becomes several messages.
func appendRuns(ms []canon.Message, m canon.Message) []canon.Message {
	if m.Role != canon.User {
		return append(ms, m)
	}
	parts := m.Parts
	for start := 0; ; {
		end := start
		for end < len(parts) && (parts[end].Kind == canon.ToolResultPart) == (parts[start].Kind == canon.ToolResultPart) {
			end++
		}
		run := m
		run.Parts = parts[start:end:end]
		if len(run.Parts) > 0 && run.Parts[0].Kind == canon.ToolResultPart {
			run.Role = canon.ToolRole
		}
		ms = append(ms, run)
		m.Extra = nil
		if start = end; start >= len(parts) {
			return ms
		}
	}
}

// system reads the instruction of the system, which Google also takes as a
// mere string.
func (r *reader) system(m *canon.Message) {
	m.Role = canon.System
	r.push("systemInstruction", -1)
	defer r.pop()
	if r.s.Peek() == '"' {
		var t canon.Text
		r.text(&t)
		m.Parts = []canon.Part{{Kind: canon.TextPart, Text: t}}
		return
	}
	outer := r.parts
	r.parts = nil
	r.content(m)
	m.Parts, r.parts = r.parts, outer
	if r.bad == nil {
		r.report(m.Extra)
	}
}

// Fields of generationConfig that are written as they were read.
var configNumbers = []struct {
	name string
	at   func(*canon.Request) *canon.Raw
}{
	{"temperature", func(q *canon.Request) *canon.Raw { return &q.Temperature }},
	{"topP", func(q *canon.Request) *canon.Raw { return &q.TopP }},
	{"topK", func(q *canon.Request) *canon.Raw { return &q.TopK }},
	{"maxOutputTokens", func(q *canon.Request) *canon.Raw { return &q.MaxTokens }},
	{"candidateCount", func(q *canon.Request) *canon.Raw { return &q.N }},
	{"seed", func(q *canon.Request) *canon.Raw { return &q.Seed }},
	{"presencePenalty", func(q *canon.Request) *canon.Raw { return &q.PresencePenalty }},
	{"frequencyPenalty", func(q *canon.Request) *canon.Raw { return &q.FrequencyPenalty }},
	{"logprobs", func(q *canon.Request) *canon.Raw { return &q.TopLogProbs }},
}

// The other fields of generationConfig follow the numbers.
const (
	configStop = 9 + iota
	configMime
	configSchema
	configJSONSchema
	configThinking
	configLogProbs
)

var configNames = func() []string {
	var names []string
	for _, n := range configNumbers {
		names = append(names, n.name)
	}
	return append(names, "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig", "responseLogprobs")
}()

// format is what generationConfig says about the form of the answer.
type format struct{ mime, schema, jsonSchema []byte }

func (r *reader) config(req *canon.Request) {
	r.push("generationConfig", -1)
	defer r.pop()
	var f format
	for o := r.object(); r.next(&o, configNames); {
		switch {
		case o.field >= 0 && o.field < len(configNumbers):
			r.number(configNumbers[o.field].at(req))
		case o.field == configStop:
			r.texts(&req.Stop)
		case o.field == configMime:
			r.text((*canon.Text)(&f.mime))
		case o.field == configSchema || o.field == configJSONSchema:
			if r.null() {
				continue
			}
			v := r.value()
			if o.field == configSchema {
				f.schema = v
			} else {
				f.jsonSchema = v
			}
		case o.field == configThinking:
			r.thinking(&req.Reasoning)
		case o.field == configLogProbs:
			r.flag(&req.LogProbs)
		default:
			r.keep(o.key)
		}
	}
	if r.bad == nil {
		r.format(req, &f)
	}
}

func (r *reader) format(req *canon.Request, f *format) {
	schema := canon.Raw(f.jsonSchema)
	if schema == nil && f.schema != nil {
		schema = jsonSchema(f.schema)
	}
	mime := canon.Text(f.mime)
	switch {
	case mime != nil && !mime.Is("application/json") && !mime.Is("text/plain"):
		// An enum, or what is to come: nothing else has it.
		for _, x := range []canon.Field{{Name: "responseMimeType", Value: f.mime}, {Name: "responseSchema", Value: f.schema}, {Name: "responseJsonSchema", Value: f.jsonSchema}} {
			if x.Value != nil {
				*r.extra = append(*r.extra, canon.Field{Name: r.at(x.Name), Value: x.Value})
			}
		}
	case schema != nil:
		req.Format = canon.Format{Kind: canon.FormatSchema, Schema: schema}
	case mime.Is("application/json"):
		req.Format.Kind = canon.FormatJSON
	case mime.Is("text/plain"):
		req.Format.Kind = canon.FormatText
	}
}

var thinkingNames = []string{"thinkingBudget", "thinkingLevel", "includeThoughts"}

func (r *reader) thinking(t *canon.Reasoning) {
	r.push("thinkingConfig", -1)
	defer r.pop()
	for o := r.object(); r.next(&o, thinkingNames); {
		switch o.field {
		case 0:
			var n canon.Raw
			if r.number(&n); n != nil {
				r.budget(t, n)
			}
		case 1:
			var level canon.Text
			if r.text(&level); !level.Empty() {
				t.Effort = strings.TrimPrefix(strings.ToLower(level.String()), "thinking_level_")
				if t.Effort == "unspecified" {
					t.Effort = ""
				} else if t.Mode == canon.ReasoningUnset {
					t.Mode = canon.ReasoningOn
				}
			}
		case 2:
			r.flag(&t.Show)
		default:
			r.keep(o.key)
		}
	}
	if t.Show == canon.Yes && t.Mode == canon.ReasoningUnset && t.Effort == "" && t.Budget == 0 {
		// Who wants to see thoughts wants some: Gemini's models have them
		// unasked, others must be told.
		t.Mode = canon.ReasoningOn
	}
}

func (r *reader) budget(t *canon.Reasoning, n canon.Raw) {
	v, err := strconv.ParseInt(string(n), 10, 64)
	switch {
	case err != nil:
		r.wrong("a whole number")
	case v == 0:
		t.Mode = canon.ReasoningOff
	case v < 0:
		t.Mode = canon.ReasoningAdaptive
	default:
		t.Mode, t.Budget = canon.ReasoningOn, v
	}
}

var toolConfigNames = []string{"functionCallingConfig"}
var callingNames = []string{"mode", "allowedFunctionNames"}

func (r *reader) toolConfig(req *canon.Request) {
	r.push("toolConfig", -1)
	defer r.pop()
	for o := r.object(); r.next(&o, toolConfigNames); {
		if o.field < 0 {
			r.keep(o.key)
			continue
		}
		r.calling(req)
	}
}

func (r *reader) calling(req *canon.Request) {
	r.push("functionCallingConfig", -1)
	defer r.pop()
	var mode canon.Text
	c := &req.Choice
	for o := r.object(); r.next(&o, callingNames); {
		switch o.field {
		case 0:
			r.text(&mode)
		case 1:
			r.texts(&c.Allowed)
		default:
			r.keep(o.key)
		}
	}
	if r.bad != nil {
		return
	}
	switch {
	case mode.Is("NONE"):
		c.Mode = canon.ChoiceNone
	case mode.Is("ANY") && len(c.Allowed) == 1:
		c.Mode, c.Name, c.Allowed = canon.ChoiceOne, c.Allowed[0], nil
	case mode.Is("ANY"):
		c.Mode = canon.ChoiceAny
	case mode.Is("AUTO"):
		c.Mode = canon.ChoiceAuto
	case mode.Is("VALIDATED"):
		// Others have it as strict tools; who reads this again finds the word.
		c.Mode = canon.ChoiceAuto
		*r.extra = append(*r.extra, canon.Field{Name: r.at("mode"), Value: canon.Raw(mode)})
	}
}

// scanner is one more walk over a piece of the body.
func scanner(b []byte) (s jsonscan.Scanner) {
	s.Reset(b)
	return s
}
