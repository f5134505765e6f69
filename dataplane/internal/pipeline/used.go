package pipeline

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/proto/money"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// said is what a provider says of a call beside tokens.
type said struct {
	// cost is what it says it charges, when known.
	cost      money.Nano
	costKnown bool
	// tier is the service tier in our words; empty for the standard one.
	tier string
}

// take fills in what a translated or followed answer reports.
func (x *exchange) take(u *canon.Usage) {
	tokensOf(u, &x.tokens)
	if u.Searches > 0 {
		x.units().Searches = u.Searches
	}
	if cost, ok := money.Reported(u.Cost); ok {
		x.said.cost, x.said.costKnown = cost, true
	}
}

// takePassing fills in what an answer reports that passed as it was. It
// allocates only for searches.
func (x *exchange) takePassing(u *openai.Usage) {
	u.Tokens(&x.tokens)
	if n := u.Searches(); n > 0 {
		x.units().Searches = n
	}
	x.said.cost, x.said.costKnown = u.Cost()
}

// units are those of the event.
func (x *exchange) units() *usagev1.Units {
	if x.event.Units == nil {
		x.event.Units = &usagev1.Units{}
	}
	return x.event.Units
}

// tokensOf turns a report into the classes of an event.
func tokensOf(u *canon.Usage, t *usagev1.Tokens) {
	t.Input, t.AudioInput, t.ImageInput = u.Input, u.AudioInput, u.ImageInput
	t.CacheRead, t.AudioCacheRead = u.CacheRead-u.AudioCacheRead, u.AudioCacheRead
	t.CacheWrite, t.CacheWriteHour = u.CacheWrite-u.CacheWriteHour, u.CacheWriteHour
	t.Output, t.AudioOutput, t.ImageOutput = u.Output, u.AudioOutput, u.ImageOutput
	t.Reasoning = u.Reasoning
}

// serviceTier is the tier that the answer names.
func (x *exchange) serviceTier() string {
	switch {
	case x.carried != nil:
		return tierName(x.carried.tally.Tier())
	case x.follow != nil:
		return x.follow.tier
	case x.said.tier != "":
		return x.said.tier
	case x.translation.answer.ServiceTier != nil:
		return tierName(x.translation.answer.ServiceTier)
	case x.streamed:
		return tierName(x.stream.Answer.Tier())
	}
	return tierName(x.summary.Tier())
}

// tierName is a service tier, as it stands in JSON, in our words: empty for
// the standard one. It allocates only for names that are rare.
func tierName(quoted []byte) string {
	if len(quoted) < 2 || quoted[0] != '"' {
		return ""
	}
	switch name := quoted[1 : len(quoted)-1]; string(name) {
	case "", "auto", "default", "standard", "standard_only", "on_demand":
		return ""
	case "priority":
		return "priority"
	case "flex":
		return "flex"
	case "batch":
		return "batch"
	}
	const most = 64
	var name string
	if t := canon.Text(quoted); len(t) <= most {
		name = strings.ToLower(t.String())
	}
	if name == "standard" || name == "default" {
		return ""
	}
	return name
}

// charge works out what the call costs at the prices that were chosen when it
// was routed: their variant for what was used, the tier and the time of day.
// Two picks and two sums, without an allocation. What the provider itself says
// it charges counts before the catalogue's price, and not before a price that
// was set for this very model.
func (x *exchange) charge() {
	ev := &x.event
	ev.ServiceTier = x.serviceTier()
	at := money.ConditionsOf(&x.tokens, ev.ServiceTier, x.req.Started.UnixNano())
	reported := x.said.costKnown && !ev.Estimated && !(x.ownCost && x.costPrice != nil)
	if reported {
		ev.CostNano, ev.CostReported = int64(x.said.cost), true
	} else {
		ev.CostNano, ev.CostPriceId = int64(money.Cost(money.Pick(x.costPrice, at), &x.tokens, ev.Units)), x.costPrice.GetId()
	}
	if reported && x.sellPrice == x.costPrice {
		ev.PriceNano = ev.CostNano
		return
	}
	ev.PriceNano, ev.SellPriceId = int64(money.Cost(money.Pick(x.sellPrice, at), &x.tokens, ev.Units)), x.sellPrice.GetId()
}
