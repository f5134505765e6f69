// Package usagegen makes up usage events that look like those of real data
// planes, for tests and benchmarks: a few tenants have most of the traffic,
// some requests fail, some are estimates, and every amount is tokens × price.
// The same seed gives the same events. It knows neither NATS nor Postgres.
package usagegen

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Model is a model with what it costs and what tenants pay for it.
type Model struct {
	Provider, Name string
	Cost, Sell     *configv1.Price
}

// World is what events are about.
type World struct {
	Tenants []string
	// Projects and Keys of a tenant are made from its place in Tenants.
	Projects, Keys int
	Models         []Model
	// From and Until bound started_at, which is drawn at random between them;
	// when Step is set, it rises from From by so much with each event.
	From, Until time.Time
	Step        time.Duration

	rnd  *rand.Rand
	made int64
}

// New makes a world of n tenants with three models.
func New(seed uint64, n int, from, until time.Time) *World {
	w := &World{Projects: 2, Keys: 5, From: from, Until: until, rnd: rand.New(rand.NewPCG(seed, 7))}
	for i := range n {
		w.Tenants = append(w.Tenants, fmt.Sprintf("ten_gen%05d", i))
	}
	read, write := int64(75_000_000), int64(187_500_000)
	w.Models = []Model{
		{Provider: "openai", Name: "gpt-small", Cost: price("prc_gen_c1", 150_000_000, 600_000_000), Sell: price("prc_gen_s1", 180_000_001, 720_000_003)},
		{Provider: "anthropic", Name: "claude-mid", Cost: price("prc_gen_c2", 3_000_000_000, 15_000_000_000)},
		{Provider: "demo", Name: "demo", Cost: price("prc_gen_c3", 100_000_000, 400_000_000), Sell: price("prc_gen_s3", 1, 3)},
	}
	w.Models[1].Cost.CacheRead, w.Models[1].Cost.CacheWrite = &read, &write
	w.Models[2].Cost.PerRequest = 17
	w.vary()
	return w
}

// vary gives the models prices of every class, and under every condition.
func (w *World) vary() {
	n := func(v int64) *int64 { return &v }
	small, mid := w.Models[0].Cost, w.Models[1].Cost
	small.ImageOutput, small.AudioInput, small.AudioOutput, small.Reasoning = n(9_000_000_007), n(700_000_001), n(1_400_000_009), n(900_000_011)
	small.PerSearch, small.PerImage, small.PerAudioMinute, small.PerMillionCharacters = 10_000_003, 40_000_000, 6_000_001, 15_000_000_007
	small.Variants = []*configv1.PriceVariant{
		{AboveInputTokens: 9000, ServiceTier: "priority", Price: &configv1.Price{Input: 400_000_003, Output: 1_600_000_001, CacheRead: n(77)}},
		{AboveInputTokens: 9000, Price: &configv1.Price{Input: 300_000_001, Output: 900_000_001}},
		{ServiceTier: "flex", Price: &configv1.Price{Input: 75_000_001, Output: 300_000_001, PerImage: 3}},
	}
	mid.CacheWriteHour, mid.AudioCacheRead = n(6_000_000_001), n(300_000_007)
	mid.Variants = []*configv1.PriceVariant{
		{FromMinute: 990, ToMinute: 30, Price: &configv1.Price{Input: 1_500_000_001, Output: 7_500_000_003, Reasoning: n(5)}},
		{FromMinute: 600, ToMinute: 720, Price: &configv1.Price{Input: 1_000_000_001, Output: 2}},
	}
}

func price(id string, in, out int64) *configv1.Price {
	return &configv1.Price{Id: id, Input: in, Output: out}
}

// Batch makes n events of one epoch, numbered from first.
func (w *World) Batch(dataPlaneID string, epoch, first uint64, n int) *usagev1.Batch {
	b := &usagev1.Batch{DataPlaneId: dataPlaneID, Epoch: epoch, Events: make([]*usagev1.Event, n)}
	for i := range b.Events {
		b.Events[i] = w.Event(first + uint64(i))
	}
	return b
}

// Event makes one event.
func (w *World) Event(seq uint64) *usagev1.Event {
	// The product of two draws favours the first tenants, as life does.
	t := int(w.rnd.Float64() * w.rnd.Float64() * float64(len(w.Tenants)))
	m := w.Models[w.rnd.IntN(len(w.Models))]
	key := w.rnd.IntN(w.Keys)
	at := w.From.Add(time.Duration(w.made) * w.Step)
	if w.Step == 0 {
		at = w.From.Add(time.Duration(w.rnd.Int64N(int64(w.Until.Sub(w.From)))))
	}
	w.made++
	e := &usagev1.Event{
		Seq: seq, TenantId: w.Tenants[t], ProjectId: fmt.Sprintf("prj_gen%05d_%d", t, key%w.Projects),
		ApiKeyId: fmt.Sprintf("key_gen%05d_%d", t, key), RequestId: fmt.Sprintf("req_%012x%014x", at.UnixMilli(), w.rnd.Uint64()>>8),
		Route: m.Name, Operation: "chat", StartedAtUnixNano: at.UnixNano(), DurationNs: 1e6 + w.rnd.Int64N(20e9),
		Streamed: w.rnd.IntN(5) < 3, ConfigRevision: 1 + w.rnd.Uint64N(1000), ClientIp: "192.0.2.7", UserAgent: "OpenAI/Go 3.96.0",
	}
	switch r := w.rnd.IntN(100); {
	case r < 4:
		w.refuse(e, r)
	case r < 7:
		w.answer(e, m, 500)
		e.Outcome, e.HttpStatus, e.ErrorCode, e.Tokens = usagev1.Outcome_OUTCOME_UPSTREAM_ERROR, 502, "upstream_error", nil
	case r < 9:
		w.answer(e, m, 200)
		e.Outcome, e.Estimated = usagev1.Outcome_OUTCOME_CLIENT_CLOSED, true
	case r < 10:
		w.answer(e, m, 0)
		e.Outcome, e.Estimated, e.HttpStatus = usagev1.Outcome_OUTCOME_INTERRUPTED, true, 0
	default:
		w.answer(e, m, 200)
		e.Outcome = usagev1.Outcome_OUTCOME_OK
	}
	if e.Provider != "" {
		w.charge(e, m)
	}
	return e
}

func (w *World) refuse(e *usagev1.Event, r int) {
	e.Outcome, e.HttpStatus, e.ErrorCode = usagev1.Outcome_OUTCOME_REFUSED, 403, "model_not_allowed"
	if r < 2 {
		e.HttpStatus, e.ErrorCode, e.Route = 404, "model_not_found", fmt.Sprintf("no-such-model-%d", w.rnd.IntN(1000))
	}
}

func (w *World) answer(e *usagev1.Event, m Model, status int32) {
	e.Provider, e.ProviderModel, e.HttpStatus = m.Provider, m.Name, 200
	e.TimeToFirstTokenNs = e.DurationNs / 10
	e.Tokens = &usagev1.Tokens{Input: w.rnd.Int64N(4000), Output: 1 + w.rnd.Int64N(1500)}
	if w.rnd.IntN(4) == 0 {
		e.Tokens.CacheRead, e.Tokens.CacheWrite = w.rnd.Int64N(8000), w.rnd.Int64N(2000)
		e.Tokens.Reasoning = w.rnd.Int64N(e.Tokens.Output)
	}
	w.more(e)
	n := 1
	if w.rnd.IntN(20) == 0 {
		n = 2
	}
	for i := range n {
		a := &usagev1.Attempt{Provider: m.Provider, ProviderModel: m.Name, CredentialId: "crd_gen", ModelId: "mdl_gen",
			Status: status, StartedAtUnixNano: e.StartedAtUnixNano, DurationNs: e.DurationNs, TimeToFirstByteNs: e.TimeToFirstTokenNs}
		if i < n-1 {
			a.Status, a.ErrorCode = 503, "upstream_error"
		}
		e.Attempts = append(e.Attempts, a)
	}
}

// more draws the classes, units, tiers and reported costs that are rare.
func (w *World) more(e *usagev1.Event) {
	if w.rnd.IntN(4) == 0 {
		t := e.Tokens
		t.CacheWriteHour, t.AudioInput, t.AudioCacheRead = w.rnd.Int64N(900), w.rnd.Int64N(300), w.rnd.Int64N(200)
		t.AudioOutput, t.ImageInput, t.ImageOutput = w.rnd.Int64N(400), w.rnd.Int64N(700), w.rnd.Int64N(1300)
	}
	if w.rnd.IntN(5) == 0 {
		e.Units = &usagev1.Units{
			Searches: w.rnd.Int64N(4), Images: w.rnd.Int64N(3), AudioMilliseconds: w.rnd.Int64N(100_000), Characters: w.rnd.Int64N(5000),
		}
	}
	e.ServiceTier = []string{"", "", "", "", "flex", "priority"}[w.rnd.IntN(6)]
	e.CostReported = w.rnd.IntN(12) == 0
}

func (w *World) charge(e *usagev1.Event, m Model) {
	at := money.ConditionsOf(e.Tokens, e.ServiceTier, e.StartedAtUnixNano)
	if e.CostReported {
		e.CostNano = w.rnd.Int64N(1e9)
	} else {
		e.CostPriceId, e.CostNano = m.Cost.Id, int64(money.Cost(money.Pick(m.Cost, at), e.Tokens, e.Units))
	}
	e.PriceNano = e.CostNano
	if m.Sell != nil {
		e.SellPriceId, e.PriceNano = m.Sell.Id, int64(money.Cost(money.Pick(m.Sell, at), e.Tokens, e.Units))
	}
}
