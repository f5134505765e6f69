package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/access"
)

// mayCall says, from the shape of an operation alone, who may call it: the
// rules in words, to hold the table of rights against.
func mayCall(e endpoint) (public, signedIn bool, roles []access.Role) {
	read := []access.Role{access.Owner, access.Admin, access.Developer, access.Viewer}
	switch {
	case e.path == "/v1/signup", e.path == "/v1/sessions":
		return true, true, nil
	case e.path == "/v1/me", e.path == "/v1/me/password", e.path == "/v1/catalog/models", e.path == "/v1/sessions/current":
		return false, true, nil
	case e.path == "/v1/tenants", strings.HasPrefix(e.path, "/v1/operator/"), strings.HasSuffix(e.path, "/suspend"), strings.HasSuffix(e.path, "/resume"):
		return false, false, nil // operators alone
	case e.method == "GET" && (e.path == "/v1/tenants/{tenant_id}" || strings.HasSuffix(e.path, "/usage") || strings.Contains(e.path, "/requests")):
		return false, false, access.Roles()
	case e.method == "GET":
		return false, false, read
	}
	for _, noun := range []string{"/api-keys", "/credentials", "/models", "/routes"} {
		if strings.Contains(e.path, noun) {
			return false, false, []access.Role{access.Owner, access.Admin, access.Developer}
		}
	}
	return false, false, []access.Role{access.Owner, access.Admin}
}

func TestEveryOperationForEveryRole(t *testing.T) {
	s := newStage(t)
	acc, stranger := s.signUp("Acme"), s.signUp("Stranger")
	tokens := map[access.Role]string{}
	for _, r := range access.Roles() {
		tokens[r] = s.managementKey(acc, r)
	}
	// Nothing has these ids: who may call reads not_found, and changes nothing.
	ids := map[string]string{"tenant_id": acc.slug, "change_id": "999999", "revision": "999999"}
	for _, p := range []string{"project_id", "member_id", "api_key_id", "management_key_id", "credential_id", "model_id", "route_id", "request_id"} {
		ids[p] = "none"
	}
	list := endpoints(t)
	if len(list) < 55 {
		t.Fatalf("the document has %d operations", len(list))
	}
	for _, e := range list {
		public, signedIn, roles := mayCall(e)
		path := e.address(ids)
		call := func(token string) answer {
			return s.call(e.method, path, token, "{}", "Content-Type", "application/json")
		}
		if public {
			if a := call(""); a.status == 401 || a.status == 403 {
				t.Errorf("%s is not public: %s", e.id, a.raw)
			}
			continue
		}
		if a := call(""); a.str("code") != "not_signed_in" {
			t.Errorf("%s without a sign-in: %d %s", e.id, a.status, a.raw)
		}
		if signedIn && (e.path == "/v1/sessions/current" || e.path == "/v1/me/password") {
			continue // a key has no session to end and no password: TestSessions and TestPasswords
		}
		for role, token := range tokens {
			a := call(token)
			allowed := signedIn || slices.Contains(roles, role)
			if denied := a.str("code") == "forbidden" || a.str("code") == "operator_only"; denied == allowed {
				t.Errorf("%s as %s: %d %s, allowed should be %v", e.id, role, a.status, a.raw, allowed)
			}
		}
		if a := call(s.operator); a.status == 403 {
			t.Errorf("%s as operator: %s", e.id, a.raw)
		}
		switch a := call(stranger.owner); {
		case signedIn && a.status != 200:
			t.Errorf("%s as somebody else: %d %s", e.id, a.status, a.raw)
		case strings.HasPrefix(e.path, "/v1/operator/") || e.path == "/v1/tenants" || strings.HasSuffix(e.path, "/suspend") || strings.HasSuffix(e.path, "/resume"):
			if a.str("code") != "operator_only" || !strings.Contains(a.str("fix"), "operator's") {
				t.Errorf("%s as another tenant's owner: %d %s", e.id, a.status, a.raw)
			}
		case strings.Contains(e.path, "{tenant_id}") && a.str("code") != "not_found":
			t.Errorf("%s as another tenant's owner: %d %s", e.id, a.status, a.raw)
		}
	}
}

func TestNobodyRisesAboveThemselves(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	admin := s.managementKey(acc, access.Admin)
	s.refused("forbidden", "POST", acc.path("/management-keys"), admin, m{"name": "x", "role": "owner"})
	s.want(201, "POST", acc.path("/management-keys"), admin, m{"name": "x", "role": "admin"})
	owner := acc.path("/members/" + acc.memberID)
	s.refused("forbidden", "PATCH", owner, admin, m{"role": "viewer"})
	s.refused("forbidden", "DELETE", owner, admin, nil)
	// The last owner stays, whoever asks.
	if a := s.refused("last_owner", "PATCH", owner, acc.owner, m{"role": "viewer"}); a.str("fix") != "Make somebody else an owner first." {
		t.Errorf("the fix is %q", a.str("fix"))
	}
	s.refused("last_owner", "DELETE", owner, acc.owner, nil)
	s.refused("last_owner", "DELETE", owner, s.operator, nil)

	second := s.join(acc, s.signUp("Second"), access.Viewer)
	path := acc.path("/members/" + second)
	s.refused("forbidden", "PATCH", path, admin, m{"role": "owner"})
	s.want(200, "PATCH", path, admin, m{"role": "developer"})
	s.want(200, "PATCH", path, acc.owner, m{"role": "owner"}, "If-Match", `"2"`)
	s.want(200, "DELETE", owner, acc.owner, nil)
	s.refused("not_found", "GET", acc.path(""), acc.owner, nil)
	if err := s.db.VerifyAudit(t.Context(), acc.id); err != nil {
		t.Error(err)
	}
	keys := s.want(200, "GET", acc.path("/management-keys"), s.operator, nil).rows()
	id := keys[0]["id"].(string)
	s.want(200, "POST", acc.path("/management-keys/"+id+"/revoke"), s.operator, nil)
	revoked := s.managementKeyStatus(acc, id)
	if revoked != "revoked" {
		t.Errorf("the key is %s", revoked)
	}
}

func (s *stage) managementKeyStatus(acc account, id string) string {
	for _, k := range s.want(200, "GET", acc.path("/management-keys"), s.operator, nil).rows() {
		if k["id"] == id {
			return k["status"].(string)
		}
	}
	return ""
}

func TestASuspendedTenantIsToldAtOnce(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	a := s.want(200, "POST", acc.path("/suspend"), s.operator, nil)
	if a.str("status") != "suspended" || a.body["change_id"] == nil {
		t.Errorf("suspended to %s", a.raw)
	}
	urgent := 0
	s.query("SELECT kind FROM config_outbox WHERE tenant_id = $1 AND urgent", acc.id, func(int16) { urgent++ })
	if urgent != 1 {
		t.Errorf("%d urgent changes, want 1", urgent)
	}
	if a := s.want(200, "GET", "/v1/tenants?status=suspended", s.operator, nil); len(a.rows()) != 1 {
		t.Errorf("suspended tenants: %s", a.raw)
	}
	if a := s.want(200, "GET", "/v1/tenants?query=%25", s.operator, nil); len(a.rows()) != 0 {
		t.Errorf("a per cent sign found %s", a.raw)
	}
	s.want(200, "POST", acc.path("/resume"), s.operator, nil)
	for _, path := range []string{acc.path("/audit"), "/v1/operator/audit"} {
		if a := s.want(200, "GET", path, s.operator, nil); !strings.Contains(a.raw, "tenant.suspend") || !strings.Contains(a.raw, "tenant.resume") {
			t.Errorf("%s does not tell of the suspension: %s", path, a.raw)
		}
	}
}
