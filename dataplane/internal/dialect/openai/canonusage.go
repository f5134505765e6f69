package openai

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// counts are what a usage object counts, overlapping as they stand in it.
type counts struct {
	prompt, completion, total   int64
	cached, written, writtenHr  int64
	reasoning, audioIn, imageIn int64
	audioOut, imageOut          int64
	searches                    int64
}

// report is what a usage object says.
type report struct {
	counts
	cost, ticks  canon.Raw
	bad, counted bool
}

// place is where a count of the object itself stands. Where providers have
// several names for one count, the greatest holds. Switches and not tables of
// functions, so that a report can lie on the stack.
func (r *report) place(name []byte) *int64 {
	switch string(name) {
	case "prompt_tokens":
		r.counted = true
		return &r.prompt
	case "completion_tokens":
		return &r.completion
	case "total_tokens":
		return &r.total
	case "prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cached_prompt_text_tokens", "cache_read_input_tokens":
		return &r.cached
	case "cache_creation_input_tokens":
		return &r.written
	case "reasoning_tokens":
		return &r.reasoning
	case "num_search_queries", "num_sources_used":
		return &r.searches
	}
	return nil
}

// promptPlace is place within the details of the prompt.
func (r *report) promptPlace(name []byte) *int64 {
	switch string(name) {
	case "cached_tokens":
		return &r.cached
	case "audio_tokens":
		return &r.audioIn
	case "image_tokens":
		return &r.imageIn
	case "cache_write_tokens", "cache_creation_input_tokens":
		return &r.written
	case "cache_write_1h_tokens", "ephemeral_1h_input_tokens":
		return &r.writtenHr
	}
	return nil
}

// completionPlace is place within the details of the completion.
func (r *report) completionPlace(name []byte) *int64 {
	switch string(name) {
	case "reasoning_tokens":
		return &r.reasoning
	case "audio_tokens":
		return &r.audioOut
	case "image_tokens":
		return &r.imageOut
	}
	return nil
}

// readReport reads a usage object that was passed over already.
func readReport(s *jsonscan.Scanner, raw canon.Raw, u *canon.Usage) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var r report
	s.Reset(raw)
	if !r.read(s) {
		return
	}
	if r.bad || !r.counted {
		return
	}
	r.classes(u)
	if u.Cost = number(r.cost); u.Cost == nil {
		u.Cost = dollars(r.ticks)
	}
	u.Raw, u.From = raw, canon.OpenAIChat
}

// read reads the object that s stands before.
func (r *report) read(s *jsonscan.Scanner) bool {
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok || !more {
			return ok
		}
		if !r.field(s, s.Name(key, escaped, &buf)) {
			return false
		}
	}
}

func (r *report) field(s *jsonscan.Scanner, name []byte) bool {
	switch string(name) {
	case "prompt_tokens_details":
		return r.details(s, true)
	case "completion_tokens_details":
		return r.details(s, false)
	case "cost":
		return r.costs(s)
	case "cost_in_usd_ticks":
		p, ok := s.Value()
		r.ticks = notNull(p.Of(s.Text()))
		return ok
	}
	into := r.place(name)
	if into == nil {
		return s.Skip()
	}
	good, ok := most(s, into)
	// Only what the sums are made of makes the report worthless.
	r.bad = r.bad || !good && (into == &r.prompt || into == &r.completion)
	return ok
}

// most reads a count that replaces a smaller one.
func most(s *jsonscan.Scanner, into *int64) (good, ok bool) {
	n := int64(-1)
	good, ok = count(s, &n)
	*into = max(*into, n)
	return good, ok
}

func (r *report) details(s *jsonscan.Scanner, prompt bool) bool {
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
		if prompt && string(name) == "cache_creation" {
			// Alibaba tells what it wrote once more by how long it is kept.
			if !r.details(s, true) {
				return false
			}
			continue
		}
		if prompt {
			into = r.promptPlace(name)
		} else {
			into = r.completionPlace(name)
		}
		if into == nil {
			ok = s.Skip()
		} else {
			// A detail that is no number is left out; the sums still hold.
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
func (r *counts) classes(u *canon.Usage) {
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
