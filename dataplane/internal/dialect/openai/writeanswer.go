package openai

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendAnswer writes a whole answer for a caller. What chat completions have
// no place for stands in fields that SDKs ignore: reasoning_content,
// reasoning_details, native_finish_reason, stop_reason, native_parts,
// citations, extra_content and native_logprobs.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	own := a.From == canon.OpenAIChat
	b = append(append(b, `{"id":`...), orEmpty(a.ID)...)
	b = append(b, `,"object":"chat.completion"`...)
	b = appendCount(b, `,"created":`, a.Created)
	b = append(append(b, `,"model":`...), orEmpty(a.Model)...)
	b = append(b, `,"choices":[`...)
	for i := range a.Choices {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendChoice(b, a, i, own)
	}
	b = append(b, ']')
	if a.Usage.Reported {
		b = appendReport(append(b, `,"usage":`...), &a.Usage)
	}
	if a.ServiceTier != nil {
		b = appendField(b, "service_tier", a.ServiceTier)
	}
	if a.Fingerprint != nil {
		b = appendField(b, "system_fingerprint", a.Fingerprint)
	}
	if own {
		b = appendExtra(b, a.Extra, "")
	}
	return append(b, '}')
}

// appendExtra writes the fields without a name in canon that stood at a place.
func appendExtra(b []byte, fields []canon.Field, place string) []byte {
	for _, e := range fields {
		name, ok := strings.CutPrefix(e.Name, place)
		if ok && !strings.ContainsAny(name, ".[") {
			b = append(canon.AppendQuoted(append(b, ','), name), ':')
			b = appendOneLine(b, e.Value)
		}
	}
	return b
}

func appendChoice(b []byte, a *canon.Answer, i int, own bool) []byte {
	c := &a.Choices[i]
	b = appendCount(b, `{"index":`, int64(c.Index))
	b = append(b, `,"message":`...)
	b = appendAnswered(b, c.Parts, a.From)
	if own && len(a.Extra) > 0 {
		b = b[:len(b)-1]
		b = append(appendExtra(b, a.Extra, "choices["+strconv.Itoa(i)+"].message."), '}')
	}
	b = appendLogProbs(b, c.LogProbs)
	b = appendFinish(b, c.Stop, c.StopRaw, c.StopText, own, hasKind(c.Parts, canon.RefusalPart))
	if own && len(a.Extra) > 0 {
		b = appendExtra(b, a.Extra, "choices["+strconv.Itoa(i)+"].")
	}
	return append(b, '}')
}

// appendLogProbs writes log-probabilities in the form of this dialect; those
// of the Responses API are a list that goes inside, others have a field of
// their own.
func appendLogProbs(b []byte, v canon.Raw) []byte {
	switch {
	case v == nil:
		return append(b, `,"logprobs":null`...)
	case v[0] == '[':
		return append(appendOneLine(append(b, `,"logprobs":{"content":`...), v), '}')
	case bytes.Contains(v[:min(len(v), 64)], []byte(`"content"`)) || bytes.Contains(v[:min(len(v), 64)], []byte(`"refusal"`)):
		return appendOneLine(append(b, `,"logprobs":`...), v)
	}
	return appendOneLine(append(b, `,"native_logprobs":`...), v)
}

// appendAnswered writes what the model said, refused, thought and called.
func appendAnswered(b []byte, parts []canon.Part, from canon.Dialect) []byte {
	b = append(b, `{"role":"assistant"`...)
	b = appendJoined(b, "content", parts, canon.TextPart)
	b = appendJoined(b, "refusal", parts, canon.RefusalPart)
	b = appendReasoning(b, parts, "reasoning_content")
	b = appendSources(b, parts)
	var has [len(kindNames)]bool
	signed := false
	for i := range parts {
		p := &parts[i]
		if p.Kind == canon.AudioPart && !has[p.Kind] {
			b = appendAudio(append(b, `,"audio":`...), p)
		}
		if p.Kind == canon.TextPart && p.Signature != nil && !signed {
			signed = true
			b = appendSignature(b, p.Signature)
		}
		has[p.Kind] = true
	}
	if has[canon.ImagePart] {
		b = appendList(b, "images", parts, canon.ImagePart)
	}
	if has[canon.ToolCallPart] {
		b = appendList(b, "tool_calls", parts, canon.ToolCallPart)
	}
	if has[canon.OpaquePart] || has[canon.VideoPart] || has[canon.DocumentPart] || has[canon.ToolResultPart] {
		b = appendNative(b, parts, from)
	}
	return append(b, '}')
}

// appendJoined writes the texts of all parts of a kind as one field, null
// without one.
func appendJoined(b []byte, field string, parts []canon.Part, kind canon.Kind) []byte {
	b = append(append(append(b, ',', '"'), field...), `":`...)
	if !hasKind(parts, kind) {
		return append(b, "null"...)
	}
	b = append(b, '"')
	for i := range parts {
		if parts[i].Kind == kind {
			b = parts[i].Text.Append(b)
		}
	}
	return append(b, '"')
}

// appendSources writes where texts came from, with places counted in the
// joined text.
func appendSources(b []byte, parts []canon.Part) []byte {
	for _, web := range [...]bool{true, false} {
		shift, n := 0, 0
		for i := range parts {
			p := &parts[i]
			if p.Kind != canon.TextPart {
				continue
			}
			hasWeb, hasOther := hasCitations(p.Citations)
			if web && hasWeb || !web && hasOther {
				switch {
				case n > 0:
					b = append(b, ',')
				case web:
					b = append(b, `,"annotations":[`...)
				default:
					b = append(b, `,"citations":[`...)
				}
				n++
				b = appendCitations(b, p.Citations, shift, web)
			}
			if len(parts) > 1 {
				shift += length(p.Text)
			}
		}
		if n > 0 {
			b = append(b, ']')
		}
	}
	return b
}

func appendAudio(b []byte, p *canon.Part) []byte {
	if p.Raw != nil && p.From == canon.OpenAIChat {
		return appendOneLine(b, p.Raw)
	}
	b = append(append(b, `{"id":`...), orEmpty(p.ID)...)
	b = append(append(b, `,"data":`...), orEmpty(p.Media.Data)...)
	b = append(b, `,"expires_at":0`...)
	b = append(append(b, `,"transcript":`...), orEmpty(p.Text)...)
	return append(b, '}')
}

// appendList writes the images that a model made, or its calls.
func appendList(b []byte, field string, parts []canon.Part, kind canon.Kind) []byte {
	b = append(append(append(b, ',', '"'), field...), `":[`...)
	n := 0
	for i := range parts {
		p := &parts[i]
		if p.Kind != kind {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		if kind == canon.ImagePart {
			b = append(appendLink(b, "image_url", &p.Media, "image/png"), '}')
		} else {
			b = append(appendCall(b, p, -1, true), '}')
		}
	}
	return append(b, ']')
}

// appendNative writes what only the dialect can read that it came in.
func appendNative(b []byte, parts []canon.Part, from canon.Dialect) []byte {
	b = append(b, `,"native_parts":[`...)
	start := len(b)
	for i := range parts {
		if p := &parts[i]; isNative(p.Kind) {
			if len(b) > start {
				b = append(b, ',')
			}
			b = appendOpaque(b, p, from)
		}
	}
	return append(b, ']')
}

func isNative(k canon.Kind) bool {
	return k == canon.OpaquePart || k == canon.VideoPart || k == canon.DocumentPart || k == canon.ToolResultPart
}

func appendOpaque(b []byte, p *canon.Part, from canon.Dialect) []byte {
	if p.From != "" {
		from = p.From
	}
	b = append(append(append(b, `{"from":"`...), from...), '"')
	if p.Name != nil {
		b = appendField(b, "type", p.Name)
	}
	if p.Raw != nil {
		b = appendOneLine(append(b, `,"raw":`...), p.Raw)
	}
	return append(b, '}')
}
