package gemini

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Fields of an answer and of a chunk of a stream.
const (
	ansCandidates = iota
	ansUsage
	ansModel
	ansID
	ansFeedback
	ansError
	ansCreated
)

var answerNames = []string{"candidates", "usageMetadata", "modelVersion", "responseId", "promptFeedback", "error", "createTime"}

// answer is what was found at the top of an answer or of a chunk.
type answer struct {
	candidates, usage, feedback []byte
	failed                      bool
	id, model, created          canon.Text
	extra                       []canon.Field
}

var errGarbage = errors.New("not an answer in Gemini's format")

// top reads the top of an answer.
func (r *reader) top(x *answer, extras bool) {
	for o := r.object(); r.next(&o, answerNames); {
		switch o.field {
		case ansCandidates:
			if x.candidates = r.value(); len(x.candidates) > 0 && x.candidates[0] == 'n' {
				x.candidates = nil
			}
		case ansUsage:
			x.usage = r.value()
		case ansModel:
			r.text(&x.model)
		case ansID:
			r.text(&x.id)
		case ansFeedback:
			x.feedback = r.value()
		case ansError:
			c := r.s.Peek()
			r.skip()
			x.failed = c == '{' || c == '"'
		case ansCreated:
			r.text(&x.created)
		default:
			if !extras {
				r.skip()
				continue
			}
			f := canon.Field{Name: string(o.key)}
			f.Value = r.value()
			x.extra = append(x.extra, f)
		}
	}
}

// ReadAnswer reads a provider's whole answer.
func (f Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	*a = canon.Answer{From: canon.Gemini, Choices: a.Choices[:0], Extra: a.Extra[:0]}
	r := newReader(body)
	defer r.done()
	if r.s.Peek() != '{' {
		return fault.New(fault.UpstreamGarbage, "", errGarbage)
	}
	x := answer{extra: a.Extra}
	r.top(&x, true)
	if r.bad != nil || !r.s.End() {
		return fault.New(fault.UpstreamGarbage, "", errors.Join(errGarbage, asError(r.bad)))
	}
	if x.failed && x.candidates == nil {
		return f.ReadRefusal(200, body, "")
	}
	a.ID, a.Model, a.Created, a.Extra = x.id, x.model, unixOf(x.created), x.extra
	reason := blockReason(x.feedback)
	if x.feedback != nil {
		a.Extra = append(a.Extra, canon.Field{Name: "promptFeedback", Value: x.feedback})
	}
	var searches int64
	if x.candidates != nil {
		if bad := readCandidates(x.candidates, a, &searches); bad != nil {
			return fault.New(fault.UpstreamGarbage, "", errors.Join(errGarbage, bad))
		}
	}
	if len(a.Choices) == 0 {
		if reason == nil {
			return fault.New(fault.UpstreamGarbage, "", errors.Join(errGarbage, errors.New("it has no candidates")))
		}
		a.Choices = append(a.Choices, canon.Choice{Stop: canon.StopFilter, StopRaw: reason})
	}
	a.ServiceTier = readUsage(x.usage, &a.Usage)
	if a.Usage.Reported && searches > 0 {
		a.Usage.Searches = billed(searches, a.Model)
	}
	return nil
}

func asError(f *fault.Fault) error {
	if f == nil {
		return nil
	}
	return f
}

// billed is how many searches Google counts: each query from Gemini 3 on, and
// before each answer that searched.
func billed(queries int64, model canon.Text) int64 {
	if generation(string(model)) >= 3 {
		return queries
	}
	return 1
}

func unixOf(t canon.Text) int64 {
	if len(t) < 2 {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, t.String())
	if err != nil {
		return 0
	}
	return at.Unix()
}

var feedbackNames = []string{"blockReason"}

// blockReason says why a prompt was blocked; nil when it was not.
func blockReason(feedback []byte) (reason canon.Text) {
	if len(feedback) == 0 {
		return nil
	}
	r := newReader(feedback)
	defer r.done()
	for o := r.object(); r.next(&o, feedbackNames); {
		if o.field == 0 && r.s.Peek() == '"' {
			r.text(&reason)
		} else {
			r.skip()
		}
	}
	if reason.Empty() {
		return nil
	}
	return reason
}

func readUsage(raw []byte, u *canon.Usage) (tier canon.Text) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	r := newReader(raw)
	defer r.done()
	return r.usage(u)
}

// Fields of a candidate.
const (
	candContent = iota
	candFinish
	candIndex
	candGrounding
	candCitations
	candLogProbs
	candStop
	candStopText
)

var candidateNames = []string{
	"content", "finishReason", "index", "groundingMetadata", "citationMetadata", "logprobsResult", "stopReason", "stopSequence",
}

// candidate is what was read of one, its parts aside.
type candidate struct {
	index                          int
	finish, stopName, stopText     canon.Text
	grounding, citations, logProbs []byte
	extra                          []canon.Field
}

// maxCandidates bounds what a provider may send; Google's own bound is 8.
const maxCandidates = 64

// candidate reads a candidate, and its parts into r.parts and r.kinds.
func (r *reader) candidate(c *candidate, i int, extras bool) {
	c.index = i
	for o := r.object(); r.next(&o, candidateNames); {
		switch o.field {
		case candContent:
			r.candidateContent()
		case candFinish:
			r.text(&c.finish)
		case candIndex:
			n, ok := r.count()
			if r.bad == nil && (!ok || n >= maxCandidates) {
				r.wrong("a small number")
			}
			c.index = int(n)
		case candGrounding:
			c.grounding = r.value()
		case candCitations:
			c.citations = r.value()
		case candLogProbs:
			c.logProbs = r.value()
		case candStop:
			r.text(&c.stopName)
		case candStopText:
			r.text(&c.stopText)
		default:
			f := canon.Field{}
			if extras {
				f.Name = string(o.key)
			}
			if f.Value = r.value(); extras {
				c.extra = append(c.extra, f)
			}
		}
	}
}

func (r *reader) candidateContent() {
	for o := r.object(); r.next(&o, contentNames); {
		if o.field != 0 {
			r.skip()
			continue
		}
		for a := r.array(); r.element(&a); {
			_, x := r.part()
			r.kinds = append(r.kinds, x)
		}
	}
}

// stop says what a candidate's end means.
func (c *candidate) stop(calls bool) canon.Stop {
	if s := foreignStop(c.stopName); c.stopName != nil && s != canon.StopUnset {
		return s
	}
	return stopOf(c.finish, calls)
}

func readCandidates(raw []byte, a *canon.Answer, searches *int64) error {
	r := newReader(raw)
	defer r.done()
	r.parts = make([]canon.Part, 0, 4)
	for e := r.array(); r.element(&e); {
		var c candidate
		first := len(r.parts)
		r.candidate(&c, e.i, true)
		if r.bad != nil {
			break
		}
		parts := r.parts[first:len(r.parts):len(r.parts)]
		choice := canon.Choice{Index: c.index, Parts: parts, LogProbs: logProbs(c.logProbs)}
		if c.finish != nil {
			calls := slices.ContainsFunc(parts, func(p canon.Part) bool { return p.Kind == canon.ToolCallPart })
			choice.Stop, choice.StopText, choice.StopRaw = c.stop(calls), c.stopText, c.finish
		}
		choice.Parts = cite(parts, &c, searches)
		a.Choices = append(a.Choices, choice)
		a.Extra = append(a.Extra, c.fields()...)
	}
	return asError(r.bad)
}

// fields are those of a candidate that have no name in canon, and those that
// say more than what canon takes of them.
func (c *candidate) fields() []canon.Field {
	at := "candidates[" + strconv.Itoa(c.index) + "]."
	all := c.extra
	if c.grounding != nil && !isForeign(c.grounding) {
		all = append(all, canon.Field{Name: "groundingMetadata", Value: c.grounding})
	}
	if c.citations != nil {
		all = append(all, canon.Field{Name: "citationMetadata", Value: c.citations})
	}
	if c.logProbs != nil {
		all = append(all, canon.Field{Name: "logprobsResult", Value: c.logProbs})
	}
	for i := range all {
		all[i].Name = at + all[i].Name
	}
	return all
}

// isForeign finds metadata that we made of citations from elsewhere.
func isForeign(grounding []byte) bool { return bytes.Contains(grounding, []byte(foreignMark)) }
