package openai

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// head is what a whole answer and each chunk of a stream say of themselves.
type head struct {
	id, model, tier, fingerprint canon.Text
	created                      int64
	usage                        canon.Raw
	citations, results           canon.Raw
	failed, hasChoices           bool
}

// answerReader reads answers and chunks.
type answerReader struct {
	walk
	head head
	read []choice
}

// object reads one answer or chunk.
func (r *answerReader) object(body []byte) bool {
	r.head, r.read = head{}, r.read[:0]
	r.at = place{}
	r.s.Reset(body)
	if !r.s.Open('{') {
		return false
	}
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok {
			return false
		}
		if !more {
			return r.s.End()
		}
		if string(name) == "choices" {
			ok = r.choices()
		} else {
			ok = r.field(name)
		}
		if !ok {
			return false
		}
	}
}

func (r *answerReader) field(name []byte) bool {
	h := &r.head
	switch string(name) {
	case "id":
		return r.text(&h.id, "id")
	case "model":
		return r.text(&h.model, "model")
	case "object":
		var t canon.Text
		ok := r.text(&t, "object")
		h.failed = h.failed || t.Is("error")
		return ok
	case "created":
		var v canon.Raw
		ok := r.raw(&v)
		h.created, _ = integer(v)
		return ok
	case "service_tier":
		return r.text(&h.tier, "service_tier")
	case "system_fingerprint":
		return r.text(&h.fingerprint, "system_fingerprint")
	case "usage":
		var v canon.Raw
		ok := r.raw(&v)
		if v != nil {
			h.usage = v
		}
		return ok
	case "x_groq":
		return r.groq()
	case "citations":
		return r.raw(&h.citations)
	case "search_results":
		return r.raw(&h.results)
	case "error":
		c := r.s.Peek()
		h.failed = h.failed || c == '{' || c == '"'
		return r.s.Skip()
	}
	return r.unknown(name)
}

// groq reads what Groq says beside the format: in streams, usage once stood
// there alone.
func (r *answerReader) groq() bool {
	var v canon.Raw
	if !r.raw(&v) {
		return false
	}
	if len(v) > 0 && v[0] == '{' {
		f, ok := r.pick(v, quiet, "usage")
		if !ok {
			return false
		}
		if r.head.usage == nil {
			r.head.usage = f[0]
		}
	}
	return r.keep("x_groq", "x_groq", v)
}

func (r *answerReader) choices() bool {
	if r.s.Peek() != '[' {
		return r.s.Skip()
	}
	r.head.hasChoices = true
	r.s.Open('[')
	for i := 0; ; i++ {
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.at = place{}
			return ok
		}
		if i >= maxChoices || !r.s.Open('{') {
			return false
		}
		r.at = place{list: "choices", i: i}
		r.read = append(r.read, choice{})
		if !r.one(&r.read[i], i) {
			return false
		}
	}
}

// choice is what was read of one.
type choice struct {
	index    int
	message  message
	parts    []canon.Part
	notes    []note
	finish   finishing
	logprobs canon.Raw
	usage    canon.Raw
	told     bool // that a message or delta was read
}

// one reads a choice; its brace is open.
func (r *answerReader) one(c *choice, i int) bool {
	c.index = i
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || !more {
			return ok
		}
		switch string(name) {
		case "index":
			var v canon.Raw
			ok = r.raw(&v)
			if n, good := integer(v); good && n >= 0 && n < maxChoices {
				c.index = int(n)
			}
		case "message", "delta":
			ok = r.said(c, name[0] == 'd')
		case "finish_reason":
			ok = r.text(&c.finish.reason, "finish_reason")
			if c.finish.reason.Is("null") {
				// Alibaba's older endpoints write the word while there is more.
				c.finish.reason = nil
			}
		case "native_finish_reason":
			ok = r.text(&c.finish.native, "native_finish_reason")
		case "stop_reason":
			ok = r.text(&c.finish.sequence, "stop_reason")
		case "logprobs":
			ok = r.raw(&c.logprobs)
		case "native_logprobs":
			ok = r.raw(&c.logprobs)
		case "usage":
			ok = r.raw(&c.usage)
		default:
			ok = r.unknown(name)
		}
		if !ok {
			return false
		}
	}
}

// said reads what a choice says. Perplexity gives both: in a stream the message
// repeats all that was said so far, in a whole answer the delta is empty.
func (r *answerReader) said(c *choice, delta bool) bool {
	if c.told && delta != r.quick {
		return r.s.Skip()
	}
	if r.s.Peek() == '{' {
		c.message, c.told = message{}, true
	}
	r.at.mid = ".message"
	var ok bool
	c.parts, ok = r.walk.message(&c.message)
	c.notes = r.notes
	r.at.mid = ""
	return ok
}

// maxChoices bounds the answers in one.
const maxChoices = 128

// ReadAnswer reads a provider's whole answer.
func (f Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	r := &answerReader{walk: walk{lax: true}}
	*a = canon.Answer{From: canon.OpenAIChat}
	ok := r.object(body)
	h := &r.head
	switch {
	case !ok:
		return fault.New(fault.UpstreamGarbage, "", errNotAnswer)
	case h.failed && !h.hasChoices:
		return openaierror.Inside(body)
	case !h.hasChoices:
		return fault.New(fault.UpstreamGarbage, "", errors.New("body has no choices"))
	}
	a.ID, a.Model, a.Created = h.id, h.model, h.created
	a.ServiceTier, a.Fingerprint = h.tier, h.fingerprint
	a.Choices = make([]canon.Choice, len(r.read))
	for i := range a.Choices {
		a.Choices[i] = answered(&r.read[i])
		if h.usage == nil {
			h.usage = r.read[i].usage
		}
		for k := range a.Choices[i].Parts {
			if p := &a.Choices[i].Parts[k]; p.Kind == canon.ToolCallPart {
				nameCall(p, h.created, k)
			}
		}
	}
	readReport(&r.sub, h.usage, &a.Usage)
	r.sources(a)
	a.Extra = r.extra
	return nil
}

var errNotAnswer = errors.New("body is not an answer of chat completions")

// answered makes a choice of what was read.
func answered(c *choice) canon.Choice {
	fin := &c.finish
	parts := withoutEmpty(c.parts)
	for i := range parts {
		p := &parts[i]
		fin.refused = fin.refused || p.Kind == canon.RefusalPart
		if p.Kind == canon.ToolCallPart {
			fin.called = true
		}
	}
	out := canon.Choice{Index: c.index, Parts: parts, Stop: fin.stop(), LogProbs: c.logprobs}
	out.StopText, out.StopRaw = fin.sequence, fin.reason
	return out
}

// nameCall gives a call an id that has none: results refer to it.
func nameCall(p *canon.Part, created int64, i int) {
	if p.ID.Empty() {
		b := appendCount([]byte(`"call_`), "", created)
		p.ID = append(appendCount(b, "_", int64(i)), '"')
	}
}

// sources adds the pages that Perplexity and others list beside the answer to
// its first text, unless it has notes of its own.
func (r *answerReader) sources(a *canon.Answer) {
	if len(a.Choices) == 0 {
		return
	}
	parts := a.Choices[0].Parts
	for i := range parts {
		if p := &parts[i]; p.Kind == canon.TextPart && p.Citations == nil {
			p.Citations = r.pages(r.head.citations, r.head.results)
			return
		}
	}
}

// pages reads lists of addresses and of search results with titles.
func (r *walk) pages(citations, results canon.Raw) (list []canon.Citation) {
	if len(citations) > 0 && citations[0] == '[' {
		r.each(citations, func(v canon.Raw) bool {
			if url := asText(v); url != nil {
				list = append(list, canon.Citation{URL: url, Raw: v, From: canon.OpenAIChat})
			}
			return true
		})
	}
	if len(results) == 0 || results[0] != '[' {
		return list
	}
	known := len(list)
	r.each(results, func(v canon.Raw) bool {
		f, ok := r.pick(v, quiet, "url", "title")
		url := asText(f[0])
		if !ok || url == nil {
			return true
		}
		for i := range list[:min(known, maxTitled)] {
			if bytes.Equal(list[i].URL, url) {
				list[i].Title = asText(f[1])
				return true
			}
		}
		if known == 0 {
			list = append(list, canon.Citation{URL: url, Title: asText(f[1]), Raw: v, From: canon.OpenAIChat})
		}
		return true
	})
	return list
}

// maxTitled bounds the sources that are looked through for each title.
const maxTitled = 256
