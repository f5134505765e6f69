package usage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// ledger is a service over 600 events of three tenants, some of them at the
// very same moment.
func ledger(t *testing.T) (*usage.Service, *usagegen.World, []*usagev1.Event) {
	db := postgrestest.Open(t)
	now := time.Now().UTC()
	w := usagegen.New(5, 3, now.AddDate(0, 0, -20), now)
	b := w.Batch("dpl_a", 1, 1, 600)
	for i, e := range b.Events {
		if i%3 == 0 {
			e.StartedAtUnixNano = b.Events[0].StartedAtUnixNano
		}
	}
	deliver(t, db, []*usagev1.Batch{b}, 600)
	return usage.NewService(db, nil), w, b.Events
}

// walk reads all pages.
func walk(t *testing.T, s *usage.Service, tenant string, q usage.RequestQuery) []usage.Request {
	t.Helper()
	var all []usage.Request
	for range 1000 {
		p, err := s.Requests(context.Background(), tenant, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Requests) > q.Limit {
			t.Fatalf("a page of %d, asked for %d", len(p.Requests), q.Limit)
		}
		all = append(all, p.Requests...)
		if p.Next == nil {
			return all
		}
		q.After = p.Next
	}
	t.Fatal("the list has no end")
	return nil
}

func TestPagesHoldEachRequestOnceNewestFirst(t *testing.T) {
	s, w, events := ledger(t)
	filters := map[string]struct {
		q    usage.RequestQuery
		keep func(*usagev1.Event) bool
	}{
		"all":    {usage.RequestQuery{}, func(*usagev1.Event) bool { return true }},
		"route":  {usage.RequestQuery{Route: "demo"}, func(e *usagev1.Event) bool { return e.Route == "demo" }},
		"key":    {usage.RequestQuery{APIKeyID: "key_gen00000_1"}, func(e *usagev1.Event) bool { return e.ApiKeyId == "key_gen00000_1" }},
		"cut":    {usage.RequestQuery{Outcome: usagev1.Outcome_OUTCOME_CUT}, func(*usagev1.Event) bool { return false }},
		"closed": {usage.RequestQuery{Outcome: usagev1.Outcome_OUTCOME_CLIENT_CLOSED}, func(e *usagev1.Event) bool { return e.Outcome == usagev1.Outcome_OUTCOME_CLIENT_CLOSED }},
		"errors": {usage.RequestQuery{ErrorsOnly: true}, func(e *usagev1.Event) bool {
			return e.Outcome == usagev1.Outcome_OUTCOME_REFUSED || e.Outcome == usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || e.Outcome == usagev1.Outcome_OUTCOME_INTERRUPTED
		}},
		"a week": {usage.RequestQuery{From: w.From, To: w.From.AddDate(0, 0, 7)}, func(e *usagev1.Event) bool {
			return e.StartedAtUnixNano < w.From.AddDate(0, 0, 7).UnixNano()
		}},
	}
	for name, f := range filters {
		for _, tenant := range w.Tenants {
			want := map[string]bool{}
			for _, e := range events {
				if e.TenantId == tenant && f.keep(e) {
					want[fmt.Sprint(e.Seq)] = true
				}
			}
			f.q.Limit = 7
			got := walk(t, s, tenant, f.q)
			if len(got) != len(want) {
				t.Errorf("%s of %s: %d requests, want %d", name, tenant, len(got), len(want))
			}
			for _, r := range got {
				if !want[fmt.Sprint(r.Seq)] {
					t.Errorf("%s of %s: %d is not wanted, or twice", name, tenant, r.Seq)
				}
				delete(want, fmt.Sprint(r.Seq))
			}
			if !slices.IsSortedFunc(got, func(a, b usage.Request) int { return b.StartedAt.Compare(a.StartedAt) }) {
				t.Errorf("%s of %s: not newest first", name, tenant)
			}
		}
	}
}

func TestARequestIsFoundByItsIDInItsTenantAlone(t *testing.T) {
	s, w, events := ledger(t)
	ctx := context.Background()
	i := slices.IndexFunc(events, func(e *usagev1.Event) bool { return len(e.Attempts) == 2 })
	e := events[i]
	r, err := s.Request(ctx, e.TenantId, e.RequestId)
	if err != nil {
		t.Fatal(err)
	}
	if r.CostNano != e.CostNano || r.Seq != int64(e.Seq) || len(r.Attempts) != 2 || r.Attempts[0].Status != 503 || r.Attempts[0].CredentialID != "crd_gen" {
		t.Errorf("got %+v, want %+v", r, e)
	}
	if at := r.Attempts[0].StartedAt.UnixMicro(); at != e.StartedAtUnixNano/1000 {
		t.Errorf("attempt started at %d, want %d", at, e.StartedAtUnixNano/1000)
	}
	for _, other := range w.Tenants {
		if other == e.TenantId {
			continue
		}
		if _, err := s.Request(ctx, other, e.RequestId); !errors.Is(err, postgres.ErrNotFound) {
			t.Errorf("%s sees a request of %s: %v", other, e.TenantId, err)
		}
	}
}

func TestQuestionsThatCannotBeAnsweredAreRefused(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	for name, q := range map[string]usage.Query{
		"upside down":      {From: now, To: now.AddDate(0, 0, -1)},
		"empty":            {From: now, To: now},
		"hours of a key":   {Interval: usage.Hour, APIKeyID: "key_x"},
		"hours by project": {Interval: usage.Hour, GroupBy: usage.ByProject},
		"a year of hours":  {From: now.AddDate(-1, 0, 0), Interval: usage.Hour},
		"two years":        {From: now.AddDate(-2, 0, 0)},
		"before time":      {From: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), To: now},
	} {
		if _, err := q.Normalise(now); !errors.Is(err, fault.New(fault.ValidationFailed, "", nil)) {
			t.Errorf("%s: %v, want validation_failed", name, err)
		}
	}
	q, err := usage.Query{}.Normalise(now)
	if err != nil {
		t.Fatal(err)
	}
	if q.From != time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC) || q.To != time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) {
		t.Errorf("the last 30 days are %s to %s", q.From, q.To)
	}
}

func TestManyGroupsAreFoldedIntoOneAndStillAddUp(t *testing.T) {
	db := postgrestest.Open(t)
	now := time.Now().UTC()
	w := usagegen.New(9, 1, now.Add(-time.Hour), now)
	w.Keys = 300
	deliver(t, db, []*usagev1.Batch{w.Batch("dpl_a", 1, 1, 2000)}, 2000)
	r, err := usage.NewService(db, nil).Report(context.Background(), w.Tenants[0], usage.Query{From: w.From, To: now, GroupBy: usage.ByKey})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != 101 || r.Groups[100].Group != usage.Others {
		t.Fatalf("%d groups, the last is %s", len(r.Groups), r.Groups[len(r.Groups)-1].Group)
	}
	var sum usage.Totals
	for i, g := range r.Groups {
		sum.Add(g.Totals)
		if i > 0 && i < 100 && g.Totals.PriceNano > r.Groups[i-1].Totals.PriceNano {
			t.Error("groups are not in order")
		}
	}
	if sum != r.Totals || r.Totals.Requests != 2000 {
		t.Errorf("groups add up to %+v, totals are %+v", sum, r.Totals)
	}
}
