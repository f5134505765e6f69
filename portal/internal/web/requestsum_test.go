package web

import (
	"testing"
	"time"

	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// A request with every class and unit adds up on the page as money.Cost adds
// it up, with and without prices of their own and under a condition.
func TestSumsOfAllClassesAgreeWithTheLedger(t *testing.T) {
	s := func(v string) *string { return &v }
	plain := apiclient.Price{Id: "prc_a", Input: "1.000000001", Output: "7.00", PerRequest: "0.00001"}
	own := plain
	own.CacheRead, own.CacheWrite, own.CacheWriteHour = s("0.1"), s("1.25"), s("2.000000007")
	own.AudioInput, own.AudioOutput, own.AudioCacheRead = s("3.3"), s("4.4"), s("0.33")
	own.ImageInput, own.ImageOutput, own.Reasoning = s("5.5"), s("66"), s("0.7")
	own.PerSearch, own.PerImage, own.PerAudioMinute, own.PerMillionCharacters = s("0.01"), s("0.04"), s("0.006"), s("15")
	tiered := own
	tiered.Variants = &[]apiclient.PriceVariant{{ServiceTier: s("priority"), Price: apiclient.Rates{Input: "9", Output: "9"}}, {ServiceTier: s("flex"), Price: apiclient.Rates{Input: "2", Output: "3", PerAudioMinute: s("0.001")}}}
	for name, p := range map[string]apiclient.Price{"plain": plain, "own": own, "tiered": tiered} {
		d := &apiclient.RequestDetail{
			Request:   apiclient.Request{InputTokens: 3, OutputTokens: 50, ReasoningTokens: 20, CacheReadTokens: 5, CacheWriteTokens: 7, StartedAt: time.Unix(1e9, 0)},
			CostPrice: &p, AudioInputTokens: 11, AudioOutputTokens: 13, ImageInputTokens: 17, ImageOutputTokens: 19,
			CacheWriteHourTokens: 23, AudioCacheReadTokens: 29, ServiceTier: "flex",
			Units: apiclient.Units{Searches: 2, Images: 3, AudioMilliseconds: 12_347, Characters: 37},
		}
		rates, under := ratesOf(d, &p)
		if (name == "tiered") != (under == "flex tier") {
			t.Errorf("%s: under %q", name, under)
		}
		d.Request.CostNano = int64(money.Cost(priceOf(t, rates), tokensOf(d),
			&usagev1.Units{Searches: 2, Images: 3, AudioMilliseconds: 12_347, Characters: 37}))
		if got := sums(d)[0]; !got.Agrees || d.Request.CostNano == 0 {
			t.Errorf("%s: the page says %s, the ledger %d: %+v", name, got.Rounded, d.Request.CostNano, got.Lines)
		}
		d.Request.CostNano++
		if sums(d)[0].Agrees {
			t.Errorf("%s: a nano-dollar more agrees too", name)
		}
	}
}

func priceOf(t *testing.T, r apiclient.Rates) *configv1.Price {
	some := func(v *string) *int64 {
		if v == nil {
			return nil
		}
		n, err := money.Parse(*v)
		if err != nil {
			t.Fatal(err)
		}
		return (*int64)(&n)
	}
	whole := func(v *string) (n int64) {
		if p := some(v); p != nil {
			n = *p
		}
		return n
	}
	return &configv1.Price{
		Input: whole(&r.Input), Output: whole(&r.Output), CacheRead: some(r.CacheRead), CacheWrite: some(r.CacheWrite),
		CacheWriteHour: some(r.CacheWriteHour), AudioInput: some(r.AudioInput), AudioOutput: some(r.AudioOutput),
		AudioCacheRead: some(r.AudioCacheRead), ImageInput: some(r.ImageInput), ImageOutput: some(r.ImageOutput), Reasoning: some(r.Reasoning),
		PerRequest: whole(r.PerRequest), PerSearch: whole(r.PerSearch), PerImage: whole(r.PerImage),
		PerAudioMinute: whole(r.PerAudioMinute), PerMillionCharacters: whole(r.PerMillionCharacters),
	}
}
