package responses

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// composer writes the items of an answer. Ids of items that come from another
// dialect are made of the answer's id and their number.
type composer struct {
	from  canon.Dialect
	id    canon.Text
	items int
}

// appendID writes the id of the item that is next.
func (c *composer) appendID(b []byte, prefix string, own canon.Text) []byte {
	if !own.Empty() && c.from == canon.Responses {
		return append(b, own...)
	}
	b = append(append(b, '"'), prefix...)
	b = c.id.Append(b)
	b = strconv.AppendInt(append(b, '_'), int64(c.items), 10)
	return append(b, '"')
}

// kinds of items by the parts they hold: how their ids begin.
const (
	messagePrefix   = "msg_"
	callPrefix      = "fc_"
	customPrefix    = "ctc_"
	reasoningPrefix = "rs_"
	imagePrefix     = "ig_"
)

// ownID is the id of a call's item as its own dialect had it.
func ownID(p *canon.Part) canon.Text {
	for i := range p.Extra {
		if p.Extra[i].Name == "id" {
			return asText(p.Extra[i].Value)
		}
	}
	return nil
}

// head starts an item.
func (c *composer) head(b []byte, kind, prefix string, own canon.Text) []byte {
	b = c.appendID(append(b, `{"id":`...), prefix, own)
	b = append(append(b, `,"type":"`...), kind...)
	return append(b, '"')
}

func (c *composer) fields(b []byte, p *canon.Part) []byte {
	if c.from != canon.Responses || p.From != canon.Responses {
		return b
	}
	for i := range p.Extra {
		if p.Extra[i].Name != "id" {
			b = appendFields(b, p.Extra[i:i+1])
		}
	}
	return b
}

// inMessage says that a part stands inside of a message.
func inMessage(p *canon.Part) bool {
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
		return true
	case canon.OpaquePart:
		return p.From == canon.Responses && p.Name == nil
	}
	return false
}

// content writes a part of a message.
func (c *composer) content(b []byte, p *canon.Part, logprobs canon.Raw) []byte {
	switch p.Kind {
	case canon.RefusalPart:
		return append(append(append(b, `{"type":"refusal","refusal":`...), orEmpty(p.Text)...), '}')
	case canon.OpaquePart:
		if p.Raw == nil {
			// A part without a type, as some provider sent it.
			return append(b, "{}"...)
		}
		return append(b, p.Raw...)
	case canon.AudioPart:
		b = append(append(b, `{"type":"output_audio","data":`...), orEmpty(p.Media.Data)...)
		return append(append(append(b, `,"transcript":`...), orEmpty(p.Text)...), '}')
	case canon.VideoPart, canon.DocumentPart:
		return append(appendDocument(append(b, `{"type":"output_file"`...), p), '}')
	}
	b = append(append(b, `{"type":"output_text","text":`...), orEmpty(p.Text)...)
	b = append(b, `,"annotations":[`...)
	for i := range p.Citations {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCitation(b, &p.Citations[i])
	}
	b = append(b, `],"logprobs":[`...)
	return append(append(b, logprobs...), "]}"...)
}

// appendCitation writes an annotation. What another dialect said of it stands
// in a field of ours.
func appendCitation(b []byte, c *canon.Citation) []byte {
	if c.From == canon.Responses && c.Raw != nil {
		return append(b, c.Raw...)
	}
	if c.URL != nil {
		b = append(append(b, `{"type":"url_citation","url":`...), c.URL...)
		b = append(append(b, `,"title":`...), orEmpty(c.Title)...)
		b = appendCount(b, `,"start_index":`, int64(c.Start))
		b = appendCount(b, `,"end_index":`, int64(c.End))
	} else {
		b = append(append(b, `{"type":"file_citation","file_id":"","filename":`...), orEmpty(c.Title)...)
		b = appendCount(b, `,"index":`, int64(c.Start))
	}
	if c.Quote == nil && c.Raw == nil {
		return append(b, '}')
	}
	b = canon.AppendQuoted(append(b, `,"tollgate":{"from":`...), string(c.From))
	if c.Quote != nil {
		b = append(append(b, `,"quote":`...), c.Quote...)
	}
	if c.Raw != nil {
		b = append(append(b, `,"raw":`...), c.Raw...)
	}
	return append(b, "}}"...)
}

// item writes a part that is an item of its own.
func (c *composer) item(b []byte, p *canon.Part) []byte {
	switch p.Kind {
	case canon.ToolCallPart:
		kind, prefix := "function_call", callPrefix
		if p.Custom {
			kind, prefix = "custom_tool_call", customPrefix
		}
		b = c.head(b, kind, prefix, ownID(p))
		b = appendCall(append(b, `,"status":"completed"`...), p)
		return append(c.fields(b, p), '}')
	case canon.ReasoningPart:
		return c.reasoning(b, p)
	case canon.ImagePart:
		return c.image(b, p)
	case canon.OpaquePart:
		if p.From == canon.Responses {
			return append(b, p.Raw...)
		}
		quoted := append(appendEscaped(append(make(canon.Text, 0, len(p.Raw)+64), '"'), p.Raw), '"')
		return c.sealed(b, p.From, sealedOpaque, quoted)
	}
	// Results of tools stand in no answer that is known.
	b = c.head(b, "function_call_output", callPrefix, nil)
	b = append(append(b, `,"call_id":`...), orEmpty(p.ID)...)
	b = append(b, `,"output":"`...)
	for i := range p.Content {
		b = p.Content[i].Text.Append(b)
	}
	return append(b, `"}`...)
}

func (c *composer) source(p *canon.Part) canon.Dialect {
	if p.From == "" {
		return c.from
	}
	return p.From
}

func (c *composer) reasoning(b []byte, p *canon.Part) []byte {
	return append(c.thoughts(c.head(b, "reasoning", reasoningPrefix, p.ID), p), '}')
}

// thoughts writes what a reasoning item holds.
func (c *composer) thoughts(b []byte, p *canon.Part) []byte {
	b = appendThoughts(b, p)
	switch {
	case p.Redacted != nil:
		b = appendSealed(append(b, `,"encrypted_content":`...), c.source(p), sealedRedacted, p.Redacted)
	case p.Signature != nil:
		b = appendSealed(append(b, `,"encrypted_content":`...), c.source(p), sealedSignature, p.Signature)
	}
	return c.fields(b, p)
}

// sealed writes an item that carries what only another dialect reads.
func (c *composer) sealed(b []byte, from canon.Dialect, kind byte, payload canon.Text) []byte {
	b = c.head(b, "reasoning", reasoningPrefix, nil)
	b = append(b, `,"summary":[],"encrypted_content":`...)
	return append(appendSealed(b, from, kind, payload), '}')
}

// image writes an image as the call of the tool that makes them.
func (c *composer) image(b []byte, p *canon.Part) []byte {
	if p.From == canon.Responses && p.Raw != nil {
		return append(b, p.Raw...)
	}
	b = c.head(b, "image_generation_call", imagePrefix, nil)
	b = append(b, `,"status":"completed"`...)
	for _, t := range imageTypes {
		if string(p.Media.Type) == t.kind {
			b = canon.AppendQuoted(append(b, `,"output_format":`...), t.format)
		}
	}
	if p.Media.Data == nil && p.Media.URL != nil {
		b = append(append(b, `,"url":`...), p.Media.URL...)
	}
	return append(append(append(b, `,"result":`...), orEmpty(p.Media.Data)...), '}')
}

// output writes all items.
func (c *composer) output(b []byte, ch *canon.Choice) []byte {
	logprobs := logProbsOf(ch.LogProbs)
	start := len(b)
	var open *canon.Part // the first part of the message that is open
	for i := range ch.Parts {
		p := &ch.Parts[i]
		inside := inMessage(p)
		if open != nil && (!inside || c.from == canon.Responses && string(p.ID) != string(open.ID)) {
			b, open = c.closeMessage(b), nil
		}
		if len(b) > start {
			b = append(b, ',')
		}
		if inside && open == nil {
			open = p
			b = c.head(b, "message", messagePrefix, p.ID)
			b = c.fields(append(b, messageStatus(ch.Stop)...), p)
			b = append(b, `,"role":"assistant","content":[`...)
		}
		if inside {
			b = c.content(b, p, logprobs)
			logprobs = nil
		} else {
			b = c.item(b, p)
			c.items++
		}
		if p.Signature == nil || p.Kind == canon.ReasoningPart {
			continue
		}
		if open != nil {
			b, open = c.closeMessage(b), nil
		}
		b = c.sealed(append(b, ','), c.source(p), sealedForLast, p.Signature)
		c.items++
	}
	if open != nil {
		b = c.closeMessage(b)
	}
	return b
}

func (c *composer) closeMessage(b []byte) []byte {
	c.items++
	return append(b, "]}"...)
}

func messageStatus(s canon.Stop) string {
	if stops[s].status == "incomplete" {
		return `,"status":"incomplete"`
	}
	return `,"status":"completed"`
}

// AppendAnswer writes a whole answer for a caller.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	c := composer{from: a.From, id: a.ID}
	var ch canon.Choice
	if len(a.Choices) > 0 {
		ch = a.Choices[0]
	}
	b = appendHead(b, a.ID, a.Model, a.Created, a.ServiceTier)
	b = c.output(append(b, `,"output":[`...), &ch)
	b = append(b, ']')
	b = appendStop(b, a.From, ch.Stop, ch.StopText, ch.StopRaw)
	b = appendUsage(append(b, `,"usage":`...), &a.Usage)
	if a.From == canon.Responses {
		b = appendFields(b, a.Extra)
	} else {
		b = append(b, constants...)
	}
	return append(b, '}')
}

// constants are fields that SDKs expect of every response.
const constants = `,"instructions":null,"metadata":{},"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null`

func appendHead(b []byte, id, model canon.Text, created int64, tier canon.Text) []byte {
	b = append(append(b, `{"id":`...), orEmpty(id)...)
	b = appendCount(b, `,"object":"response","created_at":`, created)
	b = append(append(b, `,"model":`...), orEmpty(model)...)
	if tier != nil {
		b = append(append(b, `,"service_tier":`...), tier...)
	}
	return b
}

// appendStop writes how the response ended and, for answers of other
// dialects, why in their words.
func appendStop(b []byte, from canon.Dialect, s canon.Stop, text, raw canon.Text) []byte {
	if int(s) >= len(stops) {
		s = canon.StopUnset
	}
	status, reason := stops[s].status, stops[s].reason
	if from == canon.Responses {
		status, reason = ownStatus(s, raw, status, reason)
	}
	b = append(append(b, `,"status":"`...), status...)
	b = append(b, `","error":null,"incomplete_details":`...)
	if reason == "" {
		b = append(b, "null"...)
	} else {
		b = append(canon.AppendQuoted(append(b, `{"reason":`...), reason), '}')
	}
	if from == canon.Responses && text == nil || s == canon.StopUnset {
		return b
	}
	b = append(append(b, `,"`+stopField+`":{"reason":"`...), stops[s].name...)
	b = append(b, '"')
	if raw != nil {
		b = append(append(b, `,"raw":`...), raw...)
	}
	if text != nil {
		b = append(append(b, `,"text":`...), text...)
	}
	return append(b, '}')
}

// ownStatus is how an answer of this dialect ended, in its own words.
func ownStatus(s canon.Stop, raw canon.Text, status, reason string) (string, string) {
	switch word := raw.String(); {
	case word == "incomplete":
		return word, ""
	case s == canon.StopUnset && word != "":
		return word, ""
	case status == "incomplete" && word != "":
		return status, word
	}
	return status, reason
}
