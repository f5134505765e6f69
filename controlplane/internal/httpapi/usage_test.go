package httpapi_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// spend puts n events of an account's first key into the ledger.
func (s *stage) spend(acc account, dataPlane string, n int) *usagev1.Batch {
	s.t.Helper()
	now := time.Now()
	w := usagegen.New(1, 1, now.Add(-48*time.Hour), now)
	if err := s.db.EnsureUsageDays(context.Background(), w.From, now); err != nil {
		s.t.Fatal(err)
	}
	w.Tenants = []string{acc.id}
	b := w.Batch(dataPlane, 1, 1, n)
	for _, e := range b.Events {
		e.ProjectId, e.ApiKeyId = acc.project, acc.key
	}
	raw, err := proto.Marshal(b)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := ingest.Decode("s", raw, now)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.db.RecordUsage(context.Background(), []usage.Batch{d}); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// number walks to a number of the body.
func (a answer) number(path ...string) int64 {
	var v any = a.body
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return -1
		}
		v = m[p]
	}
	f, ok := v.(float64)
	if !ok {
		return -1
	}
	return int64(f)
}

func TestUsageOfATenant(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	b := s.spend(acc, "dpl_a", 120)
	s.spend(other, "dpl_b", 30)
	var cost, price int64
	for _, e := range b.Events {
		cost, price = cost+e.CostNano, price+e.PriceNano
	}
	billing := s.managementKey(acc, access.Billing)
	for _, query := range []string{"", "?interval=hour", "?group_by=key", "?group_by=model", "?api_key_id=" + acc.key, "?project_id=" + acc.project} {
		a := s.want(200, "GET", acc.path("/usage"+query), billing, nil)
		if a.number("totals", "requests") != 120 || a.number("totals", "cost_nano") != cost || a.number("totals", "price_nano") != price {
			t.Errorf("%s: %s; want 120 requests, %d and %d nano", query, a.raw, cost, price)
		}
	}
	byKey := s.want(200, "GET", acc.path("/usage?group_by=key"), acc.owner, nil)
	g := byKey.body["groups"].([]any)[0].(map[string]any)
	if g["group"] != acc.key || g["name"] != "First key" {
		t.Errorf("the key's group is %v", g)
	}
	if a := s.want(200, "GET", acc.path("/usage?api_key_id="+other.key), acc.owner, nil); a.number("totals", "requests") != 0 {
		t.Errorf("usage of another tenant's key: %s", a.raw)
	}
	s.refused("validation_failed", "GET", acc.path("/usage?interval=hour&group_by=key"), acc.owner, nil)
	s.refused("validation_failed", "GET", acc.path("/usage?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), acc.owner, nil)
	s.refused("not_found", "GET", other.path("/usage"), acc.owner, nil)
}

func TestRequestsArePagedAndShownWithAttemptsAndPrices(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	postgrestest.Prices(t, s.db, usagegen.New(1, 1, time.Now(), time.Now().Add(1)))
	b := s.spend(acc, "dpl_a", 45)
	seen, cursor := map[string]bool{}, ""
	for page := range 3 {
		a := s.want(200, "GET", acc.path("/requests?limit=20&cursor="+url.QueryEscape(cursor)), acc.owner, nil)
		for _, r := range a.rows() {
			seen[r["request_id"].(string)] = true
			if r["api_key_name"] != "First key" {
				t.Errorf("a request of %v", r["api_key_name"])
			}
		}
		cursor = a.str("next_cursor")
		if more := a.body["has_more"].(bool); more != (page < 2) || more != (cursor != "") {
			t.Errorf("page %d: has_more %v, cursor %q", page, more, cursor)
		}
	}
	if len(seen) != 45 {
		t.Errorf("%d different requests on three pages, want 45", len(seen))
	}
	first := s.want(200, "GET", acc.path("/requests?limit=1"), acc.owner, nil).str("next_cursor")
	s.refused("validation_failed", "GET", other.path("/requests?cursor="+url.QueryEscape(first)), other.owner, nil)
	s.refused("validation_failed", "GET", acc.path("/requests?cursor=x"+url.QueryEscape(first)), acc.owner, nil)
	s.refused("validation_failed", "GET", acc.path("/requests?outcome=nonsense"), acc.owner, nil)

	var e *usagev1.Event
	for _, e = range b.Events {
		if e.SellPriceId != "" && len(e.Attempts) > 0 {
			break
		}
	}
	d := s.want(200, "GET", acc.path("/requests/"+e.RequestId), acc.owner, nil)
	if d.number("request", "price_nano") != e.PriceNano || len(d.body["attempts"].([]any)) != len(e.Attempts) ||
		d.str("cost_price", "id") != e.CostPriceId || d.str("sell_price", "id") != e.SellPriceId {
		t.Errorf("the detail is %s; want %v", d.raw, e)
	}
	s.refused("not_found", "GET", other.path("/requests/"+e.RequestId), other.owner, nil)
}

func TestTheOperatorSeesAllTenants(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	s.signUp("Idle")
	s.spend(acc, "dpl_a", 60)
	s.spend(other, "dpl_b", 20)
	a := s.want(200, "GET", "/v1/operator/overview", s.operator, nil)
	if a.number("totals", "requests") != 80 || a.number("tenants") != 3 || a.number("active_tenants") != 2 {
		t.Errorf("the overview is %s", a.raw)
	}
	top := a.body["top_tenants"].([]any)
	if len(top) != 2 || top[0].(map[string]any)["name"] != "Acme" {
		t.Errorf("the top tenants are %v", top)
	}
	s.refused("operator_only", "GET", "/v1/operator/overview", acc.owner, nil)
	list := s.want(200, "GET", "/v1/tenants", s.operator, nil)
	requests := map[string]string{}
	for _, r := range list.rows() {
		requests[r["tenant"].(map[string]any)["name"].(string)] = fmt.Sprint(r["totals"].(map[string]any)["requests"])
	}
	if requests["Acme"] != "60" || requests["Other"] != "20" || requests["Idle"] != "0" {
		t.Errorf("requests by tenant: %v", requests)
	}
}

func TestTheDoctorReports(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	s.spend(acc, "dpl_a", 10) // of prices that do not exist
	a := s.want(200, "GET", "/v1/operator/doctor", s.operator, nil)
	broken := map[string]bool{}
	for _, c := range a.body["checks"].([]any) {
		if check := c.(map[string]any); check["ok"] == false {
			broken[check["name"].(string)] = true
		}
	}
	if a.body["ok"] != false || len(broken) != 1 || !broken["ledger_amounts"] {
		t.Errorf("the report is %s", a.raw)
	}
	if strings.Contains(a.raw, acc.secret) {
		t.Error("the report holds a secret")
	}
	s.refused("operator_only", "GET", "/v1/operator/doctor", acc.owner, nil)
}
