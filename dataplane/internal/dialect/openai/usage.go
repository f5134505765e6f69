package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
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
func count(s *jsonscan.Scanner, into *int64) (good, ok bool) {
	p, ok := s.Value()
	if !ok {
		return false, false
	}
	b := p.Of(s.Text())
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
func readUsage(s *jsonscan.Scanner, u *Usage) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	*u = Usage{}
	good, counted := true, false
	ok := s.Object(func(name []byte) bool {
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
			return details(s, &u.cached, &u.audioIn, nil)
		case "completion_tokens_details":
			return details(s, nil, &u.audioOut, &u.reasoning)
		default:
			return s.Skip()
		}
		g, ok := count(s, into)
		good = good && g
		return ok
	})
	u.Reported = good && counted
	return ok
}

// details reads the breakdown of prompt or completion tokens.
func details(s *jsonscan.Scanner, cached, audio, reasoning *int64) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name []byte) bool {
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
			return s.Skip()
		}
		// A detail that is no number is left out; the sums still hold.
		_, ok := count(s, into)
		return ok
	})
}
