package openai

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// report is what a usage object says, in its own overlapping counts.
type report struct {
	prompt, completion, total   int64
	cached, written, writtenHr  int64
	reasoning, audioIn, imageIn int64
	audioOut, imageOut          int64
	searches                    int64
	cost, ticks                 canon.Raw
	bad, counted                bool
}

// reportFields are the counts by name, in the object itself and in its
// details. Where providers have several names for one count, the greatest
// holds.
var reportFields = []struct {
	name string
	at   func(r *report) *int64
}{
	{"prompt_tokens", func(r *report) *int64 { r.counted = true; return &r.prompt }},
	{"completion_tokens", func(r *report) *int64 { return &r.completion }},
	{"total_tokens", func(r *report) *int64 { return &r.total }},
	{"prompt_cache_hit_tokens", func(r *report) *int64 { return &r.cached }},
	{"num_cached_tokens", func(r *report) *int64 { return &r.cached }},
	{"cached_tokens", func(r *report) *int64 { return &r.cached }},
	{"cache_read_input_tokens", func(r *report) *int64 { return &r.cached }},
	{"cache_creation_input_tokens", func(r *report) *int64 { return &r.written }},
	{"reasoning_tokens", func(r *report) *int64 { return &r.reasoning }},
	{"num_search_queries", func(r *report) *int64 { return &r.searches }},
	{"num_sources_used", func(r *report) *int64 { return &r.searches }},
}

var promptFields = []struct {
	name string
	at   func(r *report) *int64
}{
	{"cached_tokens", func(r *report) *int64 { return &r.cached }},
	{"audio_tokens", func(r *report) *int64 { return &r.audioIn }},
	{"image_tokens", func(r *report) *int64 { return &r.imageIn }},
	{"cache_write_tokens", func(r *report) *int64 { return &r.written }},
	{"cache_write_1h_tokens", func(r *report) *int64 { return &r.writtenHr }},
}

var completionFields = []struct {
	name string
	at   func(r *report) *int64
}{
	{"reasoning_tokens", func(r *report) *int64 { return &r.reasoning }},
	{"audio_tokens", func(r *report) *int64 { return &r.audioOut }},
	{"image_tokens", func(r *report) *int64 { return &r.imageOut }},
}

// readReport reads a usage object that was passed over already.
func readReport(s *jsonscan.Scanner, raw canon.Raw, u *canon.Usage) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var r report
	s.Reset(raw)
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok {
			return
		}
		if !more {
			break
		}
		if !r.field(s, s.Name(key, escaped, &buf)) {
			return
		}
	}
	if r.bad || !r.counted {
		return
	}
	r.classes(u)
	u.Raw, u.From = raw, canon.OpenAIChat
}

func (r *report) field(s *jsonscan.Scanner, name []byte) bool {
	switch string(name) {
	case "prompt_tokens_details":
		return r.details(s, promptFields)
	case "completion_tokens_details":
		return r.details(s, completionFields)
	case "cost":
		return r.costs(s)
	case "cost_in_usd_ticks":
		p, ok := s.Value()
		r.ticks = notNull(p.Of(s.Text()))
		return ok
	}
	for i := range reportFields {
		if f := &reportFields[i]; string(name) == f.name {
			good, ok := most(s, f.at(r))
			// Only what the sums are made of makes the report worthless.
			r.bad = r.bad || !good && i < 2
			return ok
		}
	}
	return s.Skip()
}

// most reads a count that replaces a smaller one.
func most(s *jsonscan.Scanner, into *int64) (good, ok bool) {
	n := int64(-1)
	good, ok = count(s, &n)
	*into = max(*into, n)
	return good, ok
}

func (r *report) details(s *jsonscan.Scanner, fields []struct {
	name string
	at   func(r *report) *int64
}) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok || !more {
			return ok
		}
		name, into := s.Name(key, escaped, &buf), (*int64)(nil)
		for i := range fields {
			if string(name) == fields[i].name {
				into = fields[i].at(r)
			}
		}
		if into == nil {
			ok = s.Skip()
		} else {
			_, ok = most(s, into)
		}
		if !ok {
			return false
		}
	}
}

// costs reads what the provider charges: a number, or Perplexity's object.
func (r *report) costs(s *jsonscan.Scanner) bool {
	if s.Peek() != '{' {
		p, ok := s.Value()
		r.cost = notNull(p.Of(s.Text()))
		return ok
	}
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok || !more {
			return ok
		}
		total := string(s.Name(key, escaped, &buf)) == "total_cost"
		p, ok := s.Value()
		if !ok {
			return false
		}
		if total {
			r.cost = notNull(p.Of(s.Text()))
		}
	}
}

// classes turns the counts into classes that do not overlap; none is negative
// and together they are what was reported.
func (r *report) classes(u *canon.Usage) {
	*u = canon.Usage{Reported: true}
	left := r.prompt
	take := func(n int64) int64 {
		n = min(n, left)
		left -= n
		return n
	}
	u.CacheRead = take(r.cached)
	u.CacheWrite = take(max(r.written, r.writtenHr))
	u.CacheWriteHour = min(r.writtenHr, u.CacheWrite)
	u.AudioInput = take(r.audioIn)
	u.ImageInput = take(r.imageIn)
	u.Input = left

	left = r.completion
	if r.reasoning > 0 && r.total == r.prompt+r.completion+r.reasoning {
		// Some providers count reasoning beside the completion.
		left += r.reasoning
	}
	u.AudioOutput = take(r.audioOut)
	u.ImageOutput = take(r.imageOut)
	u.Output = left
	u.Reasoning = min(r.reasoning, u.Output)
	u.Searches = r.searches
	if u.Cost = number(r.cost); u.Cost == nil {
		u.Cost = dollars(r.ticks)
	}
}

// number lets through what is a number that is not negative.
func number(v canon.Raw) canon.Raw {
	if len(v) == 0 || v[0] < '0' || v[0] > '9' {
		return nil
	}
	return v
}

// dollars turns xAI's ticks, of which a dollar has 10¹⁰, into dollars.
func dollars(ticks canon.Raw) canon.Raw {
	const digits = 10
	n, ok := integer(ticks)
	if !ok || n < 0 {
		return nil
	}
	b := bytes.Repeat([]byte{'0'}, max(0, digits+1-len(ticks)))
	b = append(b, ticks...)
	point := len(b) - digits
	return append(append(append(canon.Raw(nil), b[:point]...), '.'), b[point:]...)
}

// appendReport writes a usage object: the provider's own if it was in this
// dialect, else the classes in its overlapping counts.
func appendReport(b []byte, u *canon.Usage) []byte {
	if u.Raw != nil && u.From == canon.OpenAIChat {
		return appendOneLine(b, u.Raw)
	}
	in, out := u.Prompt(), u.Completion()
	b = appendCount(append(b, '{'), `"prompt_tokens":`, in)
	b = appendCount(b, `,"completion_tokens":`, out)
	b = appendCount(b, `,"total_tokens":`, in+out)
	b = appendCount(b, `,"prompt_tokens_details":{"cached_tokens":`, u.CacheRead)
	b = appendCount(b, `,"audio_tokens":`, u.AudioInput)
	b = appendSome(b, `,"cache_write_tokens":`, u.CacheWrite)
	b = appendSome(b, `,"cache_write_1h_tokens":`, u.CacheWriteHour)
	b = appendSome(b, `,"image_tokens":`, u.ImageInput)
	b = appendCount(b, `},"completion_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	b = appendCount(b, `,"audio_tokens":`, u.AudioOutput)
	b = appendSome(b, `,"image_tokens":`, u.ImageOutput)
	b = append(b, '}')
	b = appendSome(b, `,"num_search_queries":`, u.Searches)
	if u.Cost != nil {
		b = appendField(b, "cost", u.Cost)
	}
	return append(b, '}')
}

func appendCount(b []byte, name string, n int64) []byte {
	return appendInt(append(b, name...), int(n))
}

func appendSome(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return appendCount(b, name, n)
}
