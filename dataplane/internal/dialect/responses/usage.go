package responses

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// counts is a usage object as providers write it: the input holds what came
// from the cache and what was written to it, the output holds the thoughts.
type counts struct {
	input, output, total                       int64
	cached, written, audioIn, imageIn          int64
	reasoning, audioOut, imageOut, writtenHour int64
	searches                                   int64
	cost                                       canon.Raw
	good, counted                              bool
}

// count reads a number of tokens that was passed over; 0 for what is none.
func count(v canon.Raw) int {
	n, err := strconv.Atoi(string(v))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// number reads a count. A negative one, or one that is no number, is no
// report.
func (c *counts) number(s *jsonscan.Scanner, into *int64) bool {
	p, ok := s.Value()
	if !ok {
		return false
	}
	v := p.Of(s.Text())
	if string(v) == "null" {
		return true
	}
	const most = 1 << 50
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 || n > most {
		c.good = false
		return true
	}
	*into = n
	return true
}

// usage reads a usage object; of keys that come twice the last one counts.
func readUsage(s *jsonscan.Scanner, u *canon.Usage) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	start := s.Pos()
	c := counts{good: true}
	ok := s.Object(func(name []byte) bool {
		switch string(name) {
		case "input_tokens":
			c.counted = true
			return c.number(s, &c.input)
		case "output_tokens":
			c.counted = true
			return c.number(s, &c.output)
		case "total_tokens":
			return c.number(s, &c.total)
		case "input_tokens_details":
			return c.details(s, inputDetails[:])
		case "output_tokens_details":
			return c.details(s, outputDetails[:])
		case "server_side_tool_usage_details":
			return c.details(s, toolDetails[:])
		case "cost_in_usd_ticks":
			return c.ticks(s)
		case "num_searches":
			return c.number(s, &c.searches)
		case "cost":
			if k := s.Peek(); k >= '0' && k <= '9' {
				return s.Raw((*[]byte)(&c.cost))
			}
		}
		return s.Skip()
	})
	if !ok || !c.good || !c.counted {
		return ok
	}
	*u = c.usage()
	u.Raw = canon.Raw(s.Text()[start:s.Pos()])
	return true
}

// detail is a count inside of a breakdown.
type detail struct {
	name string
	at   func(c *counts) *int64
}

var (
	inputDetails = [...]detail{
		{"cached_tokens", func(c *counts) *int64 { return &c.cached }},
		{"cache_write_tokens", func(c *counts) *int64 { return &c.written }},
		{"cache_write_hour_tokens", func(c *counts) *int64 { return &c.writtenHour }},
		{"audio_tokens", func(c *counts) *int64 { return &c.audioIn }},
		{"image_tokens", func(c *counts) *int64 { return &c.imageIn }},
	}
	outputDetails = [...]detail{
		{"reasoning_tokens", func(c *counts) *int64 { return &c.reasoning }},
		{"audio_tokens", func(c *counts) *int64 { return &c.audioOut }},
		{"image_tokens", func(c *counts) *int64 { return &c.imageOut }},
	}
	toolDetails = [...]detail{{"web_search_calls", func(c *counts) *int64 { return &c.searches }}}
)

func (c *counts) details(s *jsonscan.Scanner, of []detail) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name []byte) bool {
		for i := range of {
			if string(name) == of[i].name {
				// A detail that is no number is left out; the sums still hold.
				good := c.good
				ok := c.number(s, of[i].at(c))
				c.good = good
				return ok
			}
		}
		return s.Skip()
	})
}

// ticks reads a price in ten-billionths of a dollar, as xAI tells it.
func (c *counts) ticks(s *jsonscan.Scanner) bool {
	var n int64
	good := c.good
	ok := c.number(s, &n)
	if ok && c.good && n > 0 {
		c.cost = append(strconv.AppendInt(nil, n, 10), "e-10"...)
	}
	c.good = good
	return ok
}

// usage makes classes that do not overlap. What the details say beyond the
// sums is not believed.
func (c *counts) usage() canon.Usage {
	rest := c.input
	take := func(n int64) int64 {
		n = min(n, rest)
		rest -= n
		return n
	}
	u := canon.Usage{Reported: true, From: canon.Responses, Searches: c.searches, Cost: c.cost}
	u.CacheRead = take(c.cached)
	if c.written > rest && c.total == c.input+c.written+c.output {
		// Some count what they wrote to the cache beside the input.
		u.CacheWrite = c.written
	} else {
		u.CacheWrite = take(c.written)
	}
	u.CacheWriteHour = min(c.writtenHour, u.CacheWrite)
	u.AudioInput, u.ImageInput = take(c.audioIn), take(c.imageIn)
	u.Input = rest
	out := c.output
	if c.reasoning > 0 && c.total == c.input+c.output+c.reasoning {
		// And some count thoughts beside the output.
		out += c.reasoning
	}
	u.AudioOutput = min(c.audioOut, out)
	u.ImageOutput = min(c.imageOut, out-u.AudioOutput)
	u.Output = out - u.AudioOutput - u.ImageOutput
	u.Reasoning = min(c.reasoning, u.Output)
	return u
}

// appendUsage writes a report; that of the same dialect as it came.
func appendUsage(b []byte, u *canon.Usage) []byte {
	if !u.Reported {
		return append(b, "null"...)
	}
	if u.From == canon.Responses && u.Raw != nil {
		return append(b, u.Raw...)
	}
	b = appendCount(b, `{"input_tokens":`, u.Prompt())
	b = appendCount(b, `,"input_tokens_details":{"cached_tokens":`, u.CacheRead)
	b = appendSome(b, `,"cache_write_tokens":`, u.CacheWrite)
	b = appendSome(b, `,"cache_write_hour_tokens":`, u.CacheWriteHour)
	b = appendSome(b, `,"audio_tokens":`, u.AudioInput)
	b = appendSome(b, `,"image_tokens":`, u.ImageInput)
	b = appendCount(b, `},"output_tokens":`, u.Completion())
	b = appendCount(b, `,"output_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	b = appendSome(b, `,"audio_tokens":`, u.AudioOutput)
	b = appendSome(b, `,"image_tokens":`, u.ImageOutput)
	b = appendCount(b, `},"total_tokens":`, u.Prompt()+u.Completion())
	b = appendSome(b, `,"num_searches":`, u.Searches)
	if u.Cost != nil {
		b = append(append(b, `,"cost":`...), u.Cost...)
	}
	return append(b, '}')
}

func appendCount(b []byte, head string, n int64) []byte {
	return strconv.AppendInt(append(b, head...), n, 10)
}

func appendSome(b []byte, head string, n int64) []byte {
	if n == 0 {
		return b
	}
	return appendCount(b, head, n)
}
