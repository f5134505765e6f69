package openai

import (
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Usage is what a provider reported. It is plain numbers, so that reading a
// chunk of a stream allocates nothing.
type Usage struct {
	// Reported says that there was a usage object that could be read.
	Reported bool

	prompt, completion, total int64
	cached, cacheHit          int64
	audioIn, audioOut         int64
	reasoning                 int64
}

// Tokens turns the provider's overlapping counts into classes that do not
// overlap.
func (u *Usage) Tokens(t *usagev1.Tokens) {
	cached := max(u.cached, u.cacheHit)
	cached = min(cached, u.prompt)
	audioIn := min(u.audioIn, u.prompt-cached)
	completion := u.completion
	if u.reasoning > 0 && u.total == u.prompt+u.completion+u.reasoning {
		// Some providers count reasoning beside the completion.
		completion += u.reasoning
	}
	audioOut := min(u.audioOut, completion)
	t.Input = u.prompt - cached - audioIn
	t.CacheRead = cached
	t.AudioInput = audioIn
	t.AudioOutput = audioOut
	t.Output = completion - audioOut
	t.Reasoning = min(u.reasoning, t.Output)
}

// count reads a number of tokens; what is negative or no number is no report.
func (s *scanner) count(into *int64) (good, ok bool) {
	p, ok := s.value()
	if !ok {
		return false, false
	}
	b := p.of(s.b)
	if string(b) == "null" {
		return true, true
	}
	n, isInt := integer(b)
	const most = 1 << 50
	if !isInt || n < 0 || n > most {
		return false, true
	}
	*into = n
	return true, true
}

// usage reads a usage object. Keys that come twice: the last one counts.
func (s *scanner) usage(u *Usage) bool {
	if s.ws() != '{' {
		return s.skip()
	}
	*u = Usage{}
	good, counted := true, false
	ok := s.object(func(name []byte) bool {
		var into *int64
		switch string(name) {
		case "prompt_tokens":
			into, counted = &u.prompt, true
		case "completion_tokens":
			into = &u.completion
		case "total_tokens":
			into = &u.total
		case "prompt_cache_hit_tokens":
			into = &u.cacheHit
		case "prompt_tokens_details":
			return s.details(&u.cached, &u.audioIn, nil)
		case "completion_tokens_details":
			return s.details(nil, &u.audioOut, &u.reasoning)
		default:
			return s.skip()
		}
		g, ok := s.count(into)
		good = good && g
		return ok
	})
	u.Reported = good && counted
	return ok
}

// details reads the breakdown of prompt or completion tokens.
func (s *scanner) details(cached, audio, reasoning *int64) bool {
	if s.ws() != '{' {
		return s.skip()
	}
	return s.object(func(name []byte) bool {
		var into *int64
		switch string(name) {
		case "cached_tokens":
			into = cached
		case "audio_tokens":
			into = audio
		case "reasoning_tokens":
			into = reasoning
		}
		if into == nil {
			return s.skip()
		}
		// A detail that is no number is left out; the sums still hold.
		_, ok := s.count(into)
		return ok
	})
}

// object walks the object that starts here; each is called in front of every
// value and reads it.
func (s *scanner) object(each func(name []byte) bool) bool {
	if !s.open('{') {
		return false
	}
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.member(first)
		if !ok || !more {
			return ok
		}
		if !each(s.name(key, escaped, &buf)) {
			return false
		}
	}
}
