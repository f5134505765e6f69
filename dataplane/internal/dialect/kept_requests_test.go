package dialect_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// fact is one thing that a request says.
type fact struct {
	kind, what string
	// who says it; loose facts may stand elsewhere.
	who   string
	loose bool
	// at is the part that it is of, of is what kind of thing.
	at, of string
}

// asking is what a request says.
type asking struct {
	turns, system, rest []fact
	calls               map[string]int
	n                   int
}

func askingOf(r *canon.Request) *asking {
	a := &asking{calls: map[string]int{}}
	var role canon.Role
	var results, beside, others []fact
	flush := func() {
		// Results of tools go first in their turn, and what they show then.
		a.turns = append(append(append(a.turns, results...), beside...), others...)
		results, beside, others = nil, nil, nil
	}
	head := true
	for i := range r.Messages {
		m := &r.Messages[i]
		side := m.Role
		if side == canon.ToolRole {
			side = canon.User
		}
		if !m.Name.Empty() {
			a.add("speaker", m.Name.String())
		}
		for k := range m.Parts {
			p := &m.Parts[k]
			at := fmt.Sprintf("messages[%d].content[%d]", i, k)
			if side == canon.System {
				a.system = append(a.system, a.part(p, "system", at)...)
				if !head {
					a.add("place of system's", "later")
				}
				continue
			}
			if head = false; side != role {
				flush()
				role = side
			}
			if p.Kind == canon.ToolResultPart {
				in, out := a.result(p, at)
				results, beside = append(results, in...), append(beside, out...)
				continue
			}
			others = append(others, a.part(p, []string{canon.User: "user", canon.Assistant: "assistant"}[side], at)...)
		}
	}
	flush()
	a.settings(r)
	a.tools(r)
	return a
}

func (a *asking) add(kind string, what string) { a.rest = append(a.rest, fact{kind: kind, what: what}) }

func (a *asking) mark(c canon.CacheMark, of fact) {
	if of.kind = "mark"; c.Set {
		of.what = "cache"
		if a.rest = append(a.rest, of); c.TTL.Is("1h") {
			of.what = "for an hour"
			a.rest = append(a.rest, of)
		}
	}
}

// result gives what a result says, and what it shows beside.
func (a *asking) result(p *canon.Part, at string) (in, out []fact) {
	n := a.calls[p.ID.String()]
	who := fmt.Sprintf("result of call %d", n)
	in = append(in, fact{kind: "result", what: who})
	if p.IsError == canon.Yes {
		a.add("error", who)
	}
	// A mark on a result is one on its end.
	content := slices.Clone(a.listed(p, who))
	if n := len(content); n > 0 && content[n-1].Kind == canon.TextPart && p.Cache.Set {
		content[n-1].Cache = p.Cache
	} else {
		a.mark(p.Cache, fact{at: at})
	}
	for i := range content {
		c := &content[i]
		if c.Kind == canon.TextPart || c.Kind == canon.RefusalPart {
			in = append(in, a.part(c, who, at)...)
		} else {
			out = append(out, a.part(c, who, at)...)
		}
	}
	for i := range out {
		out[i].loose = true
	}
	return in, out
}

// listed takes texts out of the list that Gemini is given of several.
func (a *asking) listed(p *canon.Part, who string) []canon.Part {
	var list struct{ Content, Error []string }
	if len(p.Content) == 0 || json.Unmarshal([]byte(p.Content[0].Text.String()), &list) != nil {
		return p.Content
	}
	if list.Error != nil {
		a.add("error", who)
	}
	var content []canon.Part
	for _, s := range slices.Concat(list.Content, list.Error) {
		content = append(content, canon.Part{Text: canon.Quote(s)})
	}
	return append(content, p.Content[1:]...)
}

// texts gives the pieces of a text, however they are joined.
func texts(t canon.Text, who, at string, kind string) (all []fact) {
	pieces := strings.Split(t.String(), "¶")
	for i, s := range pieces {
		// What ends without ¶ nobody made up.
		s = strings.Trim(s, "\n")
		switch {
		case i < len(pieces)-1:
			all = append(all, fact{kind: kind, what: s, who: who, at: at})
		case s != "" && !strings.HasPrefix(s, "Content of the result of tool call "):
			all = append(all, fact{kind: "said too", what: s})
		}
	}
	return all
}

func (a *asking) part(p *canon.Part, who, at string) []fact {
	a.mark(p.Cache, fact{at: at, of: map[bool]string{true: "media"}[p.Kind != canon.TextPart]})
	if !p.Signature.Empty() && p.Kind != canon.ReasoningPart {
		a.rest = append(a.rest, fact{kind: "signature", what: p.Signature.String(), at: at})
	}
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		return texts(p.Text, who, at, "said")
	case canon.ReasoningPart:
		all := texts(p.Text, who, at, "thought")
		if proof := p.Signature.String() + p.Redacted.String(); proof != "" {
			all = append(all, fact{kind: "proof", what: proof, at: at})
		}
		return all
	case canon.ToolCallPart:
		a.n++
		a.calls[p.ID.String()] = a.n
		return []fact{{kind: "call", what: fmt.Sprintf("%d: %s %s", a.n, p.Name, objectOf(p.Args)), who: who}}
	case canon.OpaquePart:
		return []fact{{kind: "opaque", what: string(p.Raw), at: at}}
	}
	return a.media(p, who, at)
}

func (a *asking) media(p *canon.Part, who, at string) []fact {
	m := &p.Media
	if d := m.Detail; !d.Empty() && !d.Is("auto") {
		a.rest = append(a.rest, fact{kind: "detail", what: d.String(), at: at, of: "media"})
	}
	// Bedrock has names without an end, and numbers equal ones.
	name, _, _ := strings.Cut(m.Name.String(), ".")
	if name, _, _ = strings.Cut(name, " ["); name != "" && name != "document" {
		a.rest = append(a.rest, fact{kind: "file name", what: name, at: at, of: "media"})
	}
	if p.Text != nil {
		all := texts(p.Text, who, at, "said")
		for i := range all {
			all[i].loose, all[i].of = true, "media"
		}
		return all
	}
	if text, err := base64.StdEncoding.DecodeString(m.Data.String()); err == nil && m.Type.Is("text/plain") {
		q := canon.Part{Kind: p.Kind, Text: canon.Quote(string(text))}
		return a.media(&q, who, at)
	}
	return []fact{{kind: "media", what: fmt.Sprint(p.Kind, m.Data.String(), m.URL.String(), m.FileID.String()), who: who, loose: true, at: at}}
}

// objectOf gives arguments as the object that providers get who take nothing
// else.
func objectOf(args canon.Raw) string {
	args = bytes.TrimSpace(args)
	if len(args) > 0 && args[0] != '"' && !json.Valid(args) {
		args = canon.Raw(canon.Quote(string(args)))
	}
	if len(args) > 0 && args[0] != '{' {
		args = slices.Concat(canon.Raw(`{"input":`), args, canon.Raw(`}`))
	}
	return sorted(canon.Raw(compact(args)))
}

// sorted writes JSON with the names in order.
func sorted(raw canon.Raw) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	out, _ := json.Marshal(v)
	return string(out)
}

func (a *asking) tools(r *canon.Request) {
	for i := range r.Tools {
		t := &r.Tools[i]
		name := t.Name.String()
		a.mark(t.Cache, fact{of: "tool", who: name})
		if a.add("tool", name); t.Raw != nil {
			continue
		}
		if !t.Description.Empty() {
			a.rest = append(a.rest, fact{kind: "description", what: t.Description.String(), of: "tool", who: name})
		}
		schema := map[string]any{}
		json.Unmarshal(t.Schema, &schema)
		if !t.Custom {
			// No schema is one of an object without members.
			schema["type"] = "object"
			if p, ok := schema["properties"].(map[string]any); ok && len(p) == 0 {
				delete(schema, "properties")
			}
			// That it has no members but the text says nothing more.
			if p, _ := schema["properties"].(map[string]any); p["input"] != nil || len(p) == 0 {
				delete(schema, "additionalProperties")
			}
		}
		a.rest = append(a.rest, fact{kind: "schema", what: fmt.Sprint(name, schema), of: "tool", who: name})
		if t.Strict == canon.Yes {
			a.add("tool's strict", name)
		}
		if t.Custom {
			a.add("custom", name)
		}
		if t.Grammar != nil {
			a.add("grammar", sorted(t.Grammar))
		}
	}
	if r.Choice.Mode != canon.ChoiceUnset {
		a.add("choice", fmt.Sprint(r.Choice.Mode, r.Choice.Name))
	}
	for _, t := range r.Choice.Allowed {
		a.add("allowed", t.String())
	}
	if r.Parallel == canon.No {
		a.add("parallel", "no")
	}
}

func (a *asking) settings(r *canon.Request) {
	for _, f := range []struct {
		name  string
		value []byte
		usual string
	}{
		{"max_tokens", r.MaxTokens, ""}, {"temperature", r.Temperature, ""}, {"top_p", r.TopP, ""}, {"top_k", r.TopK, ""}, {"seed", r.Seed, ""},
		{"frequency_penalty", r.FrequencyPenalty, "0"}, {"presence_penalty", r.PresencePenalty, "0"}, {"n", r.N, "1"},
		{"top_logprobs", r.TopLogProbs, ""}, {"user", r.User, ""}, {"service_tier", []byte(tierName(r.ServiceTier)), "auto"},
	} {
		if s := string(f.value); s != "" && s != f.usual {
			a.add(f.name, s)
		}
	}
	for _, s := range r.Stop {
		a.add("stop", s.String())
	}
	if r.LogProbs == canon.Yes {
		a.add("logprobs", "yes")
	}
	a.mark(r.Cache, fact{})
	if f := &r.Format; f.Kind > canon.FormatText {
		closing := strings.NewReplacer(`,"additionalProperties":false`, "", `"additionalProperties":false,`, "")
		a.add("format", fmt.Sprint(f.Kind, closing.Replace(sorted(f.Schema))))
		if !f.Description.Empty() {
			a.add("format's", f.Description.String())
		}
		if f.Strict == canon.Yes {
			a.add("format's", "strict")
		}
	}
	for _, e := range r.Extra {
		a.rest = append(a.rest, fact{kind: "extra", what: e.Name, who: string(e.Value)})
	}
}

// tierName is one name of the tiers that have several.
func tierName(t canon.Text) string {
	switch s := t.String(); s {
	case "standard", "standard_only":
		return "default"
	default:
		return s
	}
}

// compareRequests says what a target was not told, and nobody was told of.
func compareRequests(asked, told *canon.Request, f dialect.Format, lost canon.Losses) error {
	was := *asked
	was.Tools = slices.Clone(asked.Tools)
	if was.From != f.Name() {
		for _, e := range equivalents {
			if slices.Contains(e.to, f.Name()) {
				e.say(&was)
			}
		}
		sampledAnyway(&was, told, f.Name())
	}
	if err := sameThought(asked, told, f.Name(), lost); err != nil {
		return err
	}
	a, b := askingOf(&was), askingOf(told)
	if f.Name() == canon.Bedrock && told.Choice.Mode == canon.ChoiceAuto {
		b = askingOf(unchosen(told)) // As above.
	}
	a.words()
	b.words()
	err := needless(a, b, lost)
	if err == nil {
		err = keptFacts(&was, a.turns, b.turns, true, lost)
	}
	if err == nil {
		err = keptFacts(&was, a.system, b.system, true, lost)
	}
	if err == nil {
		err = keptFacts(&was, a.rest, b.rest, false, lost)
	}
	return err
}

// needless finds losses of what was told all the same: they get callers refused
// who ask for nothing that is not there.
func needless(a, b *asking, lost canon.Losses) error {
	left := slices.Concat(b.turns, b.system, b.rest)
	var gone []fact
	for _, f := range slices.Concat(a.turns, a.system, a.rest) {
		at := slices.IndexFunc(left, func(g fact) bool {
			return g.kind == f.kind && g.what == f.what && (g.who == f.who || f.loose || f.kind == "mark")
		})
		if at < 0 || f.kind == "extra" {
			gone = append(gone, f)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	gone = append(gone, left...)
	for _, name := range lost {
		told := func(f fact) bool { return f.told(canon.Losses{name}) }
		// What is told of thoughts is more than is compared, and a grammar is
		// lost before a request is written.
		if !slices.ContainsFunc(gone, told) && !strings.HasPrefix(name, "reasoning") && !strings.HasSuffix(name, ".format") && !strings.HasSuffix(name, ".name") {
			return fmt.Errorf("%s is not lost", name)
		}
	}
	return nil
}

func unchosen(r *canon.Request) *canon.Request {
	q := *r
	q.Choice = canon.ToolChoice{}
	return &q
}

// words finds what is said in words.
func (a *asking) words() {
	for i := range a.system {
		if strings.HasPrefix(a.system[i].what, "Answer with one valid JSON object") {
			a.add("format", fmt.Sprint(canon.FormatJSON, ""))
			return
		}
	}
}

// keptFacts looks for each fact among those that were told.
func keptFacts(r *canon.Request, was, now []fact, ordered bool, lost canon.Losses) error {
	left := slices.Clone(now)
	// Marks are all alike: those first that must be there.
	marks := slices.DeleteFunc(slices.Clone(was), func(f fact) bool { return f.kind != "mark" || f.told(lost) })
	rest := slices.DeleteFunc(slices.Clone(was), func(f fact) bool { return f.kind == "mark" && !f.told(lost) })
	was = slices.Concat(marks, rest)
	var x, y []string
	for i := range was {
		f := &was[i]
		at := slices.IndexFunc(left, func(g fact) bool {
			return g.kind == f.kind && (g.what == f.what || f.kind == "extra" && g.who == f.who)
		})
		if at < 0 {
			if !f.told(lost) {
				return fmt.Errorf("%s is gone\nfact %q", f.kind, f.what)
			}
			continue
		}
		if g := left[at]; !f.loose && g.who != f.who && f.kind != "extra" && f.kind != "mark" && !(&fact{kind: "who said"}).told(lost) {
			return fmt.Errorf("%s is another's\nfact %q of %s, now of %s", f.kind, f.what, f.who, g.who)
		}
		if !f.loose && f.kind != "proof" {
			x = append(x, f.kind+" "+f.what)
		}
		left = slices.Delete(left, at, at+1)
	}
	for i := range now {
		if slices.Contains(x, now[i].kind+" "+now[i].what) {
			y = append(y, now[i].kind+" "+now[i].what)
		}
	}
	if ordered && !reflect.DeepEqual(x, y) && !(&fact{kind: "place of system's"}).told(lost) {
		return fmt.Errorf("another order\n was %q\n now %q", x, y)
	}
	for i := range left {
		if g := &left[i]; !g.told(lost) && !g.extra(r) {
			return fmt.Errorf("%s was not said\nfact %q", g.kind, g.what)
		}
	}
	return nil
}

// extra says whether a target must be told what nobody asked for.
func (f *fact) extra(r *canon.Request) bool {
	switch f.kind {
	case "max_tokens": // Who demands a bound gets one.
		return r.MaxTokens == nil
	case "extra", "file name": // Defaults that must be said.
		return true
	case "signature":
		return strings.HasPrefix(f.what, "skip")
	case "said too":
		return strings.HasPrefix(f.what, "Answer with one valid JSON object")
	}
	return false
}
