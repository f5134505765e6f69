package cohere

import (
	"slices"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// maxLosses bounds the losses that are named.
const maxLosses = 256

// requestWriter writes a request for the API.
type requestWriter struct {
	b    []byte
	req  *canon.Request
	lost *canon.Losses
	// documents are those of all messages: the API has them beside the
	// conversation.
	documents []canon.Part
}

func (w *requestWriter) lose(name string) {
	if len(*w.lost) < maxLosses {
		w.lost.Add(name)
	}
}

// AppendRequest writes the request for a provider.
func (Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	if f := req.Unsupported(canon.Cohere); f != nil {
		return b, f
	}
	w := &requestWriter{req: req, lost: lost}
	w.b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
	if req.Stream {
		w.b = append(w.b, `,"stream":true`...)
	}
	w.messages()
	w.documentList()
	w.tools()
	w.settings(to)
	w.thinking()
	w.format()
	w.extras()
	return append(w.b, '}'), nil
}

// field writes a member when there is a value.
func (w *requestWriter) field(name string, v []byte) {
	if len(v) > 0 {
		w.b = append(append(append(w.b, ',', '"'), name...), '"', ':')
		w.b = append(w.b, v...)
	}
}

func (w *requestWriter) settings(to *canon.Target) {
	q := w.req
	bound := q.MaxTokens
	if bound == nil && to.MaxTokens > 0 {
		bound = strconv.AppendInt(nil, to.MaxTokens, 10)
	}
	w.field("max_tokens", bound)
	w.field("temperature", q.Temperature)
	w.field("p", q.TopP)
	w.field("k", q.TopK)
	w.field("frequency_penalty", q.FrequencyPenalty)
	w.field("presence_penalty", q.PresencePenalty)
	w.field("seed", q.Seed)
	if len(q.Stop) > 0 {
		w.b = append(w.b, `,"stop_sequences":[`...)
		for i, t := range q.Stop {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, t...)
		}
		w.b = append(w.b, ']')
	}
	if q.N != nil && string(q.N) != "1" {
		w.lose("n")
	}
	if q.LogProbs == canon.Yes {
		// The API's own have the ids of tokens in place of their texts.
		w.lose("logprobs")
	}
	if q.TopLogProbs != nil {
		w.lose("top_logprobs")
	}
	if !q.User.Empty() {
		w.lose("user")
	}
	if !q.ServiceTier.Empty() && !q.ServiceTier.Is("auto") {
		w.lose("service_tier")
	}
	if q.Cache.Set {
		w.lose("cache_control")
	}
}

// thinking says whether the model shall think first, and how much.
func (w *requestWriter) thinking() {
	r := &w.req.Reasoning
	switch {
	case r.Mode == canon.ReasoningOff:
		w.b = append(w.b, `,"thinking":{"type":"disabled"}`...)
	case r.Mode == canon.ReasoningUnset && r.Effort == "" && r.Budget == 0:
	default:
		budget := r.Budget
		if budget == 0 {
			budget = canon.BudgetOf(r.Effort)
		}
		w.b = append(w.b, `,"thinking":{"type":"enabled"`...)
		if budget > 0 {
			w.b = strconv.AppendInt(append(w.b, `,"token_budget":`...), budget, 10)
		}
		w.b = append(w.b, '}')
	}
}

func (w *requestWriter) format() {
	f := &w.req.Format
	switch f.Kind {
	case canon.FormatJSON:
		w.b = append(w.b, `,"response_format":{"type":"json_object"}`...)
	case canon.FormatSchema:
		w.b = append(w.b, `,"response_format":{"type":"json_object"`...)
		w.field("json_schema", f.Schema)
		w.b = append(w.b, '}')
		if !f.Description.Empty() {
			w.lose("response_format.description")
		}
	}
}

// ownFields are those of the API that callers of chat completions can write
// beside theirs.
var ownFields = []string{"documents", "citation_options", "safety_mode", "strict_tools", "priority"}

func (w *requestWriter) extras() {
	for _, e := range w.req.Extra {
		if w.req.From == canon.OpenAIChat && slices.Contains(ownFields, e.Name) && !(e.Name == "documents" && len(w.documents) > 0) {
			w.field(e.Name, e.Value)
			continue
		}
		w.lose(e.Name)
	}
}

// tools writes the tools that may be called, and whether one must be. The API
// cannot name one: where the caller did, it is the only one that is told.
func (w *requestWriter) tools() {
	c := &w.req.Choice
	n := 0
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if t.Raw != nil {
			w.lose("tools[" + strconv.Itoa(i) + "]")
			continue
		}
		if c.Mode == canon.ChoiceOne && !t.Name.Is(c.Name.String()) || len(c.Allowed) > 0 && !canon.IsNamed(c.Allowed, t.Name) {
			continue
		}
		if n++; n == 1 {
			w.b = append(w.b, `,"tools":[`...)
		} else {
			w.b = append(w.b, ',')
		}
		w.tool(t)
	}
	if n == 0 {
		return
	}
	w.b = append(w.b, ']')
	switch c.Mode {
	case canon.ChoiceNone:
		w.b = append(w.b, `,"tool_choice":"NONE"`...)
	case canon.ChoiceAny, canon.ChoiceOne:
		w.b = append(w.b, `,"tool_choice":"REQUIRED"`...)
	}
	if w.req.Parallel == canon.No {
		w.lose("parallel_tool_calls")
	}
}

func (w *requestWriter) tool(t *canon.Tool) {
	w.b = append(append(w.b, `{"type":"function","function":{"name":`...), t.Name...)
	w.field("description", t.Description)
	schema := t.Schema
	if len(schema) == 0 {
		schema = canon.Raw(`{"type":"object","properties":{}}`)
	}
	w.field("parameters", schema)
	w.b = append(w.b, "}}"...)
	if t.Strict == canon.Yes {
		w.lose("tools.strict")
	}
	if t.Cache.Set {
		w.lose("cache_control")
	}
}
