package bedrock

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// ReadRequest refuses: no caller speaks this dialect, because its SDKs sign
// what they send with keys that only the provider knows.
func (Format) ReadRequest([]byte, *canon.Request) *fault.Fault {
	return fault.New(fault.UnsupportedField, "Callers cannot use this dialect; use one of those that the gateway serves.", nil)
}

// writer writes a request for a provider.
type writer struct {
	b      []byte
	req    *canon.Request
	to     *canon.Target
	lost   *canon.Losses
	model  string
	family family
	think  anthropic.Thinking
	// hasTools says that the model gets tools, usedTools that the conversation
	// holds calls or results of some.
	hasTools, usedTools bool
	sampling            anthropic.Sampling
	// role is that of the last message that was written.
	role string
	// marked says that the last block that was written has a mark for the cache.
	marked bool
	// names are those of documents, which must differ.
	names map[string]int
	// passed are the caller's fields that were written as they were.
	passed []string
}

// AppendRequest writes the request for a provider. The model and whether to
// stream are said in its path.
func (Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	w := newWriter(b, req, to, lost)
	w.str("{")
	w.conversation()
	w.inference()
	w.outputConfig()
	w.toolConfig()
	w.additional()
	w.rest()
	w.str("}")
	return w.b, nil
}

func newWriter(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) *writer {
	w := &writer{b: b, req: req, to: to, lost: lost}
	if w.model = to.Model; w.model == "" {
		w.model = req.Model.String()
	}
	w.family = familyOf(w.model)
	if w.family == claude {
		w.think = anthropic.ThinkingOf(req, to, lost)
	}
	return w
}

func (w *writer) str(s string) { w.b = append(w.b, s...) }

// lose notes what cannot be expressed.
func (w *writer) lose(name string) {
	if len(*w.lost) < maxReported {
		w.lost.Add(name)
	}
}

// field writes a member of the object that is open, if it has a value.
func field[T ~[]byte](w *writer, name string, value T) {
	if value != nil {
		w.b = append(append(comma(w.b), name...), value...)
	}
}

// open starts an object or array that close takes away again if it stayed
// empty.
func (w *writer) open(start string) (from, inside int) {
	from = len(w.b)
	w.b = append(comma(w.b), start...)
	return from, len(w.b)
}

func (w *writer) close(from, inside int, end string) bool {
	if len(w.b) == inside {
		w.b = w.b[:from]
		return false
	}
	w.str(end)
	return true
}

// inference writes how to choose tokens, in what all models take.
func (w *writer) inference() {
	req := w.req
	from, inside := w.open(`"inferenceConfig":{`)
	switch {
	case w.think.MaxTokens > 0:
		w.b = appendCount(comma(w.b), `"maxTokens":`, w.think.MaxTokens)
	case req.MaxTokens != nil:
		field(w, `"maxTokens":`, req.MaxTokens)
	case w.to.MaxTokens > 0:
		w.b = appendCount(comma(w.b), `"maxTokens":`, w.to.MaxTokens)
	}
	w.sampling = w.sampled()
	field(w, `"temperature":`, w.sampling.Temperature)
	field(w, `"topP":`, w.sampling.TopP)
	if len(req.Stop) > 0 {
		w.b = append(comma(w.b), `"stopSequences":[`...)
		for _, t := range req.Stop {
			w.b = append(comma(w.b), t...)
		}
		w.str("]")
	}
	w.close(from, inside, "}")
	req.Unsampled(w.lose)
}

// sampled is how the model shall choose tokens, as far as it can.
func (w *writer) sampled() anthropic.Sampling {
	req := w.req
	if w.family == claude && req.From != canon.Anthropic {
		return anthropic.SamplingOf(req, w.model, w.think.Thinks, w.lose)
	}
	s := anthropic.Sampling{Temperature: req.Temperature, TopP: req.TopP, TopK: req.TopK}
	if canon.Above(s.Temperature, 1) {
		s.Temperature = canon.Raw("1")
		w.lose("temperature")
	}
	return s
}

// freeJSON says that the answer shall be JSON of any shape. The API's schemas
// must name all members of each object, so that the model is told in words.
func (w *writer) freeJSON() bool {
	f := &w.req.Format
	return f.Kind == canon.FormatJSON || f.Kind == canon.FormatSchema && f.Schema == nil
}

// outputConfig writes what the text must be. The API takes the schema as a
// string, and of closed objects only.
func (w *writer) outputConfig() {
	f := &w.req.Format
	if f.Kind != canon.FormatSchema || w.freeJSON() {
		return
	}
	w.b = append(comma(w.b), `"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...)
	w.b = canon.AppendQuoted(w.b, string(anthropic.ClosedSchema(f.Schema)))
	if !f.Name.Empty() {
		field(w, `"name":`, f.Name)
	}
	if !f.Description.Empty() {
		field(w, `"description":`, f.Description)
	}
	w.str("}}}}")
}

// placeholder is the tool that is named where the API demands one, because the
// conversation holds calls, and the caller offers none.
const placeholder = `{"toolSpec":{"name":"no_tool_available","description":"Not available. Do not call it.","inputSchema":{"json":{"type":"object","properties":{}}}}}`

// toolConfig writes the tools. The API cannot be told to call none: then none
// are offered.
func (w *writer) toolConfig() {
	c := &w.req.Choice
	from, inside := w.open(`"toolConfig":{"tools":[`)
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		switch {
		case c.Mode == canon.ChoiceNone:
		case t.Raw != nil && t.From == canon.Bedrock:
			w.b = append(comma(w.b), t.Raw...)
		case t.Raw != nil:
			w.lose("tools[" + strconv.Itoa(i) + "]")
		case w.allowed(t.Name):
			w.tool(t, i)
		}
	}
	if w.hasTools = len(w.b) > inside; !w.hasTools && w.usedTools {
		w.str(placeholder)
	}
	if w.close(from, inside, "]") {
		w.toolChoice()
		w.str("}")
	} else if c.Mode == canon.ChoiceAny || c.Mode == canon.ChoiceOne {
		w.lose("tool_choice")
	}
}

// allowed says whether the choice leaves the tool in.
func (w *writer) allowed(name canon.Text) bool {
	if len(w.req.Choice.Allowed) == 0 {
		return true
	}
	for _, a := range w.req.Choice.Allowed {
		if bytes.Equal(a, name) {
			return true
		}
	}
	return false
}

func (w *writer) tool(t *canon.Tool, i int) {
	w.b = append(comma(w.b), `{"toolSpec":{"name":`...)
	w.b = appendText(w.b, t.Name)
	if !t.Description.Empty() {
		field(w, `"description":`, t.Description)
	}
	w.str(`,"inputSchema":{"json":`)
	switch {
	case t.Custom:
		w.str(`{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`)
		if t.Grammar != nil {
			w.lose("tools[" + strconv.Itoa(i) + "].format")
		}
	case len(t.Schema) == 0 || t.Schema[0] != '{':
		w.str(`{"type":"object","properties":{}}`)
	case hasType(t.Schema):
		w.b = append(w.b, t.Schema...)
	default:
		w.str(`{"type":"object"`)
		if rest := bytes.TrimSpace(t.Schema[1:]); rest[0] != '}' {
			w.str(",")
		}
		w.b = append(w.b, t.Schema[1:]...)
	}
	w.str("}")
	switch {
	case t.Strict != canon.Yes:
	case w.family == gptOSS, w.family == claude && anthropic.StrictTools(w.model):
		w.str(`,"strict":true`)
	default:
		w.lose("tools[" + strconv.Itoa(i) + "].strict")
	}
	w.str("}}")
	if w.family == claude {
		w.cachePoint(t.Cache)
	} else if t.Cache.Set {
		w.lose("tools[" + strconv.Itoa(i) + "].cache_control")
	}
}

// hasType says whether a schema names its type, which the API demands.
func hasType(schema canon.Raw) bool {
	found := false
	var s scanner
	s.Reset(schema)
	s.object(func(name []byte) bool {
		found = found || string(name) == "type"
		return s.Skip()
	})
	return found
}

// parallelForbidden says that the model must be told in its maker's words not
// to call several tools at once.
func (w *writer) parallelForbidden() bool {
	return w.family == claude && w.hasTools && w.req.Parallel == canon.No
}

func (w *writer) toolChoice() {
	c := &w.req.Choice
	if !w.hasTools {
		if c.Mode == canon.ChoiceAny || c.Mode == canon.ChoiceOne {
			w.lose("tool_choice")
		}
		return
	}
	if w.parallelForbidden() {
		return // said together with the choice: see additional
	}
	if w.req.Parallel == canon.No {
		w.lose("parallel_tool_calls")
	}
	switch c.Mode {
	case canon.ChoiceAny:
		w.str(`,"toolChoice":{"any":{}}`)
	case canon.ChoiceOne:
		w.str(`,"toolChoice":{"tool":{"name":`)
		w.b = appendText(w.b, c.Name)
		w.str("}}")
	}
}

// cachePoint writes a mark, which is an element of its own behind what it
// marks. Five minutes are the default, and not all models know the field.
func (w *writer) cachePoint(c canon.CacheMark) {
	if !c.Set {
		return
	}
	w.b = append(comma(w.b), `{"cachePoint":{"type":"default"`...)
	if c.TTL != nil && !c.TTL.Is("5m") {
		field(w, `"ttl":`, c.TTL)
	}
	w.str("}}")
}
