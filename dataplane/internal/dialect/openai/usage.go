package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/money"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Usage is what a provider reported of an answer that passes as it is. It is
// plain numbers, so that reading a chunk of a stream allocates nothing.
type Usage struct {
	// Reported says that there was a usage object that could be read.
	Reported bool

	counts    counts
	cost      money.Nano
	costKnown bool
}

// Tokens turns the provider's overlapping counts into classes that do not
// overlap.
func (u *Usage) Tokens(t *usagev1.Tokens) {
	var c canon.Usage
	u.counts.classes(&c)
	t.Input, t.AudioInput, t.ImageInput = c.Input, c.AudioInput, c.ImageInput
	t.CacheRead = c.CacheRead
	t.CacheWrite, t.CacheWriteHour = c.CacheWrite-c.CacheWriteHour, c.CacheWriteHour
	t.Output, t.AudioOutput, t.ImageOutput = c.Output, c.AudioOutput, c.ImageOutput
	t.Reasoning = c.Reasoning
}

// Searches is how often the provider searched the web.
func (u *Usage) Searches() int64 { return u.counts.searches }

// Cost is what the provider says it charges.
func (u *Usage) Cost() (money.Nano, bool) { return u.cost, u.costKnown }

// read reads a usage object; what cannot be used leaves an earlier report as
// it is.
func (u *Usage) read(s *jsonscan.Scanner) (good, ok bool) {
	var r report
	if !r.read(s) {
		return false, false
	}
	if r.bad || !r.counted {
		return false, true
	}
	*u = Usage{Reported: true, counts: r.counts}
	if u.cost, u.costKnown = money.Reported(number(r.cost)); !u.costKnown {
		u.cost, u.costKnown = money.Ticks(r.ticks)
	}
	return true, true
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
