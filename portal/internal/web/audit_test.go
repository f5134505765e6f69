package web_test

import (
	"fmt"
	"strings"
	"testing"
)

func auditEntry(seq int, kind, actor, action, resource, id, detail string) string {
	return fmt.Sprintf(`{"seq":%d,"at":"2026-11-20T09:00:00Z","actor_kind":%q,"actor_id":"usr_1","actor_name":%q,"action":%q,"resource_kind":%q,"resource_id":%q,
		"detail":%s,"client_ip":"203.0.113.9","request_id":"req_9","hash":"abcd"}`, seq, kind, actor, action, resource, id, detail)
}

// TestAuditNamesAndCompares: an entry names what it is about, leads there, and
// says what was there before.
func TestAuditNamesAndCompares(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/audit", 200, `{"has_more":false,"data":[`+strings.Join([]string{
		auditEntry(4, "user", "Ada", "route.delete", "route", "rte_9", `{"name":"gone"}`),
		auditEntry(3, "user", "Ada", "api_key.update", "api_key", "key_1", `{"name":"CI","expires_at":"2027-01-01T00:00:00Z"}`),
		auditEntry(2, "management_key", "Terraform", "credential.create", "credential", "crd_1", `{"name":"Main"}`),
		auditEntry(1, "user", "Ada", "api_key.create", "api_key", "key_1", `{"name":"CI","allowed_routes":["chat","mini"]}`),
	}, ",")+`]}`)
	b := s.signedIn()
	p := b.get("/t/acme/audit").want(200)
	for _, want := range []string{`<a href="/t/acme/keys/key_1">CI</a>`, `<a href="/t/acme/credentials/crd_1">Main</a>`, "<del>chat, mini</del>", "<ins>none</ins>", "<del>none</del>", "management key"} {
		if !strings.Contains(p.body, want) {
			t.Errorf("%s is not there", want)
		}
	}
	if strings.Contains(p.body, "/t/acme/routes/rte_9") {
		t.Error("what is deleted has no page")
	}
	for path, want := range map[string]string{"?what=credential": "Entry 2", "?who=terra": "Entry 2", "?what=route&who=ada": "Entry 4"} {
		if got := b.get("/t/acme/audit" + path).want(200).text("audit"); !strings.Contains(got, want) || strings.Count(got, "Entry ") != 1 {
			t.Errorf("%s: %s", path, got)
		}
	}
	// What came before is known under a filter too.
	if p := b.get("/t/acme/audit?what=api_key").want(200); !strings.Contains(p.body, "<del>chat, mini</del>") {
		t.Error("a filter loses what was there before")
	}
	b.get("/t/acme/audit?what=bogus").want(422)
}

// TestAuditIsSearchedOn: a filter reads on until something fits, and says
// where it stopped.
func TestAuditIsSearchedOn(t *testing.T) {
	s := newSite(t)
	hit := 4
	s.api.pages("GET /v1/tenants/acme/audit", func(page int) (string, bool) {
		if page == hit {
			return auditEntry(page, "user", "Ada", "route.create", "route", "rte_1", `{"name":"chat"}`), false
		}
		return auditEntry(page, "user", "Ada", "project.create", "project", "prj_1", `{"name":"x"}`), true
	})
	b := s.signedIn()
	if got := b.get("/t/acme/audit?what=route").want(200).text("audit"); !strings.Contains(got, "chat") {
		t.Errorf("%s", got)
	}
	hit = -1
	p := b.get("/t/acme/audit?what=route").want(200)
	if p.text("searched") == "" || p.find("data-testid", "next-page") == nil || p.text("empty") == "" {
		t.Errorf("an endless log: %s", p.text("main"))
	}
}

const (
	asOperator = `{"kind":"user","id":"usr_9","name":"Olga","email":"olga@op.test","operator":true,"memberships":[]}`
	aTenant    = `{"id":"ten_1","slug":"acme","name":"Acme","status":"active","version":1,"created_at":"2026-11-01T00:00:00Z"}`
)

// TestOperatorAuditHidesSeeding: what Tollgate did at its first start does not
// bury what people did.
func TestOperatorAuditHidesSeeding(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/me", 200, asOperator)
	s.api.on("GET /v1/operator/audit", 200, `{"has_more":false,"data":[`+auditEntry(2, "system", "catalogue", "catalog_model.create", "catalog_model", "openai/x", `{"name":"X"}`)+
		`,`+auditEntry(1, "user", "Olga", "tenant.suspend", "tenant", "ten_1", `{"name":"Acme"}`)+`]}`)
	b := s.signedIn()
	if got := b.get("/admin/audit").want(200); strings.Contains(got.text("audit"), "catalog_model") || !strings.Contains(got.body, `<a href="/admin/tenants/ten_1">Acme</a>`) {
		t.Errorf("%s", got.text("audit"))
	}
	if got := b.get("/admin/audit?seeded=1").want(200).text("audit"); !strings.Contains(got, "catalog_model.create") {
		t.Errorf("%s", got)
	}
}

// TestTheOperatorsPageOfATenant has what the tenant used and has.
func TestTheOperatorsPageOfATenant(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/me", 200, asOperator)
	s.api.on("GET /v1/tenants/acme", 200, aTenant)
	s.api.on("GET /v1/tenants/acme/usage", 200, strings.Replace(noUsage, `"totals":{"requests":0`, `"totals":{"requests":1234`, 1))
	s.api.on("GET /v1/tenants/acme/api-keys", 200, `{"has_more":false,"data":[`+madeKey+`]}`)
	s.api.on("GET /v1/tenants/acme/members", 200, `{"has_more":false,"data":[{"id":"mem_1","user_id":"usr_1","name":"Ada","email":"a@acme.test","role":"owner","version":1,"created_at":"2026-11-01T00:00:00Z"}]}`)
	p := s.signedIn().get("/admin/tenants/acme").want(200)
	if got := p.text("tile-requests"); !strings.Contains(got, "1,234") {
		t.Errorf("%s", got)
	}
	if got := p.text("tenant-links"); !strings.Contains(got, "Members 1") || !strings.Contains(got, "API keys 1") || !strings.Contains(p.body, `href="/t/acme/members"`) {
		t.Errorf("%s", got)
	}
}
