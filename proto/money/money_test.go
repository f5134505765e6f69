package money_test

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestParseAndStringAreExact(t *testing.T) {
	for _, c := range []struct {
		in   string
		nano money.Nano
		out  string
	}{
		{"0.15", 150_000_000, "0.15"},
		{"12", 12_000_000_000, "12.00"},
		{"0.000000001", 1, "0.000000001"},
		{"-3.5", -3_500_000_000, "-3.50"},
		{"9223372036.854775807", math.MaxInt64, "9223372036.854775807"},
	} {
		got, err := money.Parse(c.in)
		if err != nil || got != c.nano {
			t.Errorf("Parse(%q) = %d, %v, want %d", c.in, got, err, c.nano)
		}
		if got.String() != c.out {
			t.Errorf("%d prints as %q, want %q", c.nano, got.String(), c.out)
		}
	}
	for _, bad := range []string{"", ".", "1.", ".5", "1e3", "+1", "0.0000000001", "9223372036.854775808", "99999999999999999999", "1,5", "0x1", "--1"} {
		if v, err := money.Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %d, want an error", bad, v)
		}
	}
}

func TestCostRoundsOnceAndFallsBack(t *testing.T) {
	p := &configv1.Price{Input: 150_000_000, Output: 600_000_000}
	for _, c := range []struct {
		name   string
		price  *configv1.Price
		tokens *usagev1.Tokens
		want   money.Nano
	}{
		{"no price", nil, &usagev1.Tokens{Input: 5}, 0},
		{"no tokens", p, nil, 0},
		{"plain", p, &usagev1.Tokens{Input: 1000, Output: 500}, 150_000 + 300_000},
		{"cache falls back to input", p, &usagev1.Tokens{CacheRead: 10, CacheWrite: 10}, 3000},
		{"cache of its own", &configv1.Price{Input: 150_000_000, CacheRead: proto.Int64(75_000_000)}, &usagev1.Tokens{CacheRead: 2}, 150},
		{"a free class is free", &configv1.Price{Input: 150_000_000, CacheRead: proto.Int64(0)}, &usagev1.Tokens{CacheRead: 2}, 0},
		{"reasoning is part of output", p, &usagev1.Tokens{Output: 100, Reasoning: 90}, 60_000},
		{"half rounds up", &configv1.Price{Input: 500_000}, &usagev1.Tokens{Input: 1}, 1},
		{"below half rounds down", &configv1.Price{Input: 499_999}, &usagev1.Tokens{Input: 1}, 0},
		{"rounded after the sum", &configv1.Price{Input: 400_000, Output: 400_000}, &usagev1.Tokens{Input: 1, Output: 1}, 1},
		{"per request", &configv1.Price{PerRequest: 7}, &usagev1.Tokens{}, 7},
		{"negative counts are zero", p, &usagev1.Tokens{Input: -5, Output: 1}, 600},
		{"held at the end of the range", &configv1.Price{Input: math.MaxInt64}, &usagev1.Tokens{Input: math.MaxInt64}, math.MaxInt64},
	} {
		if got := money.Cost(c.price, c.tokens, nil); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestEffectivePriceIsTheNewestThatHasBegun(t *testing.T) {
	prices := []*configv1.Price{{Id: "b", EffectiveFromUnix: 20}, {Id: "a", EffectiveFromUnix: 10}, {Id: "c", EffectiveFromUnix: 30}}
	for at, want := range map[int64]string{9: "", 10: "a", 19: "a", 20: "b", 29: "b", 30: "c", 99: "c"} {
		if got := money.Effective(prices, at).GetId(); got != want {
			t.Errorf("at %d: price %q, want %q", at, got, want)
		}
	}
}

// FuzzParse checks that what parses prints as the same amount.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0.15", "-1", "9223372036.854775807", "00.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := money.Parse(s)
		if err != nil {
			return
		}
		again, err := money.Parse(v.String())
		if err != nil || again != v {
			t.Fatalf("%q is %d, prints %q, which is %d, %v", s, v, v.String(), again, err)
		}
	})
}
