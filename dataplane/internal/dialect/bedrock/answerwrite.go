package bedrock

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendAnswer writes a whole answer. The API knows one choice.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	var first canon.Choice
	if len(a.Choices) > 0 {
		first = a.Choices[0]
	}
	b = append(b, `{"output":{"message":{"role":"assistant","content":[`...)
	for i := range first.Parts {
		p := &first.Parts[i]
		if p.Kind == canon.OpaquePart && p.From != canon.Bedrock {
			continue
		}
		b = appendPart(comma(b), p)
	}
	b = append(b, `]}},"stopReason":`...)
	b = append(b, reasonOf(first.Stop, first.StopRaw, a.From)...)
	if a.Usage.Reported {
		b = appendUsage(append(b, `,"usage":`...), &a.Usage)
	}
	if a.From == canon.Bedrock {
		for _, f := range a.Extra {
			b = append(append(canon.AppendQuoted(append(b, ','), f.Name), ':'), f.Value...)
		}
	} else if first.StopText != nil {
		b = append(append(append(b, `,"additionalModelResponseFields":{"stop_sequence":`...), first.StopText...), '}')
	}
	if a.ServiceTier != nil {
		b = append(append(append(b, `,"serviceTier":{"type":`...), a.ServiceTier...), '}')
	}
	return append(b, '}')
}

func appendPart(b []byte, p *canon.Part) []byte {
	switch p.Kind {
	case canon.OpaquePart:
		return append(b, p.Raw...)
	case canon.ReasoningPart:
		return appendThought(b, p)
	case canon.ToolCallPart:
		b = appendText(append(b, `{"toolUse":{"toolUseId":`...), p.ID)
		b = appendText(append(b, `,"name":`...), p.Name)
		b = append(b, `,"input":`...)
		return append(appendInput(b, p), "}}"...)
	case canon.ImagePart, canon.DocumentPart, canon.VideoPart, canon.AudioPart:
		b = append(append(append(b, `{"`...), mediaName(p.Kind)...), `":{"format":`...)
		b = canon.AppendQuoted(b, formatOf(p.Kind, &p.Media))
		if p.Media.URL != nil {
			b = append(append(append(b, `,"source":{"s3Location":{"uri":`...), p.Media.URL...), "}}"...)
		} else {
			b = append(appendText(append(b, `,"source":{"bytes":`...), p.Media.Data), '}')
		}
		return append(b, "}}"...)
	}
	if len(p.Citations) == 0 {
		return append(appendText(append(b, `{"text":`...), p.Text), '}')
	}
	b = append(b, `{"citationsContent":{"content":[{"text":`...)
	b = append(appendText(b, p.Text), `}],"citations":[`...)
	for i := range p.Citations {
		b = appendCitation(comma(b), &p.Citations[i])
	}
	return append(b, "]}}"...)
}

func appendCitation(b []byte, c *canon.Citation) []byte {
	if c.From == canon.Bedrock && c.Raw != nil {
		return append(b, c.Raw...)
	}
	b = append(b, '{')
	if c.Title != nil {
		b = append(append(comma(b), `"title":`...), c.Title...)
	}
	if c.Quote != nil {
		b = append(append(append(comma(b), `"sourceContent":[{"text":`...), c.Quote...), "}]"...)
	}
	if c.URL != nil {
		b = append(append(append(comma(b), `"location":{"web":{"url":`...), c.URL...), "}}"...)
	}
	return append(b, '}')
}

// appendInput writes a call's arguments; what is no JSON becomes a string.
func appendInput(b []byte, p *canon.Part) []byte {
	args := bytes.TrimSpace(p.Args)
	switch {
	case p.Custom:
		if len(args) == 0 {
			args = []byte(`""`)
		}
		return append(append(append(b, `{"input":`...), args...), '}')
	case len(args) == 0:
		return append(b, "{}"...)
	case args[0] != '"' && isJSON(args):
		return append(b, args...)
	}
	return canon.AppendQuoted(b, string(args))
}

// appendUsage writes a report. One of this dialect stays as it is.
func appendUsage(b []byte, u *canon.Usage) []byte {
	if u.From == canon.Bedrock && u.Raw != nil {
		return append(b, u.Raw...)
	}
	input := u.Input + u.AudioInput + u.ImageInput
	b = appendCount(b, `{"inputTokens":`, input)
	b = appendCount(b, `,"outputTokens":`, u.Completion())
	b = appendCount(b, `,"totalTokens":`, u.Prompt()+u.Completion())
	if u.CacheRead > 0 || u.CacheWrite > 0 {
		b = appendCount(b, `,"cacheReadInputTokens":`, u.CacheRead)
		b = appendCount(b, `,"cacheWriteInputTokens":`, u.CacheWrite)
	}
	if u.CacheWriteHour > 0 {
		b = append(appendCount(b, `,"cacheDetails":[{"ttl":"1h","inputTokens":`, u.CacheWriteHour), "}]"...)
	}
	return append(b, '}')
}
