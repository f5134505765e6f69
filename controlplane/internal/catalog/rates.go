package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Rates are what a model costs: nano-dollars per million tokens, but for Per…,
// whose name says of what. A nil class falls back as money.Cost says. The names
// in JSON are those of the API and of stored variants.
type Rates struct {
	Input          money.Nano  `json:"input"`
	Output         money.Nano  `json:"output"`
	CacheRead      *money.Nano `json:"cache_read,omitempty"`
	CacheWrite     *money.Nano `json:"cache_write,omitempty"`
	CacheWriteHour *money.Nano `json:"cache_write_hour,omitempty"`
	AudioInput     *money.Nano `json:"audio_input,omitempty"`
	AudioOutput    *money.Nano `json:"audio_output,omitempty"`
	AudioCacheRead *money.Nano `json:"audio_cache_read,omitempty"`
	ImageInput     *money.Nano `json:"image_input,omitempty"`
	ImageOutput    *money.Nano `json:"image_output,omitempty"`
	Reasoning      *money.Nano `json:"reasoning,omitempty"`

	PerRequest           money.Nano `json:"per_request,omitempty"`
	PerSearch            money.Nano `json:"per_search,omitempty"`
	PerImage             money.Nano `json:"per_image,omitempty"`
	PerAudioMinute       money.Nano `json:"per_audio_minute,omitempty"`
	PerMillionCharacters money.Nano `json:"per_million_characters,omitempty"`

	// Variants hold in place of these rates under their condition; the first
	// that fits counts.
	Variants []Variant `json:"variants,omitempty"`
}

// Variant is what a model costs under a condition: all of its parts that are
// set must hold. Its rates have no variants.
type Variant struct {
	AboveInputTokens int64  `json:"above_input_tokens,omitempty"`
	ServiceTier      string `json:"service_tier,omitempty"`
	// Minutes after midnight UTC; both 0 for any time.
	FromMinute uint32 `json:"from_minute,omitempty"`
	ToMinute   uint32 `json:"to_minute,omitempty"`
	Rates      Rates  `json:"price"`
}

// Amount is one class of a price by its name in the API.
type Amount struct {
	Name string
	Nano money.Nano
}

// Amounts lists the classes that have a price, input and output always.
func (r *Rates) Amounts() []Amount {
	out := []Amount{{"input", r.Input}, {"output", r.Output}}
	for _, o := range r.optional() {
		if *o.to != nil {
			out = append(out, Amount{o.name, **o.to})
		}
	}
	for _, u := range r.units() {
		if *u.to != 0 {
			out = append(out, Amount{u.name, *u.to})
		}
	}
	return out
}

type optionalRate struct {
	name string
	to   **money.Nano
}

func (r *Rates) optional() []optionalRate {
	return []optionalRate{
		{"cache_read", &r.CacheRead}, {"cache_write", &r.CacheWrite}, {"cache_write_hour", &r.CacheWriteHour},
		{"audio_input", &r.AudioInput}, {"audio_output", &r.AudioOutput}, {"audio_cache_read", &r.AudioCacheRead},
		{"image_input", &r.ImageInput}, {"image_output", &r.ImageOutput}, {"reasoning", &r.Reasoning},
	}
}

type unitRate struct {
	name string
	to   *money.Nano
}

func (r *Rates) units() []unitRate {
	return []unitRate{
		{"per_request", &r.PerRequest}, {"per_search", &r.PerSearch}, {"per_image", &r.PerImage},
		{"per_audio_minute", &r.PerAudioMinute}, {"per_million_characters", &r.PerMillionCharacters},
	}
}

// Equal compares amounts and variants, in their order.
func (r Rates) Equal(o Rates) bool {
	return slices.Equal(r.Amounts(), o.Amounts()) && slices.EqualFunc(r.Variants, o.Variants, func(a, b Variant) bool {
		return a.AboveInputTokens == b.AboveInputTokens && a.ServiceTier == b.ServiceTier &&
			a.FromMinute == b.FromMinute && a.ToMinute == b.ToMinute && a.Rates.Equal(b.Rates)
	})
}

// check refuses what data planes would refuse; at is where in the request the
// rates stand.
func (r *Rates) check(at string) error {
	err := configcheck.CheckRates("", r.Proto())
	bad, ok := errors.AsType[*configcheck.Error](err)
	if !ok {
		return err
	}
	fix := "Send dollars, for example 0.15."
	if strings.HasPrefix(bad.Path, "variants") {
		fix = "A variant has at least one condition and a price without variants of its own."
	}
	return fault.Invalid(at+bad.Path, bad.Message, fix)
}

// Proto is the price as data planes get it, without id and moment.
func (r *Rates) Proto() *configv1.Price {
	opt := func(n *money.Nano) *int64 {
		if n == nil {
			return nil
		}
		v := int64(*n)
		return &v
	}
	p := &configv1.Price{
		Input: int64(r.Input), Output: int64(r.Output),
		CacheRead: opt(r.CacheRead), CacheWrite: opt(r.CacheWrite), CacheWriteHour: opt(r.CacheWriteHour),
		AudioInput: opt(r.AudioInput), AudioOutput: opt(r.AudioOutput), AudioCacheRead: opt(r.AudioCacheRead),
		ImageInput: opt(r.ImageInput), ImageOutput: opt(r.ImageOutput), Reasoning: opt(r.Reasoning),
		PerRequest: int64(r.PerRequest), PerSearch: int64(r.PerSearch), PerImage: int64(r.PerImage),
		PerAudioMinute: int64(r.PerAudioMinute), PerMillionCharacters: int64(r.PerMillionCharacters),
	}
	for _, v := range r.Variants {
		p.Variants = append(p.Variants, &configv1.PriceVariant{
			AboveInputTokens: v.AboveInputTokens, ServiceTier: v.ServiceTier, FromMinute: v.FromMinute, ToMinute: v.ToMinute,
			Price: v.Rates.Proto(),
		})
	}
	return p
}

// RatesOf is the price of a list in our form.
func RatesOf(p *configv1.Price) Rates {
	opt := func(n *int64) *money.Nano {
		if n == nil {
			return nil
		}
		return new(money.Nano(*n))
	}
	r := Rates{
		Input: money.Nano(p.GetInput()), Output: money.Nano(p.GetOutput()),
		CacheRead: opt(p.CacheRead), CacheWrite: opt(p.CacheWrite), CacheWriteHour: opt(p.CacheWriteHour),
		AudioInput: opt(p.AudioInput), AudioOutput: opt(p.AudioOutput), AudioCacheRead: opt(p.AudioCacheRead),
		ImageInput: opt(p.ImageInput), ImageOutput: opt(p.ImageOutput), Reasoning: opt(p.Reasoning),
		PerRequest: money.Nano(p.GetPerRequest()), PerSearch: money.Nano(p.GetPerSearch()), PerImage: money.Nano(p.GetPerImage()),
		PerAudioMinute: money.Nano(p.GetPerAudioMinute()), PerMillionCharacters: money.Nano(p.GetPerMillionCharacters()),
	}
	for _, v := range p.GetVariants() {
		r.Variants = append(r.Variants, Variant{AboveInputTokens: v.GetAboveInputTokens(), ServiceTier: v.GetServiceTier(),
			FromMinute: v.GetFromMinute(), ToMinute: v.GetToMinute(), Rates: RatesOf(v.GetPrice())})
	}
	return r
}

// Condition says in words when a variant holds.
func (v *Variant) Condition() string {
	var parts []string
	if v.ServiceTier != "" {
		parts = append(parts, v.ServiceTier)
	}
	if v.AboveInputTokens > 0 {
		parts = append(parts, fmt.Sprintf("above %d input tokens", v.AboveInputTokens))
	}
	if v.FromMinute != v.ToMinute {
		parts = append(parts, fmt.Sprintf("%02d:%02d to %02d:%02d UTC", v.FromMinute/60, v.FromMinute%60, v.ToMinute/60, v.ToMinute%60))
	}
	return strings.Join(parts, ", ")
}
