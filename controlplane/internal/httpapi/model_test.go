package httpapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/snapshot"
)

const providerSecret = "sk-provider-secret-000000001234"

// payloads gives what data planes will get of a kind of resource, newest last.
func (s *stage) payloads(resourceID string) (out []string) {
	s.t.Helper()
	err := s.db.InSystem(context.Background(), func(tx postgres.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT coalesce(payload, ''::bytea) FROM config_outbox WHERE resource_id = $1 ORDER BY outbox_id`, resourceID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				return err
			}
			out = append(out, string(b))
		}
		return rows.Err()
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *stage) seedCatalog() {
	s.t.Helper()
	if _, err := catalog.NewService(s.db, time.Now).Seed(context.Background()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) credential(acc account) string {
	s.t.Helper()
	return s.want(201, "POST", acc.path("/credentials"), acc.owner, m{"name": "OpenAI", "provider": "openai", "secret": providerSecret}).str("id")
}

func TestCredentialsKeepTheirSecret(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	made := s.want(201, "POST", acc.path("/credentials"), acc.owner, m{"name": "OpenAI", "provider": "openai", "secret": providerSecret})
	id := made.str("id")
	if made.str("base_url") != "https://api.openai.com/v1" || made.str("auth_style") != "bearer" || made.str("secret_hint") != "…1234" || made.body["change_id"] == nil {
		t.Errorf("made: %s", made.raw)
	}
	path := acc.path("/credentials/" + id)
	changed := s.want(200, "PATCH", path, acc.owner, m{"idle_timeout_ms": 5000}, "If-Match", `"1"`)
	if changed.header.Get("ETag") != `"2"` {
		t.Errorf("ETag %s", changed.header.Get("ETag"))
	}
	s.refused("precondition_failed", "PATCH", path, acc.owner, m{"name": "x"}, "If-Match", `"1"`)

	// A stored secret never goes to an address that somebody enters later.
	s.refused("validation_failed", "PATCH", path, acc.owner, m{"base_url": "https://evil.example/v1"})
	moved := s.want(200, "PATCH", path, acc.owner, m{"base_url": "https://eu.openai.example/v1", "secret": providerSecret + "9"})
	if moved.str("secret_hint") != "…2349" {
		t.Errorf("moved: %s", moved.raw)
	}
	renamed := s.want(200, "PATCH", path, acc.owner, m{"name": "Europe"})
	if renamed.body["change_id"] != nil {
		t.Errorf("a new name is no business of data planes: %s", renamed.raw)
	}
	// Without a secret the old one is gone, and does not come back.
	s.want(200, "PATCH", path, acc.owner, m{"base_url": "https://open.example/v1", "auth_style": "none"})
	s.refused("validation_failed", "PATCH", path, acc.owner, m{"auth_style": "bearer"})

	all := s.want(200, "GET", acc.path("/credentials"), acc.owner, nil).raw + s.want(200, "GET", acc.path("/audit"), acc.owner, nil).raw +
		s.log.String() + strings.Join(s.payloads(id), "")
	if strings.Contains(all, providerSecret) {
		t.Error("the secret is in an answer, the audit trail, the log or a payload")
	}
	if n := len(s.payloads(id)); n != 4 {
		t.Errorf("%d changes went to data planes, want 4", n)
	}
	err := s.db.InSystem(context.Background(), func(tx postgres.Tx) error {
		var n int
		err := tx.QueryRow(context.Background(), `SELECT count(*) FROM credential WHERE position($1 IN encode(coalesce(secret_ciphertext, ''), 'escape')) > 0`, providerSecret).Scan(&n)
		if n != 0 {
			t.Error("the secret is in the database as it was sent")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsThatCannotWorkAreRefused(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for name, body := range map[string]m{
		"no secret":          {"name": "a", "provider": "openai"},
		"no address":         {"name": "a", "provider": "custom", "secret": "xxxxxxxx"},
		"http":               {"name": "a", "provider": "custom", "secret": "xxxxxxxx", "base_url": "http://llm.example/v1"},
		"no URL":             {"name": "a", "provider": "custom", "secret": "xxxxxxxx", "base_url": "llm"},
		"password in URL":    {"name": "a", "provider": "custom", "secret": "xxxxxxxx", "base_url": "https://a:b@llm.example/v1"},
		"query in URL":       {"name": "a", "provider": "custom", "secret": "xxxxxxxx", "base_url": "https://llm.example/v1?x=1"},
		"line break":         {"name": "a", "provider": "openai", "secret": "xx\nHost: evil"},
		"blank secret":       {"name": "a", "provider": "openai", "secret": "  "},
		"secret without use": {"name": "a", "provider": "custom", "base_url": "https://llm.example/v1", "auth_style": "none", "secret": "x"},
		"blank name":         {"name": " ", "provider": "openai", "secret": "xxxxxxxx"},
		"a call's address":   {"name": "a", "provider": "custom", "secret": "xxxxxxxx", "base_url": "https://llm.example/v1/chat/completions/"},
		"a deployment":       {"name": "a", "provider": "azure-openai", "secret": "xxxxxxxx", "base_url": "https://acme.openai.azure.com/openai/deployments/gpt", "api_version": "2024-10-21"},
	} {
		a := s.refused("validation_failed", "POST", acc.path("/credentials"), acc.owner, body)
		if errs, _ := a.body["errors"].([]any); len(errs) == 0 {
			t.Errorf("%s: the answer names no field: %s", name, a.raw)
		}
	}
	// Who mistypes a provider's name is told so, and not only asked for an address.
	if a := s.refused("validation_failed", "POST", acc.path("/credentials"), acc.owner, m{"name": "a", "provider": "opnai", "secret": "xxxxxxxx"}); !strings.Contains(a.raw, "“opnai”") {
		t.Errorf("an unknown provider: %s", a.raw)
	}
	// The header that carries a secret must not change how a request is framed.
	s.refused("config_refused", "POST", acc.path("/credentials"), acc.owner,
		m{"name": "a", "provider": "openai", "secret": "xxxxxxxx", "auth_style": "header", "auth_header": "Transfer-Encoding"})
	if rows := s.want(200, "GET", acc.path("/credentials"), acc.owner, nil).rows(); len(rows) != 0 {
		t.Errorf("something was stored: %v", rows)
	}
	s.credential(acc)
	s.refused("already_exists", "POST", acc.path("/credentials"), acc.owner, m{"name": "OpenAI", "provider": "openai", "secret": "xxxxxxxx"})
}

func TestAModelItsPricesAndItsRoute(t *testing.T) {
	s := newStage(t)
	s.seedCatalog()
	acc := s.signUp("Acme")
	crd := s.credential(acc)
	made := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-4o-mini", "route_name": "fast"})
	id := made.str("id")
	if made.str("catalog_id") != "openai/gpt-4o-mini" || made.str("cost_price", "input") != "0.15" || made.str("cost_price", "origin") != "catalog" || made.body["priced"] != true {
		t.Errorf("made: %s", made.raw)
	}
	routes := s.want(200, "GET", acc.path("/routes"), acc.owner, nil).rows()
	if len(routes) != 1 || routes[0]["name"] != "fast" || routes[0]["model_id"] != id {
		t.Fatalf("routes: %v", routes)
	}
	s.refused("in_use", "DELETE", acc.path("/models/"+id), acc.owner, nil)
	s.refused("in_use", "DELETE", acc.path("/credentials/"+crd), acc.owner, nil)
	s.refused("already_exists", "POST", acc.path("/routes"), acc.owner, m{"name": "fast", "model_id": id})
	s.refused("validation_failed", "POST", acc.path("/routes"), acc.owner, m{"name": "no spaces", "model_id": id})
	s.refused("validation_failed", "POST", acc.path("/routes"), acc.owner, m{"name": "ok", "model_id": "mdl_unknown"})

	own := s.want(201, "POST", acc.path("/models/"+id+"/prices"), acc.owner, m{"input": "0.1", "output": "0.000000001", "cache_read": "0"})
	if own.str("origin") != "tenant" || own.str("cache_read") != "0.00" || own.str("output") != "0.000000001" || own.body["change_id"] == nil {
		t.Errorf("own price: %s", own.raw)
	}
	now := s.want(200, "GET", acc.path("/models/"+id), acc.owner, nil)
	if now.str("cost_price", "id") != own.str("id") {
		t.Errorf("the tenant's own price is not in force: %s", now.raw)
	}
	if n := len(s.payloads(id)); n != 2 {
		t.Errorf("%d payloads, want 2", n)
	}
	for _, bad := range []m{{"input": "-1", "output": "1"}, {"input": "1e-9", "output": "1"}, {"input": "1", "output": "0.0000000001"},
		{"input": "1", "output": "1", "effective_from": "2020-01-01T00:00:00Z"}, {"input": "2000000", "output": "1"}} {
		s.refused("validation_failed", "POST", acc.path("/models/"+id+"/prices"), acc.owner, bad)
	}
	first := s.want(200, "GET", acc.path("/models/"+id+"/prices?limit=1"), acc.owner, nil)
	second := s.want(200, "GET", acc.path("/models/"+id+"/prices?limit=1&cursor="+first.str("next_cursor")), acc.owner, nil)
	if first.rows()[0]["id"] != own.str("id") || second.rows()[0]["origin"] != "catalog" || second.body["has_more"] != false {
		t.Errorf("prices: %s then %s", first.raw, second.raw)
	}

	s.want(200, "DELETE", acc.path("/routes/"+routes[0]["id"].(string)), acc.owner, nil)
	s.want(200, "DELETE", acc.path("/models/"+id), acc.owner, nil)
	s.want(200, "DELETE", acc.path("/credentials/"+crd), acc.owner, nil)
	if p := s.payloads(id); p[len(p)-1] != "" {
		t.Error("no tombstone of the model")
	}
	s.refused("not_found", "GET", acc.path("/models/"+id), acc.owner, nil)
	// The names are free again.
	crd = s.credential(acc)
	s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-4o-mini", "route_name": "fast"})
}

func TestAnUnknownPriceIsAVisibleChoice(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	crd := s.credential(acc)
	made := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-unheard-of"})
	if made.body["priced"] != false || made.str("unknown_price") != "block" || made.body["catalog_id"] != nil {
		t.Errorf("made: %s", made.raw)
	}
	path := acc.path("/models/" + made.str("id"))
	if a := s.want(200, "PATCH", path, acc.owner, m{"unknown_price": "zero"}); a.str("unknown_price") != "zero" || a.header.Get("ETag") != `"2"` {
		t.Errorf("changed: %s", a.raw)
	}
	if a := s.want(200, "PATCH", path, acc.owner, m{}); a.str("unknown_price") != "zero" {
		t.Errorf("an empty change changed something: %s", a.raw)
	}
	priced := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-mine", "price": m{"input": "1", "output": "2"}})
	if priced.body["priced"] != true || priced.str("cost_price", "origin") != "tenant" {
		t.Errorf("priced: %s", priced.raw)
	}
	s.refused("validation_failed", "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "x", "catalog_id": "openai/nope"})
	s.refused("validation_failed", "POST", acc.path("/models"), acc.owner, m{"credential_id": "crd_nope", "provider_model": "x"})
	s.refused("already_exists", "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-mine"})
}

func TestTheOperatorSetsPrices(t *testing.T) {
	s := newStage(t)
	s.seedCatalog()
	acc := s.signUp("Acme")
	crd := s.credential(acc)
	id := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-4o-mini"}).str("id")
	op := "/v1/operator/prices"
	s.want(201, "POST", op, s.operator, m{"catalog_id": "openai/gpt-4o-mini", "side": "sell", "price": m{"input": "1", "output": "2"}})
	if a := s.want(200, "GET", acc.path("/models/"+id), acc.owner, nil); a.str("sell_price", "input") != "1.00" || a.str("cost_price", "input") != "0.15" {
		t.Errorf("model: %s", a.raw)
	}
	s.want(201, "POST", op, s.operator, m{"tenant_id": acc.id, "model_id": id, "side": "sell", "price": m{"input": "0.9", "output": "2"}})
	if a := s.want(200, "GET", acc.path("/models/"+id), acc.owner, nil); a.str("sell_price", "input") != "0.90" {
		t.Errorf("model with a price of its own: %s", a.raw)
	}
	// A price to come is led up to by the one in force, also when that changes.
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	s.want(201, "POST", acc.path("/models/"+id+"/prices"), acc.owner, m{"input": "9", "output": "9", "effective_from": later})
	before := len(s.payloads(id))
	s.want(201, "POST", op, s.operator, m{"catalog_id": "openai/gpt-4o-mini", "side": "cost", "price": m{"input": "0.2", "output": "0.7"}})
	if a := s.want(200, "GET", acc.path("/models/"+id), acc.owner, nil); a.str("cost_price", "input") != "0.20" {
		t.Errorf("model: %s", a.raw)
	}
	if n := len(s.payloads(id)); n != before+1 {
		t.Errorf("the model was published %d times more, want once", n-before)
	}
	for _, bad := range []m{{}, {"catalog_id": "openai/gpt-4o-mini", "tenant_id": acc.id, "model_id": id}, {"tenant_id": acc.id},
		{"catalog_id": "openai/nope"}, {"tenant_id": acc.id, "model_id": "mdl_nope"}} {
		bad["side"], bad["price"] = "sell", m{"input": "1", "output": "1"}
		s.refused("validation_failed", "POST", op, s.operator, bad)
	}

	added := s.want(201, "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "acme", "provider_model": "acme-1", "price": m{"input": "1", "output": "1"}})
	if added.str("id") != "acme/acme-1" || added.str("cost_price", "origin") != "operator" {
		t.Errorf("added: %s", added.raw)
	}
	s.refused("already_exists", "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "acme", "provider_model": "acme-1"})
	list := s.want(200, "GET", "/v1/catalog/models?provider=acme", acc.owner, nil)
	if len(list.rows()) != 1 {
		t.Errorf("catalogue: %s", list.raw)
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		a := s.want(200, "GET", "/v1/catalog/models?limit=50&cursor="+cursor, acc.owner, nil)
		for _, r := range a.rows() {
			seen[r["id"].(string)] = true
		}
		if cursor = a.str("next_cursor"); cursor == "" {
			break
		}
	}
	if !seen["demo/demo"] || !seen["anthropic/claude-sonnet-4-5"] || len(seen) < 100 {
		t.Errorf("the catalogue has %d models", len(seen))
	}
}

func TestSeedingTwiceChangesNothing(t *testing.T) {
	s := newStage(t)
	s.seedCatalog()
	n, err := catalog.NewService(s.db, time.Now).Seed(context.Background())
	if err != nil || n != 0 {
		t.Errorf("the second time touched %d entries, %v", n, err)
	}
	// The operator's price stays in force when the list changes.
	s.want(201, "POST", "/v1/operator/prices", s.operator, m{"catalog_id": "demo/demo", "side": "cost", "price": m{"input": "7", "output": "7"}})
	list, err := catalog.List()
	if err != nil {
		t.Fatal(err)
	}
	list[0].Rates.Input++
	if n, err := s.db.SeedCatalog(context.Background(), catalogActor(), list); err != nil || n != 1 {
		t.Errorf("a changed line touched %d entries, %v", n, err)
	}
	a := s.want(200, "GET", "/v1/catalog/models?provider=demo", s.operator, nil)
	if p := a.rows()[0]["cost_price"].(map[string]any); p["input"] != "7.00" {
		t.Errorf("the operator's price is not in force: %v", p)
	}
}

func catalogActor() postgres.Actor { return postgres.Actor{Kind: "system", ID: "system", Name: "test"} }

func TestHowFarAChangeIsAndTheSnapshot(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	made := s.want(201, "POST", acc.path("/credentials"), acc.owner, m{"name": "OpenAI", "provider": "openai", "secret": providerSecret})
	change := fmt.Sprint(int64(made.body["change_id"].(float64)))
	a := s.want(200, "GET", acc.path("/config/changes/"+change), acc.owner, nil)
	if a.body["revision"] != nil || a.str("resource_kind") != "credential" || a.str("resource_id") != made.str("id") || a.body["total"] != 0.0 {
		t.Errorf("before publication: %s", a.raw)
	}
	s.refused("not_found", "GET", other.path("/config/changes/"+change), other.owner, nil)

	lead, err := s.db.LeadPublisher(context.Background(), time.Minute)
	if err != nil || lead == nil {
		t.Fatal(lead, err)
	}
	defer lead.Close()
	out, err := lead.Step(context.Background(), 0, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	newest := out[len(out)-1].Revision
	a = s.want(200, "GET", acc.path(fmt.Sprint("/config/revisions/", newest)), acc.owner, nil)
	if a.body["change_id"] != made.body["change_id"] {
		t.Errorf("by revision: %s", a.raw)
	}
	s.refused("not_found", "GET", other.path(fmt.Sprint("/config/revisions/", newest)), other.owner, nil)
	if rows := s.want(200, "GET", acc.path("/config/refusals"), acc.owner, nil).rows(); len(rows) != 0 {
		t.Errorf("refusals: %v", rows)
	}
	if a := s.want(200, "GET", "/v1/operator/data-planes", s.operator, nil); a.body["newest_revision"] != float64(newest) {
		t.Errorf("data planes: %s", a.raw)
	}

	snap := s.want(200, "GET", "/v1/operator/config/snapshot", s.operator, nil)
	h, err := snapshot.Verify(strings.NewReader(snap.raw))
	if err != nil || int64(h.Revision) != newest || h.Count != uint64(len(out)) {
		t.Errorf("snapshot: %v, %v; want %d resources at revision %d", h, err, len(out), newest)
	}
	s.refused("operator_only", "GET", "/v1/operator/config/snapshot", s.managementKey(acc, access.Owner), nil)
}
