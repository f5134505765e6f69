package usage_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// truth is what the events add up to, counted apart from the code under test.
type truth map[string]*usage.Totals

func (tr truth) add(e *usagev1.Event, groups ...string) {
	for _, g := range groups {
		t := tr[g]
		if t == nil {
			t = &usage.Totals{}
			tr[g] = t
		}
		k := e.GetTokens()
		t.Requests++
		t.Attempts += int64(len(e.Attempts))
		switch e.Outcome {
		case usagev1.Outcome_OUTCOME_REFUSED, usagev1.Outcome_OUTCOME_UPSTREAM_ERROR, usagev1.Outcome_OUTCOME_INTERRUPTED:
			t.Errors++
		}
		if e.Estimated {
			t.Estimated++
		}
		t.Tokens.Input += k.GetInput()
		t.Tokens.Output += k.GetOutput()
		t.Tokens.CacheRead += k.GetCacheRead()
		t.Tokens.CacheWrite += k.GetCacheWrite()
		t.Tokens.Reasoning += k.GetReasoning()
		t.Tokens.AudioInput += k.GetAudioInput()
		t.Tokens.AudioOutput += k.GetAudioOutput()
		t.Tokens.AudioCacheRead += k.GetAudioCacheRead()
		t.Tokens.ImageInput += k.GetImageInput()
		t.Tokens.ImageOutput += k.GetImageOutput()
		t.Tokens.CacheWriteHour += k.GetCacheWriteHour()
		u := e.GetUnits()
		t.Units.Searches += u.GetSearches()
		t.Units.Images += u.GetImages()
		t.Units.AudioMilliseconds += u.GetAudioMilliseconds()
		t.Units.Characters += u.GetCharacters()
		t.CostNano += e.CostNano
		t.PriceNano += e.PriceNano
		t.DurationUS += e.DurationNs / 1000
	}
}

// want of a group; nothing counts as nothing.
func (tr truth) want(group string) usage.Totals {
	if t := tr[group]; t != nil {
		return *t
	}
	return usage.Totals{}
}

// shuffled cuts the events of some epochs into batches, repeats a third of
// them, and mixes the order.
func shuffled(w *usagegen.World, rnd *rand.Rand, n int, tr truth) []*usagev1.Batch {
	var out []*usagev1.Batch
	epochs := []struct {
		id    string
		epoch uint64
	}{{"dpl_a", 1}, {"dpl_a", 2}, {"dpl_b", 1}}
	for i, ep := range epochs {
		left, seq := n/len(epochs), uint64(1)
		if i == 0 {
			left += n % len(epochs)
		}
		for left > 0 {
			b := w.Batch(ep.id, ep.epoch, seq, min(left, 1+rnd.IntN(400)))
			seq, left = seq+uint64(len(b.Events)), left-len(b.Events)
			for _, e := range b.Events {
				tr.add(e, "", "tenant "+e.TenantId, "key "+e.TenantId+e.ApiKeyId,
					"day "+e.TenantId+time.Unix(0, e.StartedAtUnixNano).UTC().Format(time.DateOnly))
			}
			out = append(out, b)
			if rnd.IntN(3) == 0 {
				i := rnd.IntN(len(b.Events))
				out = append(out, &usagev1.Batch{DataPlaneId: b.DataPlaneId, Epoch: b.Epoch, Events: b.Events[i : i+1+rnd.IntN(len(b.Events)-i)]})
			}
		}
	}
	// Order is lost among neighbours, as it is with several ingesters.
	for i := range out {
		j := min(len(out)-1, i+rnd.IntN(40))
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// TestEveryAnswerAddsUp delivers 100,000 events with repeats and out of order,
// and compares all the ways to ask for their sum with the events themselves.
// TOLLGATE_TEST_EVENTS changes how many.
func TestEveryAnswerAddsUp(t *testing.T) {
	n := 100_000
	if s := os.Getenv("TOLLGATE_TEST_EVENTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx, db := context.Background(), postgrestest.Open(t)
	now := time.Now().UTC()
	w := usagegen.New(seed, 12, now.AddDate(0, 0, -5), now)
	postgrestest.Prices(t, db, w)
	if err := db.EnsureUsageDays(ctx, w.From, now); err != nil {
		t.Fatal(err)
	}
	tr := truth{}
	deliver(t, db, shuffled(w, rand.New(rand.NewPCG(seed, 1)), n, tr), int64(n))
	checkLedger(t, db, tr)
	s := usage.NewService(db, nil)
	for _, tenant := range w.Tenants {
		checkReports(t, s, tenant, tr, w)
	}
	checkOperator(t, s, w, tr)
	checks, err := doctor.Run(ctx, db, doctor.Everything())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Explanation)
		}
	}
}

func deliver(t *testing.T, db *postgres.DB, batches []*usagev1.Batch, n int64) {
	t.Helper()
	var events int64
	for len(batches) > 0 {
		k := min(40, len(batches))
		var in []usage.Batch
		for _, b := range batches[:k] {
			raw, err := proto.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			d, err := ingest.Decode("s", raw, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, d)
		}
		rec, err := db.RecordUsage(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		events += int64(rec.Events)
		batches = batches[k:]
	}
	if events != n {
		t.Errorf("%d events are new to the ledger, want %d", events, n)
	}
}

func checkLedger(t *testing.T, db *postgres.DB, tr truth) {
	t.Helper()
	ctx := context.Background()
	for _, table := range []string{"usage_event", "usage_hour", "usage_day"} {
		requests := "sum(requests)"
		if table == "usage_event" {
			requests = "count(*)"
		}
		var got usage.Totals
		err := db.InSystem(ctx, func(tx postgres.Tx) error {
			return tx.QueryRow(ctx, "SELECT "+requests+"::bigint, sum(cost_nano)::bigint, sum(price_nano)::bigint, sum(input)::bigint, sum(output)::bigint FROM "+table).
				Scan(&got.Requests, &got.CostNano, &got.PriceNano, &got.Tokens.Input, &got.Tokens.Output)
		})
		if err != nil {
			t.Fatal(err)
		}
		w := tr.want("")
		want := usage.Totals{Requests: w.Requests, CostNano: w.CostNano, PriceNano: w.PriceNano, Tokens: usage.Tokens{Input: w.Tokens.Input, Output: w.Tokens.Output}}
		if got != want {
			t.Errorf("%s: %+v, want %+v", table, got, want)
		}
	}
}

func checkReports(t *testing.T, s *usage.Service, tenant string, tr truth, w *usagegen.World) {
	t.Helper()
	want := tr.want("tenant " + tenant)
	for _, interval := range []usage.Interval{usage.Hour, usage.Day} {
		for _, by := range []usage.GroupBy{usage.ByNothing, usage.ByModel, usage.ByRoute, usage.ByProvider, usage.ByKey, usage.ByProject} {
			if interval == usage.Hour && (by == usage.ByKey || by == usage.ByProject) {
				continue
			}
			r, err := s.Report(context.Background(), tenant, usage.Query{From: w.From, To: w.Until, Interval: interval, GroupBy: by})
			if err != nil {
				t.Fatal(err)
			}
			var points, groups usage.Totals
			days := map[string]usage.Totals{}
			for _, p := range r.Points {
				points.Add(p.Totals)
				d := days[p.At.Format(time.DateOnly)]
				d.Add(p.Totals)
				days[p.At.Format(time.DateOnly)] = d
			}
			for _, g := range r.Groups {
				groups.Add(g.Totals)
				if by == usage.ByKey && g.Totals != tr.want("key "+tenant+g.Group) {
					t.Errorf("%s: key %s: %+v, want %+v", tenant, g.Group, g.Totals, tr.want("key "+tenant+g.Group))
				}
			}
			for d, got := range days {
				if got != tr.want("day "+tenant+d) {
					t.Errorf("%s: %s: %+v, want %+v", tenant, d, got, tr.want("day "+tenant+d))
				}
			}
			if r.Totals != want || points != want || (by != usage.ByNothing && groups != want) {
				t.Errorf("%s by %s and %s: totals %+v, points %+v, groups %+v; want %+v", tenant, interval, by, r.Totals, points, groups, want)
			}
		}
	}
}

func checkOperator(t *testing.T, s *usage.Service, w *usagegen.World, tr truth) {
	t.Helper()
	ctx := context.Background()
	for _, interval := range []usage.Interval{usage.Hour, usage.Day} {
		o, err := s.Overview(ctx, w.From, w.Until, interval)
		if err != nil {
			t.Fatal(err)
		}
		if o.Totals != tr.want("") {
			t.Errorf("overview by %s: %+v, want %+v", interval, o.Totals, tr.want(""))
		}
		for i, g := range o.TopTenants {
			if g.Totals != tr.want("tenant "+g.Group) {
				t.Errorf("top tenant %s: %+v, want %+v", g.Group, g.Totals, tr.want("tenant "+g.Group))
			}
			if i > 0 && g.Totals.PriceNano > o.TopTenants[i-1].Totals.PriceNano {
				t.Error("top tenants are not in order")
			}
		}
	}
	totals, err := s.RecentTotals(ctx, w.Tenants)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range w.Tenants {
		if totals[tenant] != tr.want("tenant "+tenant) {
			t.Errorf("list of tenants: %s has %+v, want %+v", tenant, totals[tenant], tr.want("tenant "+tenant))
		}
	}
}
