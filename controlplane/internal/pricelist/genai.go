package pricelist

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// genaiClasses are the amounts of the format that a price can hold.
var genaiClasses = map[string]class{
	"input_mtok": {perMillion, toInput}, "output_mtok": {perMillion, toOutput},
	"cache_read_mtok": {perMillion, toCacheRead}, "cache_write_mtok": {perMillion, toCacheWrite},
	"cache_write_5m_mtok": {perMillion, toCacheWrite}, "cache_write_1h_mtok": {perMillion, toCacheWriteHour},
	"input_audio_mtok": {perMillion, toAudioInput}, "output_audio_mtok": {perMillion, toAudioOutput},
	"cache_audio_read_mtok": {perMillion, toAudioCacheRead},
	"input_image_mtok":      {perMillion, toImageInput}, "output_image_mtok": {perMillion, toImageOutput},
	"input_mchars": {perMillion, toCharacters}, "audio_hours": {perHour, toAudioMinute}, "input_audio_hours": {perHour, toAudioMinute},
	"requests_kcount": {perThousand, toRequest}, "web_searches_kcount": {perThousand, toSearch}, "rerank_searches_kcount": {perThousand, toSearch},
}

var genaiModelFields = []string{"id", "name", "description", "match", "context_window", "price_comments", "prices", "deprecated"}

// genai reads a list of providers, each with models that have rules of which
// names they match and prices under constraints, the last that fits counting.
func (r *reader) genai(root node) {
	for _, p := range r.array(root) {
		name := r.text(p.at("id"))
		if name == "" {
			r.problem(p.at("id").path, "is missing")
			continue
		}
		models := r.array(p.at("models"))
		ours := provider(name)
		if ours == "" {
			r.list.Unknown[name] += len(models)
		}
		r.quiet = ours == ""
		for _, m := range models {
			r.genaiModel(ours, m)
		}
		r.quiet = false
	}
}

// genaiModel reads also models of unknown providers: a list that is broken
// there is broken.
func (r *reader) genaiModel(ours string, n node) {
	for _, k := range r.object(n) {
		if !slices.Contains(genaiModelFields, k) {
			r.problem(n.at(k).path, "is not a field of this format")
		}
	}
	m := Model{Where: n.path, Provider: ours, Model: r.text(n.at("id")), Label: r.text(n.at("name")), ContextWindow: r.tokens(n.at("context_window"))}
	if m.Model == "" {
		r.problem(n.at("id").path, "is missing")
		return
	}
	match := r.genaiMatch(n.at("match"), 0)
	m.Prices = r.genaiPrices(n.at("prices"))
	if ours == "" || match == nil {
		return
	}
	if !usable(ours, m.Model) {
		r.leave(n.path, "%q cannot be the name of a model here", m.Model)
		return
	}
	m.Matches = func(name string) bool { return match(strings.ToLower(name)) }
	r.add(m, false)
	// Names that the rules give word for word are models of their own.
	for _, name := range equals(n.at("match").value) {
		if name != m.Model && usable(ours, name) {
			other := m
			other.Model, other.Matches = name, nil
			if _, taken := r.seen[other.ID()]; !taken {
				r.add(other, false)
			}
		}
	}
}

// equals are the names that a rule gives word for word.
func equals(v any) []string {
	m, _ := v.(map[string]any)
	if s, ok := m["equals"].(string); ok {
		return []string{s}
	}
	var out []string
	if list, ok := m["or"].([]any); ok {
		for _, e := range list {
			out = append(out, equals(e)...)
		}
	}
	return out
}

// dated is one entry of a model's prices with its constraint.
type dated struct {
	price    *configv1.Price
	from     int64 // 0 for always
	timed    bool
	fromMin  uint32
	untilMin uint32
}

func (r *reader) genaiPrices(n node) []*configv1.Price {
	if _, one := n.value.(map[string]any); one {
		return []*configv1.Price{r.genaiRates(n)}
	}
	var all []dated
	for _, e := range r.array(n) {
		for _, k := range r.object(e) {
			if k != "constraint" && k != "prices" {
				r.problem(e.at(k).path, "is not a field of this format")
			}
		}
		d := dated{price: r.genaiRates(e.at("prices"))}
		r.genaiConstraint(e.at("constraint"), &d)
		all = append(all, d)
	}
	if len(all) == 0 {
		r.problem(n.where(), "has no price")
		return nil
	}
	return byDate(all)
}

func (r *reader) genaiConstraint(n node, d *dated) {
	if n.missing() {
		return
	}
	for _, k := range r.object(n) {
		switch k {
		case "start_date":
			d.from = r.day(n.at(k))
		case "start_time":
			d.timed, d.fromMin = true, r.minute(n.at(k))
		case "end_time":
			d.timed, d.untilMin = true, r.minute(n.at(k))
		default:
			r.problem(n.at(k).path, "is not a constraint of this format")
		}
	}
	if d.timed && d.fromMin == d.untilMin {
		r.problem(n.path, "is not a span of a day")
	}
}

// minute is a time of day such as 16:30:00Z in minutes UTC.
func (r *reader) minute(n node) uint32 {
	t, err := time.Parse("15:04:05Z07:00", r.text(n))
	if err != nil || t.Second() != 0 {
		r.problem(n.path, "is not a time of day such as 16:30:00Z")
		return 0
	}
	t = t.UTC()
	return uint32(t.Hour()*60 + t.Minute())
}

// byDate turns constraints into prices by date with variants by time of day:
// at each date the last entry that fits counts, and spans of a day stand over
// the entries before them.
func byDate(all []dated) []*configv1.Price {
	dates := []int64{0}
	for _, d := range all {
		dates = append(dates, d.from)
	}
	slices.Sort(dates)
	dates = slices.Compact(dates)
	var out []*configv1.Price
	for _, at := range dates {
		base := all[0].price
		var spans []*configv1.PriceVariant
		for i := len(all) - 1; i >= 0; i-- {
			d := all[i]
			if d.from > at {
				continue
			}
			if !d.timed {
				base = d.price
				break
			}
			spans = append(spans, span(d)...)
		}
		p := proto.CloneOf(base)
		p.EffectiveFromUnix = at
		p.Variants = append(spans, p.Variants...)
		if n := len(out); n > 0 && sameRates(out[n-1], p) {
			continue
		}
		out = append(out, p)
	}
	return out
}

func sameRates(a, b *configv1.Price) bool {
	b = proto.CloneOf(b)
	b.EffectiveFromUnix = a.GetEffectiveFromUnix()
	return proto.Equal(a, b)
}

// span is a price by time of day, its own tiers first.
func span(d dated) []*configv1.PriceVariant {
	var out []*configv1.PriceVariant
	for _, v := range d.price.GetVariants() {
		out = append(out, &configv1.PriceVariant{AboveInputTokens: v.GetAboveInputTokens(), FromMinute: d.fromMin, ToMinute: d.untilMin, Price: v.GetPrice()})
	}
	p := proto.CloneOf(d.price)
	p.Variants = nil
	return append(out, &configv1.PriceVariant{FromMinute: d.fromMin, ToMinute: d.untilMin, Price: p})
}

// genaiRates reads one set of prices; tiers become variants.
func (r *reader) genaiRates(n node) *configv1.Price {
	p := &configv1.Price{}
	type step struct {
		start int64
		set   func(*configv1.Price)
	}
	var steps []step
	for _, k := range r.object(n) {
		c, known := genaiClasses[k]
		v := n.at(k)
		if !known {
			if !strings.HasSuffix(k, "_mtok") && !strings.Contains(k, "count") && !strings.Contains(k, "hours") && !strings.Contains(k, "pages") && !strings.Contains(k, "pixels") {
				r.problem(v.path, "is not a price of this format")
				continue
			}
			r.leave(v.path, "has no place in a price here")
			continue
		}
		if _, tiers := v.value.(map[string]any); !tiers {
			if a, ok := r.amount(v, c.scale); ok {
				c.set(p, a)
			}
			continue
		}
		if a, ok := r.amount(v.at("base"), c.scale); ok {
			c.set(p, a)
		}
		for _, t := range r.array(v.at("tiers")) {
			start := r.tokens(t.at("start"))
			if start == 0 {
				r.problem(t.at("start").path, "is not a number of tokens above 0")
				continue
			}
			if a, ok := r.amount(t.at("price"), c.scale); ok {
				steps = append(steps, step{int64(start), func(p *configv1.Price) { c.set(p, a) }})
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.start, b.start) })
	for i, s := range steps {
		if i+1 < len(steps) && steps[i+1].start == s.start {
			continue
		}
		tier := proto.CloneOf(p)
		tier.Variants = nil
		for _, lower := range steps[:i+1] {
			lower.set(tier)
		}
		p.Variants = append(p.Variants, &configv1.PriceVariant{AboveInputTokens: s.start, Price: tier})
	}
	sortVariants(p)
	return p
}
