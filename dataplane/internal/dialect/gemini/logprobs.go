package gemini

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// Log-probabilities cross in the form that most callers know, an object with
// "content": a list of tokens, each with "token", "logprob" and
// "top_logprobs".

var resultNames = []string{"chosenCandidates", "topCandidates"}
var topCandidateNames = []string{"candidates"}
var tokenNames = []string{"token", "logProbability"}

type token struct {
	text canon.Text
	log  canon.Raw
}

// logProbs makes that form of a logprobsResult.
func logProbs(raw []byte) canon.Raw {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	var r reader
	r.s.Reset(raw)
	var chosen []token
	var top [][]token
	for o := r.object(); r.next(&o, resultNames); {
		switch o.field {
		case 0:
			chosen = r.tokens()
		case 1:
			for a := r.array(); r.element(&a); {
				var at []token
				for e := r.object(); r.next(&e, topCandidateNames); {
					if e.field == 0 {
						at = r.tokens()
					} else {
						r.skip()
					}
				}
				top = append(top, at)
			}
		default:
			r.skip()
		}
	}
	if r.bad != nil {
		return nil
	}
	b := []byte(`{"content":[`)
	for i, t := range chosen {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendToken(b, t)
		b = append(b, `,"top_logprobs":[`...)
		if i < len(top) {
			for k, o := range top[i] {
				if k > 0 {
					b = append(b, ',')
				}
				b = append(appendToken(b, o), '}')
			}
		}
		b = append(b, "]}"...)
	}
	return append(b, `],"refusal":null}`...)
}

func appendToken(b []byte, t token) []byte {
	b = append(append(b, `{"token":`...), orEmpty(t.text)...)
	b = append(b, `,"logprob":`...)
	if t.log == nil {
		b = append(b, '0')
	}
	return append(append(b, t.log...), `,"bytes":null`...)
}

func (r *reader) tokens() (ts []token) {
	for a := r.array(); r.element(&a); {
		var t token
		for o := r.object(); r.next(&o, tokenNames); {
			switch o.field {
			case 0:
				r.text(&t.text)
			case 1:
				r.number(&t.log)
			default:
				r.skip()
			}
		}
		ts = append(ts, t)
	}
	return ts
}

var contentListNames = []string{"content"}
var logProbNames = []string{"token", "logprob", "topLogprobs"}

// appendLogProbs makes a logprobsResult again; nothing when there is nothing
// to make it of.
func appendLogProbs(b []byte, raw canon.Raw) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return b
	}
	var r reader
	r.s.Reset(raw)
	var chosen, top []byte
	for o := r.object(); r.next(&o, contentListNames); {
		if o.field != 0 {
			r.skip()
			continue
		}
		for a := r.array(); r.element(&a); {
			if a.i > 0 {
				chosen, top = append(chosen, ','), append(top, ',')
			}
			var t token
			top = append(top, `{"candidates":[`...)
			for e := r.object(); r.next(&e, logProbNames); {
				switch e.field {
				case 0:
					r.text(&t.text)
				case 1:
					r.number(&t.log)
				case 2:
					top = r.topTokens(top)
				default:
					r.skip()
				}
			}
			top = append(top, "]}"...)
			chosen = appendCandidate(chosen, t)
		}
	}
	if r.bad != nil || chosen == nil {
		return b
	}
	b = append(append(b, `,"logprobsResult":{"chosenCandidates":[`...), chosen...)
	b = append(append(b, `],"topCandidates":[`...), top...)
	return append(b, "]}"...)
}

func (r *reader) topTokens(b []byte) []byte {
	for a := r.array(); r.element(&a); {
		var t token
		for o := r.object(); r.next(&o, logProbNames); {
			switch o.field {
			case 0:
				r.text(&t.text)
			case 1:
				r.number(&t.log)
			default:
				r.skip()
			}
		}
		if a.i > 0 {
			b = append(b, ',')
		}
		b = appendCandidate(b, t)
	}
	return b
}

func appendCandidate(b []byte, t token) []byte {
	b = append(append(b, `{"token":`...), orEmpty(t.text)...)
	b = append(b, `,"logProbability":`...)
	if t.log == nil {
		return append(b, `0}`...)
	}
	return append(append(b, t.log...), '}')
}

// index writes the index of a candidate.
func appendIndex(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, `,"index":`...), int64(i), 10)
}
