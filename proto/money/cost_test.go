package money_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestEachClassHasItsPriceOrFallsBack(t *testing.T) {
	p := &configv1.Price{Input: 1e6, Output: 10e6}
	own := func(change func(p *configv1.Price)) *configv1.Price {
		q := proto.Clone(p).(*configv1.Price)
		change(q)
		return q
	}
	for _, c := range []struct {
		name   string
		price  *configv1.Price
		tokens *usagev1.Tokens
		want   money.Nano
	}{
		{"hour as cache write", own(func(p *configv1.Price) { p.CacheWrite = proto.Int64(2e6) }), &usagev1.Tokens{CacheWriteHour: 3}, 6},
		{"hour as input", p, &usagev1.Tokens{CacheWriteHour: 3}, 3},
		{"hour of its own", own(func(p *configv1.Price) { p.CacheWrite = proto.Int64(2e6); p.CacheWriteHour = proto.Int64(4e6) }), &usagev1.Tokens{CacheWriteHour: 3}, 12},
		{"image output as output", p, &usagev1.Tokens{ImageOutput: 3}, 30},
		{"image output of its own", own(func(p *configv1.Price) { p.ImageOutput = proto.Int64(40e6) }), &usagev1.Tokens{ImageOutput: 3}, 120},
		{"cached audio as cache read", own(func(p *configv1.Price) { p.CacheRead = proto.Int64(2e6); p.AudioInput = proto.Int64(5e6) }), &usagev1.Tokens{AudioCacheRead: 3}, 6},
		{"cached audio as audio", own(func(p *configv1.Price) { p.AudioInput = proto.Int64(5e6) }), &usagev1.Tokens{AudioCacheRead: 3}, 15},
		{"cached audio as input", p, &usagev1.Tokens{AudioCacheRead: 3}, 3},
		{"cached audio of its own", own(func(p *configv1.Price) { p.AudioCacheRead = proto.Int64(7e6) }), &usagev1.Tokens{AudioCacheRead: 3}, 21},
		{"reasoning of its own", own(func(p *configv1.Price) { p.Reasoning = proto.Int64(3e6) }), &usagev1.Tokens{Output: 10, Reasoning: 4}, 60 + 12},
		{"no more reasoning than output", own(func(p *configv1.Price) { p.Reasoning = proto.Int64(3e6) }), &usagev1.Tokens{Output: 2, Reasoning: 4}, 6},
	} {
		if got := money.Cost(c.price, c.tokens, nil); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	units := &configv1.Price{PerSearch: 10, PerImage: 100, PerAudioMinute: 60_000, PerMillionCharacters: 5_000_000, PerRequest: 1}
	if got := money.Cost(units, nil, &usagev1.Units{Searches: 2, Images: 3, AudioMilliseconds: 7, Characters: 11}); got != 20+300+7+55+1 {
		t.Errorf("units cost %d", got)
	}
}

func TestPickTakesTheFirstVariantThatFits(t *testing.T) {
	variant := func(id string, v *configv1.PriceVariant) *configv1.PriceVariant {
		v.Price = &configv1.Price{Id: id}
		return v
	}
	p := &configv1.Price{Id: "base", Variants: []*configv1.PriceVariant{
		variant("long priority", &configv1.PriceVariant{AboveInputTokens: 200_000, ServiceTier: "priority"}),
		variant("long", &configv1.PriceVariant{AboveInputTokens: 200_000}),
		variant("priority", &configv1.PriceVariant{ServiceTier: "priority"}),
		variant("night", &configv1.PriceVariant{FromMinute: 23 * 60, ToMinute: 60}),
		variant("noon", &configv1.PriceVariant{FromMinute: 720, ToMinute: 780}),
	}}
	const day = 20_000 * 86_400
	for _, c := range []struct {
		in   int64
		tier string
		at   int64
		want string
	}{
		{200_001, "priority", day, "long priority"}, {200_001, "", day, "long"}, {200_000, "", day + 7200, "base"},
		{1, "priority", day, "priority"}, {1, "flex", day + 7200, "base"},
		{1, "", day + 23*3600, "night"}, {1, "", day + 23*3600 - 1, "base"}, {1, "", day + 3599, "night"}, {1, "", day + 3600, "base"},
		{1, "", day + 43_200, "noon"}, {1, "", day + 46_799, "noon"}, {1, "", day + 46_800, "base"}, {1, "", -1, "night"},
	} {
		if got := money.Pick(p, money.Conditions{InputTokens: c.in, ServiceTier: c.tier, AtUnix: c.at}).GetId(); got != c.want {
			t.Errorf("%d tokens, tier %q, at %d: %q, want %q", c.in, c.tier, c.at, got, c.want)
		}
	}
	if money.Pick(nil, money.Conditions{}) != nil {
		t.Error("no price has a variant")
	}
}

func TestCostAndPickAllocateNothing(t *testing.T) {
	p := &configv1.Price{Input: 1, Output: 2, Variants: []*configv1.PriceVariant{{ServiceTier: "flex", Price: &configv1.Price{Input: 3}}}}
	tokens, units := &usagev1.Tokens{Input: 5, Output: 7}, &usagev1.Units{Searches: 1}
	if n := testing.AllocsPerRun(100, func() {
		money.Cost(money.Pick(p, money.ConditionsOf(tokens, "flex", 1e18)), tokens, units)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// exactCost is the formula in numbers without bounds.
func exactCost(p *configv1.Price, t *usagev1.Tokens, u *usagev1.Units) money.Nano {
	sum := new(big.Rat)
	add := func(n, price, per int64) {
		if n > 0 && price > 0 {
			sum.Add(sum, new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(n), big.NewInt(price)), big.NewInt(per)))
		}
	}
	first := func(otherwise int64, own ...*int64) int64 {
		for _, v := range own {
			if v != nil {
				return *v
			}
		}
		return otherwise
	}
	const m = 1_000_000
	output, thought := t.Output, max(0, min(t.Reasoning, t.Output))
	if p.Reasoning == nil {
		thought = 0
	}
	add(t.Input, p.Input, m)
	add(output-thought, p.Output, m)
	add(thought, p.GetReasoning(), m)
	add(t.CacheRead, first(p.Input, p.CacheRead), m)
	add(t.CacheWrite, first(p.Input, p.CacheWrite), m)
	add(t.CacheWriteHour, first(p.Input, p.CacheWriteHour, p.CacheWrite), m)
	add(t.AudioInput, first(p.Input, p.AudioInput), m)
	add(t.AudioCacheRead, first(p.Input, p.AudioCacheRead, p.CacheRead, p.AudioInput), m)
	add(t.AudioOutput, first(p.Output, p.AudioOutput), m)
	add(t.ImageInput, first(p.Input, p.ImageInput), m)
	add(t.ImageOutput, first(p.Output, p.ImageOutput), m)
	add(u.Searches, p.PerSearch, 1)
	add(u.Images, p.PerImage, 1)
	add(u.AudioMilliseconds, p.PerAudioMinute, 60_000)
	add(u.Characters, p.PerMillionCharacters, m)
	add(1, p.PerRequest, 1)
	sum.Add(sum, big.NewRat(1, 2))
	whole := new(big.Int).Quo(sum.Num(), sum.Denom())
	if !whole.IsInt64() {
		return math.MaxInt64
	}
	return money.Nano(whole.Int64())
}

// FuzzCost holds Cost to arithmetic without bounds, for all classes, units and
// fallbacks.
func FuzzCost(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	full := make([]byte, 31*8)
	for i := range full {
		full[i] = byte(i * 37)
	}
	f.Add(full, uint16(0xffff))
	most := make([]byte, 31*8)
	for i := range most {
		most[i] = 0xff
		if i%8 == 7 {
			most[i] = 0x7f
		}
	}
	f.Add(most, uint16(0x0f0f))
	f.Fuzz(func(t *testing.T, b []byte, own uint16) {
		next := func() int64 {
			var w [8]byte
			n := copy(w[:], b)
			b = b[n:]
			v := int64(binary.LittleEndian.Uint64(w[:]))
			// Small numbers as often as large ones.
			return v >> (uint(w[0]) % 64)
		}
		opt := func() *int64 {
			v, has := next(), own&1 == 1
			own >>= 1
			if !has {
				return nil
			}
			return &v
		}
		p := &configv1.Price{
			Input: next(), Output: next(), CacheRead: opt(), CacheWrite: opt(), CacheWriteHour: opt(), AudioInput: opt(), AudioOutput: opt(),
			AudioCacheRead: opt(), ImageInput: opt(), ImageOutput: opt(), Reasoning: opt(), PerRequest: next(), PerSearch: next(),
			PerImage: next(), PerAudioMinute: next(), PerMillionCharacters: next(),
		}
		tokens := &usagev1.Tokens{
			Input: next(), Output: next(), CacheRead: next(), CacheWrite: next(), CacheWriteHour: next(), Reasoning: next(),
			AudioInput: next(), AudioOutput: next(), AudioCacheRead: next(), ImageInput: next(), ImageOutput: next(),
		}
		units := &usagev1.Units{Searches: next(), Images: next(), AudioMilliseconds: next(), Characters: next()}
		if got, want := money.Cost(p, tokens, units), exactCost(p, tokens, units); got != want {
			t.Fatalf("Cost = %d, want %d, of %v × %v and %v", got, want, p, tokens, units)
		}
	})
}

func TestReportedCostsAreRead(t *testing.T) {
	for in, want := range map[string]money.Nano{
		"0": 0, "0.00014": 140_000, "1.2e-05": 12_000, "3E2": 300e9, "0.0000000005": 1, "0.00000000049": 0, "12": 12e9, "1e-30": 0,
		"0.000123456789123456789123456789": 123_457,
	} {
		if got, ok := money.Reported([]byte(in)); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "null", "-1", `"1"`, "1e", "1e99999", "9223372037", "1.5x", ".5", "1e400"} {
		if got, ok := money.Reported([]byte(in)); ok {
			t.Errorf("%s is read as %d", in, got)
		}
	}
	if got, ok := money.Ticks([]byte("12345678905")); !ok || got != 1_234_567_891 {
		t.Errorf("ticks: %d, %v", got, ok)
	}
}

// FuzzReported holds Reported to arithmetic without bounds.
func FuzzReported(f *testing.F) {
	for _, s := range []string{"0.00014", "1.2e-05", "3E2", "9223372036.854775807", "0.000123456789123456789123456789"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := money.Reported(b)
		if !ok {
			return
		}
		want, good := new(big.Rat).SetString(string(b))
		if !good {
			t.Fatalf("%q is no number, and read as %d", b, got)
		}
		want.Mul(want, big.NewRat(1e9, 1))
		diff := new(big.Rat).Sub(want, new(big.Rat).SetInt64(int64(got)))
		// More digits than 64 bits hold can move the last one.
		if diff.Abs(diff).Cmp(big.NewRat(1, 1)) > 0 && want.Cmp(big.NewRat(1e9, 1)) < 0 {
			t.Fatalf("%q is %d", b, got)
		}
	})
}
