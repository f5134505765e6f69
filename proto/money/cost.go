package money

import (
	"math"
	"math/bits"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Conditions are what the variants of a price ask about.
type Conditions struct {
	// InputTokens is all that went in: text, media, and what was read from or
	// written to a cache.
	InputTokens int64
	// ServiceTier that the provider used; empty for the standard one.
	ServiceTier string
	// AtUnix is when the request arrived, in seconds since 1970.
	AtUnix int64
}

// ConditionsOf are the conditions of a request.
func ConditionsOf(t *usagev1.Tokens, serviceTier string, startedAtUnixNano int64) Conditions {
	return Conditions{InputTokens: InputTokens(t), ServiceTier: serviceTier, AtUnix: floorDiv(startedAtUnixNano, 1_000_000_000)}
}

// InputTokens is the sum of the classes that went in.
func InputTokens(t *usagev1.Tokens) int64 {
	return t.GetInput() + t.GetCacheRead() + t.GetCacheWrite() + t.GetCacheWriteHour() +
		t.GetAudioInput() + t.GetAudioCacheRead() + t.GetImageInput()
}

// OutputTokens is the sum of the classes that came out. Reasoning is in it.
func OutputTokens(t *usagev1.Tokens) int64 {
	return t.GetOutput() + t.GetAudioOutput() + t.GetImageOutput()
}

// Pick gives the price that holds under c: the first of p's variants that
// fits, else p itself. A price without variants costs one comparison.
func Pick(p *configv1.Price, c Conditions) *configv1.Price {
	if p == nil || len(p.Variants) == 0 {
		return p
	}
	seconds := c.AtUnix - floorDiv(c.AtUnix, 86_400)*86_400
	minute := uint32(seconds / 60)
	for _, v := range p.Variants {
		if v.GetPrice() != nil && fits(v, &c, minute) {
			return v.Price
		}
	}
	return p
}

func fits(v *configv1.PriceVariant, c *Conditions, minute uint32) bool {
	switch from, to := v.FromMinute, v.ToMinute; {
	case v.AboveInputTokens > 0 && c.InputTokens <= v.AboveInputTokens,
		v.ServiceTier != "" && v.ServiceTier != c.ServiceTier:
		return false
	case from < to:
		return minute >= from && minute < to
	case from > to: // over midnight
		return minute >= from || minute < to
	}
	return true
}

// floorDiv rounds down, also for times before 1970.
func floorDiv(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	}
	return a/b - 1
}

// whole is what one nano-dollar is counted in within Cost: the smallest number
// that both a million tokens and the 60,000 milliseconds of a minute divide.
const whole = 3_000_000

// Cost is what tokens and units cost at price p, as picked by Pick: the sum of
// tokens × nano-dollars per million tokens over the classes, of units × their
// prices, and of the price of a request, rounded half up once, at the end.
//
// A class without a price of its own falls back: cache_read, cache_write,
// audio_input and image_input to input; cache_write_hour to cache_write;
// audio_cache_read to cache_read, then to audio_input; audio_output and
// image_output to output. Reasoning is part of output; where it has a price of
// its own, that many tokens of the output cost that instead. Negative counts
// and prices count as zero; amounts beyond the range are held at its end.
func Cost(p *configv1.Price, t *usagev1.Tokens, u *usagev1.Units) Nano {
	if p == nil {
		return 0
	}
	var s sum
	if t != nil {
		s.tokens(p, t)
	}
	if u != nil {
		s.add(u.Searches, p.PerSearch, whole)
		s.add(u.Images, p.PerImage, whole)
		s.add(u.AudioMilliseconds, p.PerAudioMinute, whole/60_000)
		s.add(u.Characters, p.PerMillionCharacters, whole/1_000_000)
	}
	s.add(1, p.PerRequest, whole)
	return s.round()
}

// sum is 128 bits wide; full says that it did not suffice.
type sum struct {
	hi, lo uint64
	full   bool
}

func (s *sum) tokens(p *configv1.Price, t *usagev1.Tokens) {
	const factor = whole / 1_000_000
	read, write := or(p.CacheRead, p.Input), or(p.CacheWrite, p.Input)
	audio := or(p.AudioInput, p.Input)
	output := t.Output
	if p.Reasoning != nil {
		thought := max(0, min(t.Reasoning, output))
		output -= thought
		s.add(thought, *p.Reasoning, factor)
	}
	s.add(t.Input, p.Input, factor)
	s.add(output, p.Output, factor)
	s.add(t.CacheRead, read, factor)
	s.add(t.CacheWrite, write, factor)
	s.add(t.CacheWriteHour, or(p.CacheWriteHour, write), factor)
	s.add(t.AudioInput, audio, factor)
	s.add(t.AudioCacheRead, or(p.AudioCacheRead, or(p.CacheRead, audio)), factor)
	s.add(t.AudioOutput, or(p.AudioOutput, p.Output), factor)
	s.add(t.ImageInput, or(p.ImageInput, p.Input), factor)
	s.add(t.ImageOutput, or(p.ImageOutput, p.Output), factor)
}

func or(v *int64, otherwise int64) int64 {
	if v != nil {
		return *v
	}
	return otherwise
}

// add adds n × price × factor. What is above 2^104 before the factor is beyond
// any Nano, and below it the factor cannot overflow.
func (s *sum) add(n, price int64, factor uint64) {
	if n <= 0 || price <= 0 {
		return
	}
	h, l := bits.Mul64(uint64(n), uint64(price))
	if h >= 1<<40 {
		s.full = true
		return
	}
	over, low := bits.Mul64(l, factor)
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, low, 0)
	s.hi, carry = bits.Add64(s.hi, h*factor+over, carry)
	s.full = s.full || carry != 0
}

func (s *sum) round() Nano {
	lo, carry := bits.Add64(s.lo, whole/2, 0)
	hi, over := bits.Add64(s.hi, 0, carry)
	if s.full || over != 0 || hi >= whole {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, whole)
	return Nano(min(q, math.MaxInt64))
}
