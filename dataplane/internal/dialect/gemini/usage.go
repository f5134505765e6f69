package gemini

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// Counts of usageMetadata. The last three are ours: of answers from elsewhere.
const (
	countPrompt = iota
	countCandidates
	countThoughts
	countCached
	countToolUse
	countCacheWrite
	countCacheWriteHour
	countSearches
	countPlain         // how many of them are plain counts
	countPromptDetails = iota - 1
	countCandidatesDetails
	countCacheDetails
	countTier
	countTraffic
)

var usageNames = []string{
	"promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount",
	"cacheWriteTokenCount", "cacheWriteHourTokenCount", "webSearchCount",
	"promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails", "serviceTier", "trafficType",
}

// counts is what a report says.
type counts struct {
	n [countPlain]int64
	// audio and image of the prompt, the candidates and the cache.
	audio, image [3]int64
	tier         canon.Text
	reported     bool
}

// usage reads a report. Each chunk of a stream may hold one, of which the last
// counts; the first ones often lack the counts.
func (r *reader) usage(u *canon.Usage) (tier canon.Text) {
	r.s.Peek()
	start := r.s.Pos()
	var c counts
	good := true
	for o := r.object(); r.next(&o, usageNames); {
		switch {
		case o.field >= 0 && o.field < countPlain:
			n, ok := r.count()
			good = good && ok
			c.n[o.field] = n
			c.reported = c.reported || o.field == countPrompt
		case o.field >= countPromptDetails && o.field <= countCacheDetails:
			r.details(&c, o.field-countPromptDetails)
		case o.field == countTier:
			if r.s.Peek() == '"' {
				r.text(&c.tier)
			} else {
				r.skip()
			}
		case o.field == countTraffic:
			if t := tierOfTraffic(r.value()); t != nil && c.tier == nil {
				c.tier = t
			}
		default:
			r.skip()
		}
	}
	if r.bad != nil || !c.reported || !good {
		return tierOf(c.tier)
	}
	*u = canon.Usage{Reported: true, Raw: r.s.Text()[start:r.s.Pos()], From: canon.Gemini}
	c.classes(u)
	return tierOf(c.tier)
}

// tierOfTraffic is the tier that Vertex AI tells by the type of traffic; nil
// for the standard one.
func tierOfTraffic(traffic []byte) canon.Text {
	switch string(traffic) {
	case `"ON_DEMAND_PRIORITY"`:
		return canon.Text(`"priority"`)
	case `"ON_DEMAND_FLEX"`:
		return canon.Text(`"flex"`)
	case `"PROVISIONED_THROUGHPUT"`:
		return canon.Text(`"provisioned_throughput"`)
	}
	return nil
}

// count reads a number of tokens. What is no count is no report.
func (r *reader) count() (int64, bool) {
	v := r.value()
	if r.bad != nil {
		return 0, false
	}
	if string(v) == "null" {
		return 0, true
	}
	v = bytes.Trim(v, `"`)
	const most = 1 << 50
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0 && n <= most
}

var detailNames = []string{"modality", "tokenCount"}

func (r *reader) details(c *counts, which int) {
	if r.s.Peek() != '[' {
		r.skip()
		return
	}
	for a := r.array(); r.element(&a); {
		var modality []byte
		var n int64
		for o := r.object(); r.next(&o, detailNames); {
			switch o.field {
			case 0:
				modality = r.value()
			case 1:
				n, _ = r.count()
				n = max(n, 0)
			default:
				r.skip()
			}
		}
		switch string(modality) {
		case `"AUDIO"`:
			c.audio[which] = n
		case `"IMAGE"`:
			c.image[which] = n
		}
	}
}

// classes sorts the counts. The prompt includes what came from the cache, but
// not what tools of Google's read; candidates exclude thoughts.
func (c *counts) classes(u *canon.Usage) {
	prompt := c.n[countPrompt]
	u.CacheRead = min(c.n[countCached], prompt)
	u.AudioCacheRead = min(c.audio[2], u.CacheRead)
	u.CacheWrite = min(c.n[countCacheWrite], prompt-u.CacheRead)
	u.CacheWriteHour = min(c.n[countCacheWriteHour], u.CacheWrite)
	rest := prompt - u.CacheRead - u.CacheWrite
	u.AudioInput = min(max(c.audio[0]-c.audio[2], 0), rest)
	u.ImageInput = min(max(c.image[0]-c.image[2], 0), rest-u.AudioInput)
	u.Input = rest - u.AudioInput - u.ImageInput + c.n[countToolUse]
	candidates := c.n[countCandidates]
	u.AudioOutput = min(c.audio[1], candidates)
	u.ImageOutput = min(c.image[1], candidates-u.AudioOutput)
	u.Reasoning = c.n[countThoughts]
	u.Output = candidates - u.AudioOutput - u.ImageOutput + u.Reasoning
	u.Searches = c.n[countSearches]
}

// appendUsage writes usageMetadata, as it was when it is Gemini's own.
func appendUsage(b []byte, u *canon.Usage, tier canon.Text) []byte {
	b = append(b, `"usageMetadata":`...)
	if u.From == canon.Gemini && u.Raw != nil {
		return append(b, u.Raw...)
	}
	reasoning := min(u.Reasoning, u.Completion())
	b = append(b, '{')
	b = appendCount(b, "promptTokenCount", u.Prompt(), true)
	b = appendCount(b, "candidatesTokenCount", u.Completion()-reasoning, true)
	b = appendCount(b, "totalTokenCount", u.Prompt()+u.Completion(), true)
	b = appendCount(b, "thoughtsTokenCount", reasoning, false)
	b = appendCount(b, "cachedContentTokenCount", u.CacheRead, false)
	b = appendCount(b, "cacheWriteTokenCount", u.CacheWrite, false)
	b = appendCount(b, "cacheWriteHourTokenCount", u.CacheWriteHour, false)
	b = appendCount(b, "webSearchCount", u.Searches, false)
	b = appendDetails(b, "promptTokensDetails", u.Prompt(), u.AudioInput, u.ImageInput)
	b = appendDetails(b, "candidatesTokensDetails", u.Completion()-reasoning, u.AudioOutput, u.ImageOutput)
	if t := googleTier(tier, true); t != nil {
		b = append(append(append(b, `"serviceTier":`...), t...), ',')
	}
	b[len(b)-1] = '}'
	return b
}

// appendCount writes a count and a comma.
func appendCount(b []byte, name string, n int64, always bool) []byte {
	if n == 0 && !always {
		return b
	}
	b = append(append(append(b, '"'), name...), '"', ':')
	return append(strconv.AppendInt(b, n, 10), ',')
}

// appendDetails writes the modalities when there is more than text.
func appendDetails(b []byte, name string, all, audio, image int64) []byte {
	if audio == 0 && image == 0 {
		return b
	}
	b = append(append(append(b, '"'), name...), '"', ':', '[')
	for _, d := range []struct {
		modality string
		n        int64
	}{{"TEXT", max(all-audio-image, 0)}, {"AUDIO", audio}, {"IMAGE", image}} {
		if d.n > 0 {
			b = append(append(append(b, `{"modality":"`...), d.modality...), `","tokenCount":`...)
			b = append(strconv.AppendInt(b, d.n, 10), '}', ',')
		}
	}
	b[len(b)-1] = ']'
	return append(b, ',')
}
