package anthropic

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// writer writes a request for a provider.
type writer struct {
	b    []byte
	req  *canon.Request
	to   *canon.Target
	lost *canon.Losses
	// own says that the request was read from this dialect: it goes as it came,
	// and what is wrong with it is the provider's to say.
	own  bool
	plan plan
	// model is the one that is asked; onlySystem says that nobody but the system
	// speaks, and hasTools that the model gets tools.
	model                version
	onlySystem, hasTools bool
	// calls are those whose ids were made up and have no result yet.
	calls []madeCall
}

// AppendRequest writes the request for a provider.
func (Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	w := newWriter(b, req, to, lost)
	w.head()
	w.conversation()
	w.tools()
	w.toolChoice()
	w.thinking()
	w.outputConfig()
	w.sampling()
	w.rest()
	w.b = append(w.b, '}')
	return w.b, nil
}

func newWriter(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) *writer {
	w := &writer{b: b, req: req, to: to, lost: lost, own: req.From == canon.Anthropic}
	w.model = modelOf(to.Model)
	w.onlySystem = !w.own && onlySystem(req.Messages)
	w.plan = w.think()
	return w
}

func (w *writer) str(s string) { w.b = append(w.b, s...) }

// field writes a member with a comma in front, if it has a value.
func field[T ~[]byte](w *writer, name string, value T) {
	if value != nil {
		w.b = append(append(w.b, name...), value...)
	}
}

// lose notes what cannot be expressed.
func (w *writer) lose(name string) {
	if len(*w.lost) < maxReported {
		w.lost.Add(name)
	}
}

func (w *writer) head() {
	w.str(`{"model":`)
	w.modelName()
	if w.plan.maxTokens > 0 {
		w.b = appendCount(w.b, `,"max_tokens":`, w.plan.maxTokens)
	} else {
		field(w, `,"max_tokens":`, w.req.MaxTokens)
	}
}

func (w *writer) modelName() {
	if w.to.Model != "" {
		w.b = canon.AppendQuoted(w.b, w.to.Model)
	} else {
		w.b = appendText(w.b, w.req.Model)
	}
}

// sampling writes how to choose tokens.
func (w *writer) sampling() {
	s := Sampling{w.req.Temperature, w.req.TopP, w.req.TopK}
	if !w.own {
		s = SamplingOf(w.req, w.to.Model, w.plan.thinks(), w.lose)
	}
	field(w, `,"temperature":`, s.Temperature)
	field(w, `,"top_p":`, s.TopP)
	field(w, `,"top_k":`, s.TopK)
	w.req.Unsampled(w.lose)
}

// tiers pairs other dialects' service tiers with the API's.
var tiers = [...]struct{ theirs, ours string }{
	{"auto", "auto"}, {"default", "standard_only"}, {"standard", "standard_only"}, {"standard_only", "standard_only"},
	{"priority", "auto"},
}

func (w *writer) rest() {
	req := w.req
	if len(req.Stop) > 0 {
		w.str(`,"stop_sequences":[`)
		for _, t := range req.Stop {
			w.b = append(comma(w.b), t...)
		}
		w.str("]")
	}
	w.metadata()
	w.serviceTier()
	if req.Cache.Set && !w.hasExtra("cache_control") {
		w.b = appendCache(append(w.b, ','), req.Cache)
	}
	if req.Stream {
		w.str(`,"stream":true`)
	}
	for _, f := range req.Extra {
		switch {
		case !w.own:
			w.lose(f.Name)
		case !nested(f.Name):
			w.b = appendField(w.b, f)
		}
	}
}

// objects of the request whose members are kept by name.
var objects = [...]string{"metadata.", "output_config.", "tool_choice.", "thinking."}

// nested says whether a field stands inside of another that is written with it.
func nested(name string) bool {
	for _, o := range objects {
		if strings.HasPrefix(name, o) {
			return true
		}
	}
	for _, list := range [...]string{"messages[", "tools[", "system["} {
		if strings.HasPrefix(name, list) {
			return true
		}
	}
	return false
}

func (w *writer) hasExtra(name string) bool {
	for i := range w.req.Extra {
		if w.own && w.req.Extra[i].Name == name {
			return true
		}
	}
	return false
}

// members writes what else the caller put into the object.
func (w *writer) members(object string) {
	for _, f := range w.req.Extra {
		if name, found := strings.CutPrefix(f.Name, object); found && w.own {
			w.b = canon.AppendQuoted(comma(w.b), name)
			w.b = append(append(w.b, ':'), f.Value...)
		}
	}
}

// open starts an object that close takes away again if it stayed empty.
func (w *writer) open(start string) (from, inside int) {
	from = len(w.b)
	w.str(start)
	return from, len(w.b)
}

func (w *writer) close(from, inside int) {
	if len(w.b) == inside {
		w.b = w.b[:from]
		return
	}
	w.str("}")
}

func (w *writer) metadata() {
	from, inside := w.open(`,"metadata":{`)
	field(w, `"user_id":`, w.req.User)
	w.members("metadata.")
	w.close(from, inside)
}

func (w *writer) serviceTier() {
	tier := w.req.ServiceTier
	if tier == nil {
		return
	}
	if w.own {
		field(w, `,"service_tier":`, tier)
		return
	}
	for _, t := range tiers {
		if tier.Is(t.theirs) {
			w.b = canon.AppendQuoted(append(w.b, `,"service_tier":`...), t.ours)
			return
		}
	}
	w.lose("service_tier")
}

func appendCache(b []byte, c canon.CacheMark) []byte {
	b = append(b, `"cache_control":{"type":"ephemeral"`...)
	if c.TTL != nil {
		b = append(append(b, `,"ttl":`...), c.TTL...)
	}
	return append(b, '}')
}

// cache writes a part's or tool's mark, unless that stands in its extra fields.
func (w *writer) cache(c canon.CacheMark, extra []canon.Field) {
	if !c.Set {
		return
	}
	for i := range extra {
		if w.own && extra[i].Name == "cache_control" {
			return
		}
	}
	w.b = appendCache(append(w.b, ','), c)
}

// extra writes fields that the caller's own dialect has and canon has not.
func (w *writer) extra(fields []canon.Field) {
	if !w.own {
		return
	}
	for _, f := range fields {
		w.b = appendField(w.b, f)
	}
}

func (w *writer) tools() {
	from := len(w.b)
	w.str(`,"tools":[`)
	inside := len(w.b)
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		switch {
		case t.Raw != nil && t.From != canon.Anthropic:
			w.lose("tools[" + strconv.Itoa(i) + "]")
		case t.Raw != nil:
			w.b = append(comma(w.b), t.Raw...)
		case w.allowed(t.Name):
			w.b = comma(w.b)
			w.tool(t, i)
		}
	}
	if w.hasTools = len(w.b) > inside; !w.hasTools {
		w.b = w.b[:from]
		return
	}
	w.str("]")
}

// allowed says whether the choice leaves the tool in. Those that it does not
// are left out: the API has no other way to say it.
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

// customSchema is that of a tool that takes free text.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`

func (w *writer) tool(t *canon.Tool, i int) {
	w.str(`{"name":`)
	w.b = appendText(w.b, t.Name)
	field(w, `,"description":`, t.Description)
	w.str(`,"input_schema":`)
	switch {
	case t.Custom:
		w.str(customSchema)
		if t.Grammar != nil {
			w.lose("tools[" + strconv.Itoa(i) + "].format")
		}
	case len(t.Schema) == 0 || t.Schema[0] != '{':
		w.str(`{"type":"object","properties":{}}`)
	case w.own || hasType(t.Schema):
		w.b = append(w.b, t.Schema...)
	default:
		w.str(`{"type":"object"`)
		if rest := bytes.TrimSpace(t.Schema[1:]); rest[0] != '}' {
			w.str(",")
		}
		w.b = append(w.b, t.Schema[1:]...)
	}
	if t.Strict == canon.Yes || t.Strict == canon.No && w.own {
		w.str(`,"strict":`)
		w.b = strconv.AppendBool(w.b, t.Strict == canon.Yes)
	}
	w.cache(t.Cache, t.Extra)
	w.extra(t.Extra)
	w.str("}")
}

// hasType says whether a schema names its type, which the API demands.
func hasType(schema canon.Raw) bool {
	if bytes.HasPrefix(schema, []byte(`{"type":`)) {
		return true
	}
	return memberOf(schema, "type") != nil
}

func (w *writer) toolChoice() {
	c := &w.req.Choice
	forced := c.Mode == canon.ChoiceAny || c.Mode == canon.ChoiceOne
	if !w.hasTools && !w.own {
		if forced {
			w.lose("tool_choice")
		}
		return
	}
	mode := c.Mode
	if mode == canon.ChoiceUnset {
		if w.req.Parallel != canon.No {
			return
		}
		mode = canon.ChoiceAuto
	}
	w.str(`,"tool_choice":{"type":"`)
	for _, m := range choiceModes {
		if m.mode == mode {
			w.str(m.name)
		}
	}
	w.str(`"`)
	if mode == canon.ChoiceOne {
		field(w, `,"name":`, c.Name)
	}
	if w.req.Parallel == canon.No && (mode != canon.ChoiceNone || w.own) {
		w.str(`,"disable_parallel_tool_use":true`)
	} else if w.req.Parallel == canon.Yes && w.own {
		w.str(`,"disable_parallel_tool_use":false`)
	}
	w.members("tool_choice.")
	w.str("}")
}
