package openai

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// requestWriter writes a request for a provider.
type requestWriter struct {
	b    []byte
	req  *canon.Request
	q    *Quirks
	lost *canon.Losses
	// same says that the request came in this dialect.
	same bool
	// breakpoints says that the model knows prompt_cache_breakpoint, of which
	// marks may still be written.
	breakpoints bool
	marks       int
	// pending are images in results of tools, which go into a message of the
	// user after the results.
	pending []canon.Part
}

// maxMarks is how many cache marks OpenAI takes in a request.
const maxMarks = 4

// AppendRequest writes the request for a provider. It is one pass over the
// request; texts are copied as they are.
func (f Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	if bad := req.Unsupported(canon.OpenAIChat); bad != nil {
		return b, bad
	}
	w := &requestWriter{b: b, req: req, q: &f.Quirks, lost: lost, same: req.From == canon.OpenAIChat}
	w.breakpoints = knowsBreakpoints(to.Model)
	w.b = canon.AppendQuoted(append(w.b, `{"model":`...), to.Model)
	w.messages()
	w.tools()
	w.choice()
	w.bounds(to)
	w.sampling()
	w.reasoning()
	w.format()
	w.rest()
	w.extra()
	return append(w.b, '}'), nil
}

// knowsBreakpoints reports whether a model is GPT-5.6 or later.
func knowsBreakpoints(model string) bool {
	version, ok := strings.CutPrefix(model, "gpt-")
	if !ok {
		return false
	}
	version, _, _ = strings.Cut(version, "-")
	major, minor, _ := strings.Cut(version, ".")
	a, err := strconv.Atoi(major)
	c, _ := strconv.Atoi(minor)
	return err == nil && (a > 5 || a == 5 && c >= 6)
}

// field writes a top-level field that is there and that the provider knows.
func (w *requestWriter) field(name string, v []byte, unknown bool) {
	switch {
	case v == nil:
	case unknown:
		w.lost.Add(name)
	default:
		w.b = appendField(w.b, name, v)
	}
}

// penalty writes a penalty. None is what goes anyway.
func (w *requestWriter) penalty(name string, v canon.Raw) {
	if w.q.NoPenalties && string(v) == "0" {
		return
	}
	w.field(name, v, w.q.NoPenalties)
}

func appendField(b []byte, name string, v []byte) []byte {
	b = append(append(append(b, ',', '"'), name...), '"', ':')
	return append(b, v...)
}

func boolean(f canon.Flag) []byte {
	switch f {
	case canon.Yes:
		return []byte("true")
	case canon.No:
		return []byte("false")
	}
	return nil
}

func (w *requestWriter) bounds(to *canon.Target) {
	bound := w.req.MaxTokens
	if bound == nil && to.MaxTokens > 0 {
		bound = strconv.AppendInt(nil, to.MaxTokens, 10)
	}
	name := "max_completion_tokens"
	if w.q.MaxTokens {
		name = "max_tokens"
	}
	w.field(name, bound, false)
}

func (w *requestWriter) sampling() {
	r, q := w.req, w.q
	w.field("temperature", r.Temperature, false)
	w.field("top_p", r.TopP, false)
	w.field("top_k", r.TopK, !q.TopK)
	w.penalty("frequency_penalty", r.FrequencyPenalty)
	w.penalty("presence_penalty", r.PresencePenalty)
	seed := "seed"
	if q.RandomSeed {
		seed = "random_seed"
	}
	w.field(seed, r.Seed, q.NoSeed)
	w.field("n", r.N, q.NoN && string(r.N) != "1")
	w.field("logprobs", boolean(r.LogProbs), q.NoLogProbs)
	// Without the flag, the number is refused.
	w.field("top_logprobs", r.TopLogProbs, q.NoLogProbs || r.LogProbs != canon.Yes && !w.same)
	if len(r.Stop) > 0 {
		w.b = append(w.b, `,"stop":[`...)
		for i, t := range r.Stop {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, t...)
		}
		w.b = append(w.b, ']')
	}
}

func (w *requestWriter) rest() {
	r, q := w.req, w.q
	if len(r.Tools) > 0 || r.Parallel == canon.No {
		w.field("parallel_tool_calls", boolean(r.Parallel), q.NoParallel && r.Parallel == canon.No)
	}
	w.field("user", r.User, q.NoUser)
	w.tier()
	if r.Cache.Set {
		if q.CacheControl {
			w.b = append(w.b, `,"cache_control":`...)
			w.b = appendCacheControl(w.b, r.Cache)
		} else {
			w.lost.Add("cache_control")
		}
	}
	if !r.Stream {
		w.b = append(w.b, `,"stream":false`...)
		return
	}
	w.b = append(w.b, `,"stream":true`...)
	if q.NoStreamOptions {
		return
	}
	w.b = append(w.b, `,"stream_options":{"include_usage":`...)
	w.b = strconv.AppendBool(w.b, r.IncludeUsage)
	if w.same {
		for _, e := range r.Extra {
			if name, ok := strings.CutPrefix(e.Name, "stream_options."); ok {
				w.b = append(canon.AppendQuoted(append(w.b, ','), name), ':')
				w.b = append(w.b, e.Value...)
			}
		}
	}
	w.b = append(w.b, '}')
}

// tiers of other dialects in OpenAI's words.
var tiers = []struct{ theirs, ours string }{
	{"standard_only", "default"}, {"standard", "default"}, {"on_demand", "default"}, {"reserved", "scale"},
	{"auto", "auto"}, {"default", "default"}, {"flex", "flex"}, {"priority", "priority"}, {"scale", "scale"}, {"performance", "performance"},
}

func (w *requestWriter) tier() {
	t := w.req.ServiceTier
	if t == nil || w.same {
		w.field("service_tier", t, false)
		return
	}
	for _, x := range tiers {
		if t.Is(x.theirs) {
			w.b = append(append(append(w.b, `,"service_tier":"`...), x.ours...), '"')
			return
		}
	}
	w.lost.Add("service_tier")
}

// extra writes the fields that have no name in canon, if the caller spoke this
// dialect.
func (w *requestWriter) extra() {
	for _, e := range w.req.Extra {
		inner := strings.IndexAny(e.Name, ".[")
		switch {
		case !w.same:
			w.lost.Add(e.Name)
		case inner < 0:
			w.b = append(canon.AppendQuoted(append(w.b, ','), e.Name), ':')
			w.b = append(w.b, e.Value...)
		case e.Name[inner] == '.' && !strings.HasPrefix(e.Name, "stream_options."):
			w.lost.Add(e.Name)
		}
	}
}

// own writes the fields without a name that a message, part or tool came with.
func (w *requestWriter) own(fields []canon.Field) {
	if !w.same {
		return
	}
	for _, e := range fields {
		if strings.IndexByte(e.Name, '.') >= 0 {
			w.lost.Add(e.Name)
			continue
		}
		w.b = append(canon.AppendQuoted(append(w.b, ','), e.Name), ':')
		w.b = append(w.b, e.Value...)
	}
}

func appendCacheControl(b []byte, m canon.CacheMark) []byte {
	b = append(b, `{"type":"ephemeral"`...)
	if m.TTL != nil {
		b = append(append(b, `,"ttl":`...), m.TTL...)
	}
	return append(b, '}')
}

func (w *requestWriter) tools() {
	n := 0
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if t.Raw != nil && t.From != canon.OpenAIChat || t.Custom && w.q.NoCustomTools {
			w.lost.Add("tools." + t.Name.String())
			continue
		}
		if n++; n == 1 {
			w.b = append(w.b, `,"tools":[`...)
		} else {
			w.b = append(w.b, ',')
		}
		w.tool(t)
	}
	if n > 0 {
		w.b = append(w.b, ']')
	}
}

func (w *requestWriter) tool(t *canon.Tool) {
	switch {
	case t.Raw != nil:
		w.b = append(w.b, t.Raw...)
		return
	case t.Custom:
		w.b = append(append(w.b, `{"type":"custom","custom":{"name":`...), t.Name...)
		w.optional("description", t.Description)
		if t.Grammar != nil {
			w.b = append(append(w.b, `,"format":{"type":"grammar","grammar":`...), t.Grammar...)
			w.b = append(w.b, '}')
		}
	default:
		w.b = append(append(w.b, `{"type":"function","function":{"name":`...), t.Name...)
		w.optional("description", t.Description)
		w.optional("parameters", t.Schema)
		if t.Strict != canon.Unset {
			w.strict(t.Strict, "tools.strict")
		}
	}
	w.b = append(w.b, '}')
	if t.Cache.Set {
		if w.q.CacheControl {
			w.b = appendCacheControl(append(w.b, `,"cache_control":`...), t.Cache)
		} else {
			w.lost.Add("tools.cache_control")
		}
	}
	w.own(t.Extra)
	w.b = append(w.b, '}')
}

func (w *requestWriter) optional(name string, v []byte) {
	if v != nil {
		w.b = appendField(w.b, name, v)
	}
}

func (w *requestWriter) strict(f canon.Flag, path string) {
	switch {
	case !w.q.NoStrict:
		w.b = appendField(w.b, "strict", boolean(f))
	case f == canon.Yes:
		w.lost.Add(path)
	}
}

func (w *requestWriter) choice() {
	c := &w.req.Choice
	mode := ""
	switch c.Mode {
	case canon.ChoiceUnset:
		return
	case canon.ChoiceAuto:
		mode = "auto"
	case canon.ChoiceNone:
		mode = "none"
	case canon.ChoiceAny:
		mode = "required"
		if w.q.AnyAsRequired {
			mode = "any"
		}
	case canon.ChoiceOne:
		kind := "function"
		if w.isCustom(c.Name) {
			kind = "custom"
		}
		w.b = append(append(append(w.b, `,"tool_choice":{"type":"`...), kind...), `","`...)
		w.b = append(append(append(w.b, kind...), `":{"name":`...), c.Name...)
		w.b = append(w.b, "}}"...)
		return
	}
	if len(c.Allowed) == 0 || w.q.NoCustomTools {
		// Who lacks custom tools lacks lists of allowed ones as well.
		if len(c.Allowed) > 0 {
			w.lost.Add("tool_choice.allowed_tools")
		}
		w.b = append(append(append(w.b, `,"tool_choice":"`...), mode...), '"')
		return
	}
	w.b = append(append(append(w.b, `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"`...), mode...), `","tools":[`...)
	for i, name := range c.Allowed {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		kind := "function"
		if w.isCustom(name) {
			kind = "custom"
		}
		w.b = append(append(append(w.b, `{"type":"`...), kind...), `","`...)
		w.b = append(append(append(w.b, kind...), `":{"name":`...), name...)
		w.b = append(w.b, "}}"...)
	}
	w.b = append(w.b, "]}}"...)
}

func (w *requestWriter) isCustom(name canon.Text) bool {
	for i := range w.req.Tools {
		if t := &w.req.Tools[i]; t.Custom && bytes.Equal(t.Name, name) {
			return true
		}
	}
	return false
}

func (w *requestWriter) format() {
	f := &w.req.Format
	switch f.Kind {
	case canon.FormatText:
		w.b = append(w.b, `,"response_format":{"type":"text"}`...)
	case canon.FormatJSON:
		w.b = append(w.b, `,"response_format":{"type":"json_object"}`...)
	case canon.FormatSchema:
		if w.q.NoSchema {
			w.b = append(w.b, `,"response_format":{"type":"json_object"}`...)
			w.lost.Add("response_format.json_schema")
			return
		}
		name := f.Name
		if name == nil {
			name = canon.Text(`"structured_output"`)
		}
		w.b = append(append(w.b, `,"response_format":{"type":"json_schema","json_schema":{"name":`...), name...)
		w.optional("description", f.Description)
		w.optional("schema", f.Schema)
		if f.Strict != canon.Unset {
			w.strict(f.Strict, "response_format.json_schema.strict")
		}
		w.b = append(w.b, "}}"...)
	}
}
