package openai

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// reasoning asks for thought in the way the provider takes it.
func (w *requestWriter) reasoning() {
	r := &w.req.Reasoning
	if r.Mode == canon.ReasoningUnset && r.Effort == "" && r.Budget == 0 && r.Summary == nil {
		return
	}
	switch q := w.q; {
	case q.ReasoningObject:
		w.reasoningObject(r)
		return
	case q.Thinking:
		w.thinkingSwitch(r)
	case q.ThinkingBudget:
		w.thinkingBudget(r)
	case q.NoEffort:
		w.lost.Add("reasoning_effort")
	default:
		w.effort(r)
	}
	if r.Summary != nil {
		w.lost.Add("reasoning.summary")
	}
}

func (w *requestWriter) effort(r *canon.Reasoning) {
	effort := w.effortOf(r)
	if r.Mode == canon.ReasoningOff {
		effort = "none"
	}
	if effort == "" && w.breakpoints && len(w.req.Tools) > 0 && r.Mode == canon.ReasoningAdaptive {
		// These models refuse tools beside thought here, which they would do by
		// default.
		effort = "none"
		w.lost.Add("reasoning")
	}
	if effort != "" {
		w.b = append(append(append(w.b, `,"reasoning_effort":"`...), effort...), '"')
	}
}

// effortOf gives the effort that is asked for in words that the provider
// knows; efforts of other dialects are letters only.
func (w *requestWriter) effortOf(r *canon.Reasoning) string {
	effort := r.Effort
	if effort == "" && r.Budget > 0 {
		effort = canon.EffortOf(r.Budget)
	}
	for i := 0; i < len(effort); i++ {
		if c := effort[i]; (c < 'a' || c > 'z') && c != '_' && c != '-' && (c < '0' || c > '9') {
			w.lost.Add("reasoning_effort")
			return ""
		}
	}
	switch {
	case w.q.PlainEfforts && effort == "minimal":
		return "low"
	case w.q.PlainEfforts && (effort == "xhigh" || effort == "max"):
		return "high"
	case effort == "max" && !w.same:
		return "xhigh"
	}
	return effort
}

// reasoningObject is OpenRouter's form, which has both measures.
func (w *requestWriter) reasoningObject(r *canon.Reasoning) {
	w.b = append(w.b, `,"reasoning":{`...)
	inside := len(w.b)
	if r.Mode != canon.ReasoningUnset || r.Effort != "" || r.Budget > 0 {
		w.b = strconv.AppendBool(append(w.b, `"enabled":`...), r.Mode != canon.ReasoningOff)
	}
	if r.Mode != canon.ReasoningOff {
		switch effort := w.effortOf(r); {
		case r.Budget > 0:
			w.b = strconv.AppendInt(append(w.b, `,"max_tokens":`...), r.Budget, 10)
		case effort != "":
			w.b = append(append(append(w.b, `,"effort":"`...), effort...), '"')
		}
	}
	if r.Show == canon.No {
		w.b = append(w.b, `,"exclude":true`...)
	}
	w.optional("summary", r.Summary)
	if w.b[inside] == ',' {
		// A summary alone does not ask for thought.
		w.b = append(w.b[:inside], w.b[inside+1:]...)
	}
	w.b = append(w.b, '}')
}

func (w *requestWriter) thinkingSwitch(r *canon.Reasoning) {
	switch {
	case r.Mode == canon.ReasoningOff:
		w.b = append(w.b, `,"thinking":{"type":"disabled"}`...)
	case r.Mode != canon.ReasoningAdaptive:
		w.b = append(w.b, `,"thinking":{"type":"enabled"}`...)
	}
	if r.Effort != "" || r.Budget > 0 {
		w.lost.Add("reasoning_effort")
	}
}

func (w *requestWriter) thinkingBudget(r *canon.Reasoning) {
	w.b = append(w.b, `,"enable_thinking":`...)
	w.b = strconv.AppendBool(w.b, r.Mode != canon.ReasoningOff)
	budget := r.Budget
	if budget == 0 {
		budget = canon.BudgetOf(r.Effort)
	}
	if budget > 0 && r.Mode != canon.ReasoningOff {
		w.b = strconv.AppendInt(append(w.b, `,"thinking_budget":`...), budget, 10)
	}
}

// thoughts writes what an assistant thought before, as fields of its message.
func (w *requestWriter) thoughts(parts []canon.Part) {
	if !hasKind(parts, canon.ReasoningPart) {
		return
	}
	q := w.q
	switch {
	case q.ThoughtDetails:
		w.b = appendReasoning(w.b, parts, "reasoning")
	case q.EchoReasoning:
		w.b = appendThoughtText(w.b, parts, "reasoning_content")
		for i := range parts {
			if p := &parts[i]; p.Kind == canon.ReasoningPart && (!p.Signature.Empty() || !p.Redacted.Empty()) {
				// Another provider's: these do not sign.
				w.lost.Add("messages.reasoning")
			}
		}
	case q.ThoughtParts:
	default:
		w.lost.Add("messages.reasoning")
	}
}

func hasKind(parts []canon.Part, k canon.Kind) bool {
	for i := range parts {
		if parts[i].Kind == k {
			return true
		}
	}
	return false
}

// appendThoughtText joins the texts of thoughts in one field; with none, it
// writes nothing.
func appendThoughtText(b []byte, parts []canon.Part, field string) []byte {
	any := false
	for i := range parts {
		p := &parts[i]
		if p.Kind != canon.ReasoningPart || p.Text == nil {
			continue
		}
		if !any {
			any = true
			b = append(append(append(b, ',', '"'), field...), `":"`...)
		}
		b = p.Text.Append(b)
	}
	if any {
		b = append(b, '"')
	}
	return b
}

// appendReasoning writes thoughts as text under field, and, where text is not
// all there is, in detail.
func appendReasoning(b []byte, parts []canon.Part, field string) []byte {
	b = appendThoughtText(b, parts, field)
	count, detail := 0, false
	for i := range parts {
		if p := &parts[i]; p.Kind == canon.ReasoningPart {
			count++
			detail = detail || count > 1 || p.Signature != nil || p.Redacted != nil || p.ID != nil || p.Text == nil
		}
	}
	if !detail {
		return b
	}
	b = append(b, `,"reasoning_details":[`...)
	n := 0
	for i := range parts {
		if p := &parts[i]; p.Kind == canon.ReasoningPart {
			if n > 0 {
				b = append(b, ',')
			}
			b = appendThought(b, p, n)
			n++
		}
	}
	return append(b, ']')
}

// appendThought writes one block of thought as OpenRouter has it.
func appendThought(b []byte, p *canon.Part, index int) []byte {
	kind := "reasoning.text"
	if p.Redacted != nil {
		kind = "reasoning.encrypted"
	}
	b = append(append(append(b, `{"type":"`...), kind...), '"')
	for _, f := range [...]struct {
		name string
		v    canon.Text
	}{{"text", p.Text}, {"signature", p.Signature}, {"data", p.Redacted}, {"id", p.ID}} {
		if f.v != nil {
			b = appendField(b, f.name, f.v)
		}
	}
	b = append(append(append(b, `,"format":"`...), formatOf(p.From)...), '"')
	return append(strconv.AppendInt(append(b, `,"index":`...), int64(index), 10), '}')
}

func formatOf(d canon.Dialect) string {
	for _, f := range formats {
		if f.from == d {
			return f.name
		}
	}
	return "unknown"
}
