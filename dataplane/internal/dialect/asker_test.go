package dialect_test

import (
	"fmt"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// asker makes up requests: each byte of its input is a decision, and when they
// are used up all decisions are the first. Each text is one that no other
// equals and ends with ¶, so that it is found again wherever it was joined to.
type asker struct {
	input []byte
	n     int
	as    canon.Dialect
	calls int
	// model is the one whose turns stand in the conversation.
	model canon.Dialect
}

func (m *asker) pick(n int) int {
	if len(m.input) == 0 {
		return 0
	}
	c := m.input[0]
	m.input = m.input[1:]
	return int(c) % n
}

func (m *asker) now() bool { return m.pick(3) == 2 }

func (m *asker) one(of ...string) canon.Text { return canon.Quote(of[m.pick(len(of))]) }

func (m *asker) text() canon.Text {
	m.n++
	return canon.Quote([]string{"word ", "two words ", "line\nline ", `"\ `, "naïve 🙂 ", "</x>\t", `{"a": `}[m.pick(7)] + fmt.Sprint(m.n) + "¶")
}

// raw gives one of the values, or none.
func (m *asker) raw(of ...string) canon.Raw {
	if !m.now() {
		return nil
	}
	return canon.Raw(of[m.pick(len(of))])
}

func (m *asker) flag() canon.Flag {
	return []canon.Flag{canon.Unset, canon.Unset, canon.Yes, canon.No}[m.pick(4)]
}

func (m *asker) mark() canon.CacheMark {
	switch m.pick(12) {
	case 10:
		return canon.CacheMark{Set: true}
	case 11:
		return canon.CacheMark{Set: true, TTL: canon.Quote("1h")}
	}
	return canon.CacheMark{}
}

func (m *asker) data(start string) canon.Text {
	m.n++
	return canon.Quote(fmt.Sprintf("%s%04d", start, m.n))
}

func (m *asker) link(end string) canon.Text {
	m.n++
	return canon.Quote(fmt.Sprintf("https://example.com/%d%s", m.n, end))
}

// media makes an image, a document, audio or video.
func (m *asker) media() canon.Part {
	p := canon.Part{Kind: canon.ImagePart, Cache: m.mark()}
	switch m.pick(8) {
	case 0, 1:
		p.Media = canon.Media{Type: canon.Quote("image/png"), Data: m.data("iVBORw0K")}
		if p.Media.Detail = canon.Text(m.raw(`"low"`, `"high"`, `"auto"`)); m.as == canon.Gemini {
			p.Media.Name = canon.Text(m.raw(`"photo.png"`))
		}
	case 2:
		p.Media = canon.Media{URL: m.link(".png"), Detail: canon.Text(m.raw(`"low"`, `"high"`, `"auto"`))}
	case 3:
		p.Kind, p.Media = canon.DocumentPart, canon.Media{Type: canon.Quote("application/pdf"), Data: m.data("JVBERi0x"), Name: canon.Text(m.raw(`"report-7.pdf"`))}
	case 4:
		p.Kind, p.Media = canon.DocumentPart, canon.Media{URL: m.link(".pdf"), Type: canon.Quote("application/pdf")}
		if m.as == canon.Anthropic {
			p.Media.Type = nil
		}
	case 5:
		p.Kind = canon.DocumentPart
		if p.Text = m.text(); m.as != canon.Anthropic {
			p.Text, p.Media = nil, canon.Media{Type: canon.Quote("text/plain"), Data: canon.Quote("bm90ZXPCtg=="), Name: canon.Quote("notes.txt")}
		}
	case 6:
		p.Kind, p.Media = canon.AudioPart, canon.Media{Type: canon.Quote("audio/wav"), Data: m.data("UklGRmRz")}
	case 7:
		if p.Media.FileID = m.data("file-"); m.now() {
			p.Kind, p.Media = canon.VideoPart, canon.Media{Type: canon.Quote("video/mp4"), Data: m.data("AAAAIGZ0")}
		}
	}
	return p
}

func (m *asker) said() canon.Part {
	return canon.Part{Kind: canon.TextPart, Text: m.text(), Cache: m.mark()}
}

// thought makes what the model thought before. Each provider signs in its own
// way, or not at all.
func (m *asker) thought() canon.Part {
	p := canon.Part{Kind: canon.ReasoningPart, Text: m.text(), From: m.model}
	switch m.pick(4) {
	case 0, 1:
		if p.Signature = m.data("c2lnbmF0"); m.model == canon.Responses {
			p.Signature = m.data("gAAAAAB0")
		}
	case 2:
		if m.model == canon.Anthropic || m.model == canon.Responses {
			p.Text, p.Redacted = nil, m.data("cmVkYWN0")
		}
	}
	if m.model != m.as {
		m.carried(&p)
	}
	return p
}

// carried makes of another provider's thought what callers were given of it.
func (m *asker) carried(p *canon.Part) {
	sign := func(form string, kind byte) canon.Text {
		switch m.as {
		case canon.Anthropic:
			return canon.Quote("tollgate/" + string(m.model) + "//" + form)
		case canon.Responses:
			return canon.Quote("tollgate:" + string(m.model) + ":" + string(kind) + ":" + form)
		}
		return canon.Quote(form)
	}
	if m.as == canon.OpenAIChat || m.as == canon.Gemini {
		return
	}
	p.From = m.as
	if p.Signature != nil {
		p.Signature = sign(p.Signature.String(), 's')
	}
	if p.Redacted != nil {
		p.Redacted = sign(p.Redacted.String(), 'r')
	}
}

var madeUpCalls = []string{`{}`, `{"a":1}`, `{"city":"Zürich \"old\"","n":[1,2.5e3,null]}`, ` { "a" : { "b" : [ ] } } `, `{"a":`, `[1]`, ``}

func (m *asker) call(tools []canon.Tool) canon.Part {
	m.calls++
	p := canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote(fmt.Sprintf("call_%d", m.calls)), Name: canon.Quote("gone"), Cache: m.mark()}
	if m.pick(6) == 5 {
		p.ID = canon.Quote(fmt.Sprintf("functions.f:%d", m.calls))
	}
	for i, at := 0, m.pick(4); i < len(tools) && i <= at; i++ {
		if tools[i].Raw == nil {
			p.Name, p.Custom = tools[i].Name, tools[i].Custom
		}
	}
	switch args := madeUpCalls[m.pick(len(madeUpCalls))]; {
	case p.Custom:
		p.Args = canon.Raw(m.text())
	case args != "":
		p.Args = canon.Raw(args)
	}
	if m.model == canon.Gemini && m.now() {
		p.Signature, p.From = m.data("c2lnbmF0"), canon.Gemini
		if m.pick(4) == 3 {
			p.Signature = canon.Text(`""`)
		}
	}
	return p
}

// result makes what a tool gave for a call.
func (m *asker) result(call *canon.Part) canon.Part {
	p := canon.Part{Kind: canon.ToolResultPart, ID: call.ID, Custom: call.Custom, Cache: m.mark()}
	if m.as == canon.Gemini {
		p.Name = call.Name
	}
	for range m.pick(4) {
		if c := m.said(); m.pick(5) < 4 {
			p.Content = append(p.Content, c)
		} else {
			p.Content = append(p.Content, m.media())
		}
	}
	if m.pick(5) == 4 {
		p.IsError = canon.Yes
	}
	return p
}

// conversation makes turns, the results of tools in any order.
func (m *asker) conversation(r *canon.Request) {
	add := func(role canon.Role, parts ...canon.Part) {
		r.Messages = append(r.Messages, canon.Message{Role: role, Parts: parts})
	}
	for range m.pick(3) {
		add(canon.System, m.said())
	}
	for range 1 + m.pick(4) {
		parts := []canon.Part{m.said()}
		for range m.pick(3) {
			if m.now() {
				parts = append(parts, m.media())
			} else {
				parts = append(parts, m.said())
			}
		}
		if add(canon.User, parts...); m.pick(8) == 7 {
			r.Messages[len(r.Messages)-1].Name = m.one("ann", "bob")
		}
		if m.pick(8) == 7 {
			add(canon.System, m.said())
		}
		if m.pick(8) == 7 {
			continue
		}
		m.turn(r.Tools, add)
	}
	if n := len(r.Messages); r.Messages[n-1].Role == canon.Assistant && m.pick(4) < 3 {
		add(canon.User, m.said())
	}
}

func (m *asker) turn(tools []canon.Tool, add func(canon.Role, ...canon.Part)) {
	var parts, results []canon.Part
	for range m.pick(3) {
		parts = append(parts, m.thought())
	}
	for range m.pick(3) {
		parts = append(parts, m.said())
	}
	for range m.pick(4) {
		call := m.call(tools)
		parts = append(parts, call)
		results = append(results, m.result(&call))
	}
	if len(parts) == 0 {
		parts = append(parts, canon.Part{Kind: canon.RefusalPart, Text: m.text()})
	}
	add(canon.Assistant, parts...)
	if m.now() {
		for i := len(results) - 1; i > 0; i-- {
			k := m.pick(i + 1)
			results[i], results[k] = results[k], results[i]
		}
	}
	for i, together := 0, m.now(); i < len(results); i++ {
		if together {
			add(canon.ToolRole, results...)
			return
		}
		add(canon.ToolRole, results[i])
	}
}

func (m *asker) tools(r *canon.Request) {
	for i := range m.pick(5) {
		t := canon.Tool{Name: canon.Quote([]string{"get_weather", "f", "a-b_c", "patch"}[i]), Cache: m.mark()}
		if m.now() {
			t.Description = m.text()
		}
		switch m.pick(5) {
		case 0, 1:
			t.Schema = canon.Raw(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`)
			t.Strict = m.flag()
		case 2:
			t.Schema = canon.Raw(`{"properties":{"q":{"$ref":"#/$defs/q"}},"$defs":{"q":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`)
		case 3:
			if t.Custom = m.as == canon.OpenAIChat || m.as == canon.Responses; t.Custom && m.now() {
				t.Grammar = canon.Raw(`{"syntax":"lark","definition":"start: /x/"}`)
			}
		}
		r.Tools = append(r.Tools, t)
	}
	if m.pick(8) == 7 {
		r.Tools = append(r.Tools, m.hosted()...)
	}
	if len(r.Tools) == 0 || r.Tools[0].Raw != nil {
		return
	}
	c := &r.Choice
	c.Mode = []canon.ChoiceMode{canon.ChoiceUnset, canon.ChoiceUnset, canon.ChoiceAuto, canon.ChoiceNone, canon.ChoiceAny, canon.ChoiceOne}[m.pick(6)]
	switch {
	case c.Mode == canon.ChoiceOne:
		c.Name = r.Tools[0].Name
	case c.Mode == canon.ChoiceUnset || c.Mode == canon.ChoiceNone || m.pick(3) < 2:
	default:
		for i := range r.Tools[:min(2, len(r.Tools))] {
			if r.Tools[i].Raw == nil {
				c.Allowed = append(c.Allowed, r.Tools[i].Name)
			}
		}
	}
	r.Parallel = m.flag()
}

// hosted is a tool that the provider runs.
func (m *asker) hosted() []canon.Tool {
	switch m.as {
	case canon.Anthropic:
		return []canon.Tool{{Name: canon.Quote("web_search_20250305"), Raw: canon.Raw(`{"type":"web_search_20250305","name":"web_search"}`), From: m.as}}
	case canon.Responses:
		return []canon.Tool{{Name: canon.Quote("web_search"), Raw: canon.Raw(`{"type":"web_search"}`), From: m.as}}
	case canon.Gemini:
		return []canon.Tool{{Name: canon.Quote("googleSearch"), Raw: canon.Raw(`{}`), From: m.as}}
	}
	return nil
}

func (m *asker) settings(r *canon.Request) {
	r.MaxTokens, r.Temperature, r.TopP = m.raw("100", "5000", "20000"), m.raw("0", "0.7", "1", "1.7"), m.raw("0.5", "0.97")
	r.TopK, r.Seed, r.N = m.raw("40"), m.raw("7"), m.raw("1", "2")
	r.FrequencyPenalty, r.PresencePenalty = m.raw("0", "0.5"), m.raw("0", "-0.25")
	for range m.pick(6) / 3 * m.pick(3) {
		r.Stop = append(r.Stop, m.text())
	}
	if m.pick(6) == 5 {
		r.LogProbs, r.TopLogProbs = canon.Yes, m.raw("3")
	}
	r.Stream = m.now()
	r.User, r.ServiceTier = canon.Text(m.raw(`"user-1"`)), canon.Text(m.raw(`"auto"`, `"default"`, `"flex"`, `"priority"`))
	if r.Cache = m.mark(); m.now() {
		r.Reasoning.Mode = []canon.ReasoningMode{canon.ReasoningOn, canon.ReasoningOff, canon.ReasoningAdaptive}[m.pick(3)]
	}
	if q := &r.Reasoning; q.Mode == canon.ReasoningOn || q.Mode == canon.ReasoningAdaptive {
		switch m.pick(3) {
		case 0:
			q.Effort = []string{"minimal", "low", "medium", "high", "xhigh", "max"}[m.pick(6)]
		case 1:
			if q.Mode == canon.ReasoningOn {
				q.Budget = []int64{1024, 3000, 9000, 30000}[m.pick(4)]
			}
		}
		q.Show = m.flag()
		q.Summary = canon.Text(m.raw(`"auto"`, `"detailed"`))
	}
	switch f := &r.Format; m.pick(8) {
	case 4:
		f.Kind = canon.FormatText
	case 5:
		f.Kind = canon.FormatJSON
	case 6, 7:
		f.Kind, f.Name = canon.FormatSchema, canon.Quote("person")
		f.Schema = canon.Raw(`{"type":"object","properties":{"who":{"type":"object","properties":{"n":{"type":"integer"}}}},"required":["who"]}`)
		if f.Strict = m.flag(); m.now() {
			f.Description = m.text()
		}
	}
}

// ownFields are fields that only their dialect has, with a value of their own.
var ownFields = map[canon.Dialect][]string{
	canon.OpenAIChat: {"logit_bias", "metadata", "verbosity", "prompt_cache_key", "safety_identifier", "store", "modalities"},
	canon.Responses:  {"truncation", "metadata", "text.verbosity", "prompt_cache_key", "max_tool_calls", "store"},
	canon.Anthropic:  {"container", "metadata.team", "context_management", "inference_geo"},
	canon.Gemini:     {"safetySettings", "labels", "generationConfig.speechConfig", "cachedContent"},
}

func (m *asker) request() *canon.Request {
	r := &canon.Request{From: m.as, Model: canon.Quote("asked"), IncludeUsage: true}
	m.tools(r)
	m.conversation(r)
	m.settings(r)
	for _, name := range ownFields[m.as] {
		if m.pick(8) == 7 {
			r.Extra = append(r.Extra, canon.Field{Name: name, Value: canon.Raw(fmt.Sprintf(`{"k":"%d¶"}`, m.n))})
			m.n++
		}
	}
	return r
}
