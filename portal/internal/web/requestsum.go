package web

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// sums is the arithmetic of what the tenant pays and of what the provider
// charges; one of them when both sides have the same price.
func sums(d *apiclient.RequestDetail) []view.Sum {
	if d.CostReported {
		// There is nothing to multiply: the provider gave the amount.
		if d.SellPrice == nil {
			return nil
		}
		return []view.Sum{sum("price", "What you pay", d, d.SellPrice, d.Request.PriceNano)}
	}
	cost := sum("cost", "What the provider charges", d, d.CostPrice, d.Request.CostNano)
	if d.SellPrice == nil || d.CostPrice != nil && d.SellPrice.Id == d.CostPrice.Id && d.Request.PriceNano == d.Request.CostNano {
		if d.CostPrice == nil {
			cost.Title = "Cost"
		} else {
			cost.Title = "Cost, as the provider charges it and as you pay it"
		}
		return []view.Sum{cost}
	}
	return []view.Sum{sum("price", "What you pay", d, d.SellPrice, d.Request.PriceNano), cost}
}

// sum multiplies as money.Cost does.
func sum(id, title string, d *apiclient.RequestDetail, p *apiclient.Price, recorded int64) view.Sum {
	s := view.Sum{ID: id, Title: title, Recorded: view.Money(recorded)}
	if p == nil {
		s.Unpriced, s.Nothing = true, recorded == 0 && countedTokens(d) == 0
		return s
	}
	s.PriceID, s.Since, s.Source = p.Id, view.Instant{Time: p.EffectiveFrom}, priceSource(*p)
	rates, under := ratesOf(d, p)
	if under != "" {
		s.Source += " Under a condition: " + under + "."
	}
	total := new(big.Rat)
	for _, c := range tokenClasses(d, &rates) {
		nano, err := money.Parse(c.price)
		if err != nil || c.count <= 0 && !c.always || c.per > 0 && nano == 0 {
			continue
		}
		line := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(c.count), big.NewInt(int64(nano))), big.NewInt(c.divisor()))
		total.Add(total, line)
		s.Lines = append(s.Lines, view.SumLine{Class: c.name, Note: c.note, Tokens: view.Int(c.count), Price: "$" + c.price + c.each, Amount: femto(line)})
	}
	s.Exact = femto(total)
	rounded := new(big.Rat).Add(total, big.NewRat(1, 2))
	whole := new(big.Int).Quo(rounded.Num(), rounded.Denom())
	s.Rounded = view.Dollars(whole.Int64())
	s.Agrees = whole.IsInt64() && whole.Int64() == recorded
	return s
}

// ratesOf are the rates of the price that hold for the request, with the
// condition that they hold under.
func ratesOf(d *apiclient.RequestDetail, p *apiclient.Price) (r apiclient.Rates, under string) {
	list := &configv1.Price{}
	if p.Variants != nil {
		for i, v := range *p.Variants {
			list.Variants = append(list.Variants, &configv1.PriceVariant{
				AboveInputTokens: deref(v.AboveInputTokens), ServiceTier: deref(v.ServiceTier),
				FromMinute: uint32(deref(v.FromMinute)), ToMinute: uint32(deref(v.ToMinute)),
				Price: &configv1.Price{Id: strconv.Itoa(i)},
			})
		}
	}
	at := money.ConditionsOf(tokensOf(d), d.ServiceTier, d.Request.StartedAt.UnixNano())
	if chosen := money.Pick(list, at); chosen != list {
		i, err := strconv.Atoi(chosen.Id)
		if err == nil {
			v := (*p.Variants)[i]
			return v.Price, condition(v)
		}
	}
	return apiclient.Rates{
		Input: p.Input, Output: p.Output, CacheRead: p.CacheRead, CacheWrite: p.CacheWrite, CacheWriteHour: p.CacheWriteHour,
		AudioInput: p.AudioInput, AudioOutput: p.AudioOutput, AudioCacheRead: p.AudioCacheRead, ImageInput: p.ImageInput,
		ImageOutput: p.ImageOutput, Reasoning: p.Reasoning, PerRequest: &p.PerRequest, PerSearch: p.PerSearch, PerImage: p.PerImage,
		PerAudioMinute: p.PerAudioMinute, PerMillionCharacters: p.PerMillionCharacters,
	}, ""
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// tokensOf are the classes of a request.
func tokensOf(d *apiclient.RequestDetail) *usagev1.Tokens {
	r := d.Request
	return &usagev1.Tokens{
		Input: r.InputTokens, Output: r.OutputTokens, Reasoning: r.ReasoningTokens, CacheRead: r.CacheReadTokens,
		CacheWrite: r.CacheWriteTokens, CacheWriteHour: d.CacheWriteHourTokens, AudioInput: d.AudioInputTokens,
		AudioCacheRead: d.AudioCacheReadTokens, AudioOutput: d.AudioOutputTokens, ImageInput: d.ImageInputTokens, ImageOutput: d.ImageOutputTokens,
	}
}

// countedTokens are all tokens of a request, whoever counted them.
func countedTokens(d *apiclient.RequestDetail) int64 {
	t := tokensOf(d)
	return money.InputTokens(t) + money.OutputTokens(t)
}

// tokenClass is one line of the arithmetic: count × price / per.
type tokenClass struct {
	name, note, price string
	// each follows the price where it is not per million tokens.
	each   string
	count  int64
	per    int64
	always bool
}

// divisor is how many of what is counted the price is for.
func (c *tokenClass) divisor() int64 {
	if c.per == 0 {
		return 1_000_000
	}
	return c.per
}

// tokenClasses pairs tokens and units with their prices; a class without a
// price of its own falls back as money.Cost says.
func tokenClasses(d *apiclient.RequestDetail, p *apiclient.Rates) []tokenClass {
	t := tokensOf(d)
	or := func(own *string, price, as string) (string, string) {
		if own != nil && *own != "" {
			return *own, ""
		}
		return price, "priced as " + as
	}
	output, thought := t.Output, int64(0)
	if p.Reasoning != nil {
		thought = min(t.Reasoning, output)
		output -= thought
	}
	list := []tokenClass{
		{name: "Input", price: p.Input, count: t.Input, always: true},
		{name: "Output", price: p.Output, count: output, always: true},
		{name: "Reasoning", price: deref(p.Reasoning), count: thought},
	}
	add := func(name string, n int64, own *string, price, as string) string {
		price, note := or(own, price, as)
		list = append(list, tokenClass{name: name, note: note, price: price, count: n})
		return price
	}
	read := add("Cache read", t.CacheRead, p.CacheRead, p.Input, "input")
	write := add("Cache write", t.CacheWrite, p.CacheWrite, p.Input, "input")
	add("Cache write, kept for an hour", t.CacheWriteHour, p.CacheWriteHour, write, "cache write")
	audio := add("Audio input", t.AudioInput, p.AudioInput, p.Input, "input")
	if p.CacheRead == nil {
		read = audio
	}
	add("Audio read from a cache", t.AudioCacheRead, p.AudioCacheRead, read, "cache read or audio input")
	add("Audio output", t.AudioOutput, p.AudioOutput, p.Output, "output")
	add("Image input", t.ImageInput, p.ImageInput, p.Input, "input")
	add("Image output", t.ImageOutput, p.ImageOutput, p.Output, "output")
	u := d.Units
	for _, c := range []tokenClass{
		{name: "Searches", price: deref(p.PerSearch), each: " each", count: u.Searches, per: 1},
		{name: "Images", price: deref(p.PerImage), each: " each", count: u.Images, per: 1},
		{name: "Milliseconds of audio", price: deref(p.PerAudioMinute), each: " a minute", count: u.AudioMilliseconds, per: 60_000},
		{name: "Characters", price: deref(p.PerMillionCharacters), each: " a million", count: u.Characters, per: 1_000_000},
		{name: "Request", price: deref(p.PerRequest), each: " each", count: 1, per: 1},
	} {
		if c.price != "" {
			list = append(list, c)
		}
	}
	return list
}

// femto writes an amount of nano-dollars in dollars, to units of 1e-15 dollars,
// of which only the price of a minute makes fractions.
func femto(nano *big.Rat) string {
	n := new(big.Rat).Mul(nano, big.NewRat(1_000_000, 1))
	s, cut := new(big.Int).Quo(n.Num(), n.Denom()).String(), !n.IsInt()
	for len(s) <= 15 {
		s = "0" + s
	}
	whole, frac := s[:len(s)-15], s[len(s)-15:]
	if cut {
		return "$" + whole + "." + frac + "…"
	}
	frac = strings.TrimRight(frac, "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return "$" + whole + "." + frac
}
