package anthropic

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// report is a usage object as the API writes it. A stream tells its usage in
// pieces: what a later one names replaces what an earlier one said, and is
// never added to it.
type report struct {
	input, cacheRead, cacheWrite, output int64
	write5m, write1h                     int64
	thinking, searches                   int64
	audioIn, imageIn, audioOut, imageOut int64
	// hasWrite says that the sum of cache writes was told, told that anything
	// was, and bad that something was no count.
	hasWrite, told, bad bool
	// compaction is what summing up an overlong conversation took, which the
	// API charges but leaves out of the counts above.
	compaction canon.Usage
	tier       canon.Text
	cost       canon.Raw
	raw        canon.Raw
}

// most bounds a count, so that sums cannot overflow.
const most = 1 << 50

// count reads a number of tokens; null leaves what was told before.
func (r *report) count(s *jsonscan.Scanner, into *int64) (told, ok bool) {
	p, ok := s.Value()
	if !ok {
		return false, false
	}
	b := p.Of(s.Text())
	if string(b) == "null" {
		return false, true
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 || n > most {
		r.bad = true
		return false, true
	}
	*into = n
	return true, true
}

// read reads a usage object over what is known already.
func (r *report) read(s *jsonscan.Scanner) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	start := s.Pos()
	ok := s.Object(func(name []byte) bool {
		var told, ok bool
		switch string(name) {
		case "input_tokens":
			told, ok = r.count(s, &r.input)
		case "output_tokens":
			told, ok = r.count(s, &r.output)
		case "cache_read_input_tokens":
			told, ok = r.count(s, &r.cacheRead)
		case "cache_creation_input_tokens":
			told, ok = r.count(s, &r.cacheWrite)
			r.hasWrite = r.hasWrite || told
		case "cache_creation":
			return r.detail(s, "ephemeral_5m_input_tokens", &r.write5m, "ephemeral_1h_input_tokens", &r.write1h)
		case "server_tool_use":
			return r.detail(s, "web_search_requests", &r.searches, "", nil)
		case "input_tokens_details":
			return r.detail(s, "audio_tokens", &r.audioIn, "image_tokens", &r.imageIn)
		case "output_tokens_details":
			return r.outputDetail(s)
		case "iterations":
			return r.iterations(s)
		case "service_tier":
			return string1(s, &r.tier)
		case "cost":
			return s.Raw((*[]byte)(&r.cost))
		default:
			return s.Skip()
		}
		r.told = r.told || told
		return ok
	})
	r.raw = s.Text()[start:s.Pos()]
	return ok
}

// string1 reads a string and passes over other values.
func string1(s *jsonscan.Scanner, into *canon.Text) bool {
	if s.Peek() != '"' {
		return s.Skip()
	}
	p, _, ok := s.Str()
	if ok {
		*into = p.Of(s.Text())
	}
	return ok
}

func (r *report) detail(s *jsonscan.Scanner, name1 string, into1 *int64, name2 string, into2 *int64) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name []byte) bool {
		var into *int64
		switch string(name) {
		case name1:
			into = into1
		case name2:
			into = into2
		}
		if into == nil {
			return s.Skip()
		}
		_, ok := r.count(s, into)
		return ok
	})
}

func (r *report) outputDetail(s *jsonscan.Scanner) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(func(name []byte) bool {
		into := &r.thinking
		switch string(name) {
		case "thinking_tokens":
		case "audio_tokens":
			into = &r.audioOut
		case "image_tokens":
			into = &r.imageOut
		default:
			return s.Skip()
		}
		_, ok := r.count(s, into)
		return ok
	})
}

// iterations reads what each sampling of an answer took. All but compactions
// are in the sums already, or are of another model than the one that was asked.
func (r *report) iterations(s *jsonscan.Scanner) bool {
	r.compaction = canon.Usage{}
	if s.Peek() != '[' {
		return s.Skip()
	}
	return s.Array(func(int) bool {
		if s.Peek() != '{' {
			return s.Skip()
		}
		var one report
		var typ canon.Text
		ok := s.Object(func(name []byte) bool {
			var ok bool
			switch string(name) {
			case "type":
				return string1(s, &typ)
			case "input_tokens":
				_, ok = one.count(s, &one.input)
			case "output_tokens":
				_, ok = one.count(s, &one.output)
			case "cache_read_input_tokens":
				_, ok = one.count(s, &one.cacheRead)
			case "cache_creation_input_tokens":
				one.hasWrite, ok = one.count(s, &one.cacheWrite)
			case "cache_creation":
				ok = one.detail(s, "ephemeral_5m_input_tokens", &one.write5m, "ephemeral_1h_input_tokens", &one.write1h)
			default:
				ok = s.Skip()
			}
			return ok
		})
		if ok && typ.Is("compaction") && !one.bad {
			c, u := &r.compaction, one.classes()
			c.Input = min(most, c.Input+u.Input)
			c.Output = min(most, c.Output+u.Output)
			c.CacheRead = min(most, c.CacheRead+u.CacheRead)
			c.CacheWrite = min(most, c.CacheWrite+u.CacheWrite)
			c.CacheWriteHour = min(most, c.CacheWriteHour+u.CacheWriteHour)
		}
		return ok
	})
}

// classes gives the counts in classes that do not overlap.
func (r *report) classes() canon.Usage {
	u := canon.Usage{
		CacheRead: r.cacheRead, CacheWrite: r.cacheWrite, Searches: r.searches,
		AudioInput: min(r.audioIn, r.input), AudioOutput: min(r.audioOut, r.output),
	}
	if !r.hasWrite {
		u.CacheWrite = r.write5m + r.write1h
	}
	u.CacheWriteHour = min(r.write1h, u.CacheWrite)
	u.ImageInput = min(r.imageIn, r.input-u.AudioInput)
	u.ImageOutput = min(r.imageOut, r.output-u.AudioOutput)
	u.Input = r.input - u.AudioInput - u.ImageInput
	u.Output = r.output - u.AudioOutput - u.ImageOutput
	u.Reasoning = min(r.thinking, u.Output)
	return u
}

// usage gives the report in canon's form.
func (r *report) usage() canon.Usage {
	if !r.told || r.bad {
		return canon.Usage{}
	}
	u := r.classes()
	u.Input += r.compaction.Input
	u.Output += r.compaction.Output
	u.CacheRead += r.compaction.CacheRead
	u.CacheWrite += r.compaction.CacheWrite
	u.CacheWriteHour += r.compaction.CacheWriteHour
	u.Reported, u.Cost = true, r.cost
	u.Raw, u.From = r.raw, canon.Anthropic
	return u
}

// says reports whether a usage object tells all of u by itself: the last of a
// stream may name only what changed.
func says(raw canon.Raw, u *canon.Usage) bool {
	var s jsonscan.Scanner
	var r report
	s.Reset(raw)
	if !r.read(&s) {
		return false
	}
	v := r.usage()
	v.Raw, v.From, v.Cost = u.Raw, u.From, u.Cost
	return u.Cost == nil && sameCounts(&v, u)
}

func sameCounts(a, b *canon.Usage) bool {
	return a.Input == b.Input && a.CacheRead == b.CacheRead && a.CacheWrite == b.CacheWrite &&
		a.CacheWriteHour == b.CacheWriteHour && a.Output == b.Output && a.Reasoning == b.Reasoning &&
		a.AudioInput == b.AudioInput && a.AudioOutput == b.AudioOutput && a.ImageInput == b.ImageInput &&
		a.ImageOutput == b.ImageOutput && a.Searches == b.Searches
}

// appendUsage writes a usage object. One of this dialect stays as it is.
func appendUsage(b []byte, u *canon.Usage, tier canon.Text) []byte {
	if u.From == canon.Anthropic && u.Raw != nil && says(u.Raw, u) {
		var s jsonscan.Scanner
		if tier != nil && member(&s, u.Raw, "service_tier") == nil {
			b = append(b, u.Raw[:len(u.Raw)-1]...)
			b = append(b, `,"service_tier":`...)
			return append(append(b, tier...), '}')
		}
		return append(b, u.Raw...)
	}
	b = appendCount(append(b, '{'), `"input_tokens":`, u.Input+u.AudioInput+u.ImageInput)
	b = appendCount(b, `,"cache_creation_input_tokens":`, u.CacheWrite)
	b = appendCount(b, `,"cache_read_input_tokens":`, u.CacheRead)
	if u.CacheWrite > 0 {
		b = appendCount(b, `,"cache_creation":{"ephemeral_5m_input_tokens":`, u.CacheWrite-u.CacheWriteHour)
		b = appendCount(b, `,"ephemeral_1h_input_tokens":`, u.CacheWriteHour)
		b = append(b, '}')
	}
	b = appendCount(b, `,"output_tokens":`, u.Completion())
	if u.AudioInput > 0 || u.ImageInput > 0 {
		b = appendCount(b, `,"input_tokens_details":{"audio_tokens":`, u.AudioInput)
		b = append(appendCount(b, `,"image_tokens":`, u.ImageInput), '}')
	}
	if u.Reasoning > 0 || u.AudioOutput > 0 || u.ImageOutput > 0 {
		b = appendCount(b, `,"output_tokens_details":{"thinking_tokens":`, u.Reasoning)
		if u.AudioOutput > 0 || u.ImageOutput > 0 {
			b = appendCount(b, `,"audio_tokens":`, u.AudioOutput)
			b = appendCount(b, `,"image_tokens":`, u.ImageOutput)
		}
		b = append(b, '}')
	}
	if u.Searches > 0 {
		b = append(appendCount(b, `,"server_tool_use":{"web_search_requests":`, u.Searches), '}')
	}
	if tier != nil {
		b = append(append(b, `,"service_tier":`...), tier...)
	}
	if u.Cost != nil {
		b = append(append(b, `,"cost":`...), u.Cost...)
	}
	return append(b, '}')
}

func appendCount(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}
