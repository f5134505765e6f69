package web

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// priceText is a price for people.
func priceText(p *apiclient.Price) *view.PriceText {
	if p == nil {
		return nil
	}
	side := "Provider charges"
	if p.Side == apiclient.Sell {
		side = "Tenant pays"
	}
	t := view.PriceText{ID: p.Id, Side: side, Input: p.Input, Output: p.Output, Source: p.Source, Since: view.Instant{Time: p.EffectiveFrom}}
	t.Origin = map[apiclient.PriceOrigin]string{
		apiclient.PriceOriginCatalog: "Catalogue", apiclient.PriceOriginImport: "Imported list",
		apiclient.PriceOriginOperator: "Operator", apiclient.PriceOriginTenant: "Your organisation",
	}[p.Origin]
	t.Rest = dash(otherClasses(apiclient.Rates{
		CacheRead: p.CacheRead, CacheWrite: p.CacheWrite, CacheWriteHour: p.CacheWriteHour, AudioInput: p.AudioInput, AudioOutput: p.AudioOutput,
		AudioCacheRead: p.AudioCacheRead, ImageInput: p.ImageInput, ImageOutput: p.ImageOutput, Reasoning: p.Reasoning, PerRequest: &p.PerRequest,
		PerSearch: p.PerSearch, PerImage: p.PerImage, PerAudioMinute: p.PerAudioMinute, PerMillionCharacters: p.PerMillionCharacters,
	}))
	if p.Variants != nil {
		for _, x := range *p.Variants {
			t.Tiers = append(t.Tiers, view.TierText{Condition: condition(x), Input: x.Price.Input, Output: x.Price.Output, Rest: otherClasses(x.Price)})
		}
	}
	return &t
}

// otherClasses are those beside input and output that cost something.
func otherClasses(r apiclient.Rates) string {
	var rest []string
	for _, c := range []struct {
		name  string
		price *string
	}{
		{"cache read", r.CacheRead}, {"cache write", r.CacheWrite}, {"cache write, kept an hour", r.CacheWriteHour},
		{"audio in", r.AudioInput}, {"audio out", r.AudioOutput}, {"audio cache read", r.AudioCacheRead},
		{"image in", r.ImageInput}, {"image out", r.ImageOutput}, {"reasoning", r.Reasoning},
		{"per request", r.PerRequest}, {"per search", r.PerSearch}, {"per image", r.PerImage},
		{"per minute heard", r.PerAudioMinute}, {"per million characters", r.PerMillionCharacters},
	} {
		if c.price != nil && strings.Trim(*c.price, "0.") != "" {
			rest = append(rest, c.name+" $"+*c.price)
		}
	}
	return strings.Join(rest, ", ")
}

// condition says when a variant holds.
func condition(x apiclient.PriceVariant) string {
	var parts []string
	if x.ServiceTier != nil {
		parts = append(parts, *x.ServiceTier+" tier")
	}
	if x.AboveInputTokens != nil {
		parts = append(parts, "above "+view.Int(*x.AboveInputTokens)+" input tokens")
	}
	if x.FromMinute != nil && x.ToMinute != nil {
		parts = append(parts, fmt.Sprintf("%02d:%02d to %02d:%02d UTC", *x.FromMinute/60, *x.FromMinute%60, *x.ToMinute/60, *x.ToMinute%60))
	}
	return strings.Join(parts, ", ")
}

// sentPrice is the price that was typed.
func (v *visit) sentPrice() (apiclient.PriceCreate, error) {
	at := func(name string) *string { return v.optional("price." + name) }
	p := apiclient.PriceCreate{
		Input: v.field("price.input"), Output: v.field("price.output"),
		CacheRead: at("cache_read"), CacheWrite: at("cache_write"), CacheWriteHour: at("cache_write_hour"),
		AudioInput: at("audio_input"), AudioOutput: at("audio_output"), AudioCacheRead: at("audio_cache_read"),
		ImageInput: at("image_input"), ImageOutput: at("image_output"), Reasoning: at("reasoning"),
		PerRequest: at("per_request"), PerSearch: at("per_search"), PerImage: at("per_image"),
		PerAudioMinute: at("per_audio_minute"), PerMillionCharacters: at("per_million_characters"), Source: at("source"),
	}
	var tiers []apiclient.PriceVariant
	for i := range view.TierRows {
		tier, err := v.sentTier(i, p)
		if err != nil {
			return p, err
		}
		if tier != nil {
			tiers = append(tiers, *tier)
		}
	}
	if tiers != nil {
		p.Variants = &tiers
	}
	return p, nil
}

// sentTier is one row of prices by condition; nil when it is empty. Classes
// that the row leaves empty are those of the price above.
func (v *visit) sentTier(row int, base apiclient.PriceCreate) (*apiclient.PriceVariant, error) {
	at := func(name string) string { return view.TierField(row, name) }
	above, tier := v.field(at("above_input_tokens")), v.optional(at("service_tier"))
	input, output, cached := v.optional(at("input")), v.optional(at("output")), v.optional(at("cache_read"))
	if above == "" && tier == nil {
		if input != nil || output != nil || cached != nil {
			return nil, wrongField(at("above_input_tokens"), "Say when this price holds: above how many tokens, or in which service tier.")
		}
		return nil, nil
	}
	or := func(own *string, of *string) *string {
		if own != nil {
			return own
		}
		return of
	}
	x := &apiclient.PriceVariant{ServiceTier: tier, Price: apiclient.Rates{
		Input: *or(input, &base.Input), Output: *or(output, &base.Output), CacheRead: or(cached, base.CacheRead),
		CacheWrite: base.CacheWrite, CacheWriteHour: base.CacheWriteHour, AudioInput: base.AudioInput, AudioOutput: base.AudioOutput,
		AudioCacheRead: base.AudioCacheRead, ImageInput: base.ImageInput, ImageOutput: base.ImageOutput, Reasoning: base.Reasoning,
		PerRequest: base.PerRequest, PerSearch: base.PerSearch, PerImage: base.PerImage,
		PerAudioMinute: base.PerAudioMinute, PerMillionCharacters: base.PerMillionCharacters,
	}}
	if above != "" {
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", "_", "", " ", "").Replace(above), 10, 64)
		if err != nil || n < 1 {
			return nil, wrongField(at("above_input_tokens"), "Give a whole number of tokens.")
		}
		x.AboveInputTokens = &n
	}
	return x, nil
}

// tierPath is a field of a variant in the API's words.
var tierPath = regexp.MustCompile(`^price\.variants\[(\d+)\]\.(?:price\.)?(.+)$`)

// underPrice moves field errors of a price to where the form has them.
func underPrice(err error) error {
	if p, ok := problemOf(err); ok {
		moved := map[string]control.FieldError{}
		for name, e := range p.Fields {
			moved[tierName("price."+strings.TrimPrefix(name, "price."))] = e
		}
		p.Fields = moved
	}
	return err
}

// tiersOf moves the errors of tiers alone: the others stand where the form has
// them.
func tiersOf(err error) error {
	if p, ok := problemOf(err); ok {
		moved := map[string]control.FieldError{}
		for name, e := range p.Fields {
			moved[tierName(name)] = e
		}
		p.Fields = moved
	}
	return err
}

// tierName is a field of the API in the form's words.
func tierName(name string) string {
	if m := tierPath.FindStringSubmatch(name); m != nil {
		row, _ := strconv.Atoi(m[1])
		return view.TierField(row, m[2])
	}
	return name
}

// catalogRow is a model of the catalogue for people.
func catalogRow(c apiclient.CatalogModel) view.CatalogRow {
	row := view.CatalogRow{
		ID: c.Id, Provider: c.Provider, Model: c.ProviderModel, Name: orText(c.Name, c.ProviderModel), BuiltIn: c.BuiltIn, Pinned: c.Pinned,
		Cost: priceText(c.CostPrice), Sell: priceText(c.SellPrice), Context: "–", Can: canText(c.Capabilities),
	}
	if c.ContextWindow > 0 {
		row.Context = view.Int(int64(c.ContextWindow))
	}
	if c.MaxOutputTokens != nil && *c.MaxOutputTokens > 0 {
		row.Output = view.Int(int64(*c.MaxOutputTokens))
	}
	if c.DeprecatedAt != nil {
		row.Retires = view.Instant{Time: *c.DeprecatedAt}
	}
	return row
}

// canText says what a model can do.
func canText(c *apiclient.Capabilities) string {
	if c == nil {
		return ""
	}
	parts := append([]string{}, c.Operations...)
	var takes []string
	for _, in := range c.Input {
		if in != "text" {
			takes = append(takes, in)
		}
	}
	if len(takes) > 0 {
		parts = append(parts, "takes "+strings.Join(takes, ", "))
	}
	for _, f := range []struct {
		has  bool
		name string
	}{{c.Tools, "tools"}, {c.Reasoning, "reasoning"}, {c.JsonSchema, "JSON schema"}} {
		if f.has {
			parts = append(parts, f.name)
		}
	}
	return strings.Join(parts, " · ")
}
