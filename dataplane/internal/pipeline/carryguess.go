package pipeline

import (
	"encoding/json"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// proxyModel is the model of a call by the proxy; empty when nothing names one.
// The body's own word counts where the answer's is the same with a version, or
// has no price: of some providers the path says what is called, and the body
// may say anything.
func (x *exchange) proxyModel() string {
	if _, rest, ok := strings.Cut(x.req.Pass.Path, "/models/"); ok {
		if name, _, ok := strings.Cut(rest, ":"); ok && len(name) <= maxModelName {
			return name
		}
	}
	asked, answered := modelName(x.carried.asked.Model()), modelName(x.carried.tally.Model())
	if asked == "" || answered == "" {
		return asked + answered
	}
	if isVersion(answered, asked) {
		return asked
	}
	if _, cost, sell, _ := x.config.PricesOf(x.target, answered); len(cost) > 0 || len(sell) > 0 {
		return answered
	}
	return asked
}

const maxModelName = 256

// isVersion says whether a name is that of a model with a date or a number of
// three digits and more behind it. Fewer digits name another model: gpt-5.4 is
// no gpt-5.
func isVersion(name, model string) bool {
	version, same := strings.CutPrefix(name, model)
	if !same || version == "" {
		return same
	}
	if version[0] != '-' && version[0] != '@' {
		return false
	}
	digits := strings.IndexFunc(version[1:]+".", func(r rune) bool { return r < '0' || r > '9' })
	return digits >= 3
}

// modelName reads a name as it stands in JSON. It goes into a header, so it is
// none with more in it than can stand there.
func modelName(raw []byte) string {
	var name string
	if json.Unmarshal(raw, &name) != nil || len(name) > maxModelName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return strings.TrimPrefix(name, "models/")
}

// begunOnly says that what was reported is what a stream began with, and not
// what it came to.
func (c *carried) begunOnly() bool {
	return c.tally.Events && !c.tally.Ended && c.tally.Usage() == nil
}

// generating are the ends of paths whose calls are charged by the token.
var generating = [...]string{"/chat/completions", "/completions", "/responses", "/messages", "/chat", "/embeddings", ":generateContent", ":streamGenerateContent"}

// guessProxy estimates a call of generation that reported nothing, or only how
// it began: a caller can ask for answers without a report, or leave before it.
func (x *exchange) guessProxy(begun bool) {
	c, path := x.carried, strings.TrimRight(x.req.Pass.Path, "/")
	end := ""
	for _, g := range generating {
		if strings.HasSuffix(path, g) {
			end = g
			break
		}
	}
	// A message that is added to a thread is answered by a run, later.
	if end == "" || strings.Contains(path, "/threads/") {
		return
	}
	if !begun {
		x.tokens.Input = (c.sent + letters - 1) / letters
		if len(c.body) == 1 {
			x.tokens.Input = x.askedTokens(c.body[0])
		}
	}
	switch {
	case end == "/embeddings":
	case c.tally.Events && end[0] == '/':
		// Providers send a token or a few in each event.
		x.tokens.Output = max(x.tokens.Output, int64(c.tally.Parts))
	default:
		x.tokens.Output = max(x.tokens.Output, c.seen/letters)
	}
}

// letters is how many letters a token has, about.
const letters = 4

// guessHeard estimates what was heard from the size of the upload: text and
// subtitles tell nothing of it, and are for every caller to ask for.
func (x *exchange) guessHeard() {
	if !x.answered {
		return
	}
	// Of sound as it is recorded and as it is packed, about the middle; a token
	// is a tenth of a second.
	const bytesInMillisecond, millisecondsInToken = 16, 100
	c := x.carried
	heard := c.sent / bytesInMillisecond
	if x.costPrice.GetPerAudioMinute() > 0 || x.sellPrice.GetPerAudioMinute() > 0 {
		c.units.AudioMilliseconds = heard
		return
	}
	x.tokens.AudioInput, x.tokens.Output = heard/millisecondsInToken, (c.seen+letters-1)/letters
}

// askedTokens counts what a body of any dialect asks.
func (x *exchange) askedTokens(body []byte) (n int64) {
	var s jsonscan.Scanner
	s.Reset(body)
	if s.Peek() != '{' {
		return int64(len(body)+letters-1) / letters
	}
	s.Object(func(key []byte) bool {
		var raw []byte
		switch string(key) {
		case "messages", "input", "contents", "prompt", "system", "instructions", "systemInstruction", "system_instruction", "tools":
		default:
			return s.Skip()
		}
		ok := s.Raw(&raw)
		switch {
		case !ok:
		case raw[0] == '"':
			text := jsonscan.Unescape(nil, raw[1:len(raw)-1])
			n += x.p.counter.Tokens(text, len(text))
		default:
			text, size := openai.PromptText(raw)
			n += x.p.counter.Tokens(text, size)
		}
		return ok
	})
	return n
}
