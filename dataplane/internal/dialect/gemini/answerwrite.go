package gemini

import (
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendAnswer writes a whole answer for a caller.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	w := out{b: append(b, '{'), own: a.From == canon.Gemini}
	if !blocked(a) {
		w.name("candidates")
		w.b = append(w.b, '[')
		for i := range a.Choices {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.candidate(a, &a.Choices[i])
		}
		w.b = append(w.b, ']')
	}
	if w.own {
		for _, e := range a.Extra {
			if !strings.HasPrefix(e.Name, "candidates[") {
				w.field(quotable(e.Name), e.Value)
			}
		}
	}
	if a.Usage.Reported {
		w.comma()
		w.b = appendUsage(w.b, &a.Usage, a.ServiceTier)
	}
	w.b = appendHead(w.b, a.Model, a.ID, a.Created)
	return append(w.b, '}')
}

// comma separates members, for those that are written whole.
func (w *out) comma() {
	if w.begun {
		w.b = append(w.b, ',')
	}
	w.begun = true
}

// appendHead writes what names an answer, each member with its comma in front.
func appendHead(b []byte, model, id canon.Text, created int64) []byte {
	b = append(append(b, `,"modelVersion":`...), orEmpty(model)...)
	if created != 0 {
		b = append(b, `,"createTime":"`...)
		b = append(time.Unix(created, 0).UTC().AppendFormat(b, time.RFC3339), '"')
	}
	if id != nil {
		b = append(append(b, `,"responseId":`...), id...)
	}
	return b
}

// blocked reports whether the prompt was blocked, as Gemini says it: without
// candidates.
func blocked(a *canon.Answer) bool {
	if a.From != canon.Gemini || len(a.Choices) != 1 || len(a.Choices[0].Parts) > 0 {
		return false
	}
	for _, e := range a.Extra {
		if e.Name == "promptFeedback" {
			return blockReason(e.Value) != nil
		}
	}
	return false
}

func (w *out) candidate(a *canon.Answer, c *canon.Choice) {
	w.b = append(w.b, `{"content":{"parts":[`...)
	var cites citations
	for k := range c.Parts {
		p := &c.Parts[k]
		if k > 0 {
			w.b = append(w.b, ',')
		}
		w.b = appendPart(w.b, p, true)
		if w.own && p.From == canon.Gemini && len(p.Extra) > 0 && p.Kind != canon.OpaquePart {
			w.b = w.b[:len(w.b)-1]
			w.begun = true
			w.fields(p.Extra)
			w.b = append(w.b, '}')
		}
		for i := range p.Citations {
			at := &p.Citations[i]
			start, end := bytesOf(p.Text, at.Start, at.End)
			cites.add(at, k, start, end)
		}
	}
	w.b = append(w.b, `],"role":"model"}`...)
	w.b = appendFinish(w.b, c.Stop, c.StopText, c.StopRaw, w.own)
	w.b = appendIndex(w.b, c.Index)
	w.begun = true
	own := w.candidateExtras(a, c.Index)
	if cites.n > 0 && !own["groundingMetadata"] && !own["citationMetadata"] {
		w.b = cites.append(append(w.b, ','))
	}
	if !own["logprobsResult"] {
		w.b = appendLogProbs(w.b, c.LogProbs)
	}
	w.b = append(w.b, '}')
	w.begun = true
}

// candidateExtras writes the fields of a candidate that have no name in canon
// and says which they are.
func (w *out) candidateExtras(a *canon.Answer, index int) map[string]bool {
	if !w.own || len(a.Extra) == 0 {
		return nil
	}
	written := map[string]bool{}
	at := "candidates[" + strconv.Itoa(index) + "]."
	for _, e := range a.Extra {
		if name, ok := strings.CutPrefix(e.Name, at); ok {
			w.field(quotable(name), e.Value)
			written[name] = true
		}
	}
	return written
}

// appendFinish writes why a candidate ended, with a comma in front; nothing
// when it did not.
func appendFinish(b []byte, stop canon.Stop, text, raw canon.Text, own bool) []byte {
	reason, name := reasonOf(stop)
	switch {
	case own && raw != nil:
		b = append(append(b, `,"finishReason":`...), raw...)
		raw = nil
	case stop == canon.StopUnset:
		return b
	default:
		b = append(append(append(b, `,"finishReason":"`...), reason...), '"')
	}
	if name != "" {
		b = append(append(append(b, `,"stopReason":"`...), name...), '"')
	}
	if text != nil {
		b = append(append(b, `,"stopSequence":`...), text...)
	}
	if raw != nil {
		b = append(append(b, `,"nativeFinishReason":`...), raw...)
	}
	return b
}
