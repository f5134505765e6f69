package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/httpapi"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

func TestMembersAreAddedByTheirAddress(t *testing.T) {
	s := newStage(t)
	acc, grace := s.signUp("Acme"), s.signUp("Grace's")
	admin, members := s.managementKey(acc, access.Admin), acc.path("/members")
	nobody := s.refused("not_found", "POST", members, acc.owner, m{"email": "nobody@example.com", "role": "viewer"})
	if !strings.Contains(nobody.str("fix"), "sign up first") {
		t.Errorf("the fix is %q", nobody.str("fix"))
	}
	s.refused("forbidden", "POST", members, admin, m{"email": grace.email, "role": "owner"})
	s.refused("forbidden", "POST", members, s.managementKey(acc, access.Developer), m{"email": grace.email, "role": "viewer"})
	s.refused("validation_failed", "POST", members, acc.owner, m{"email": grace.email, "role": "viewer", "password": goodPassword})
	s.refused("validation_failed", "POST", members, acc.owner, m{"email": grace.email, "role": "king"})
	body := m{"email": strings.ToUpper(grace.email), "role": "developer"}
	added := s.want(201, "POST", members, admin, body, "Idempotency-Key", "add-grace")
	if added.str("email") != grace.email || added.str("role") != "developer" || added.header.Get("ETag") != `"1"` {
		t.Errorf("added %s", added.raw)
	}
	again := s.want(201, "POST", members, admin, body, "Idempotency-Key", "add-grace")
	if again.raw != added.raw || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeat got %s", again.raw)
	}
	s.refused("already_exists", "POST", members, acc.owner, body)
	s.want(200, "GET", acc.path(""), grace.owner, nil)
	s.want(201, "POST", acc.path("/api-keys"), grace.owner, m{"name": "Grace's"})
	if a := s.want(200, "GET", acc.path("/audit"), acc.owner, nil); !strings.Contains(a.raw, grace.email) {
		t.Errorf("the trail does not tell of the new member: %s", a.raw)
	}
	if err := s.db.VerifyAudit(t.Context(), acc.id); err != nil {
		t.Error(err)
	}
	// Operators make accounts as well.
	s.want(201, "POST", members, s.operator, m{"email": "new@example.com", "role": "viewer", "name": "New", "password": goodPassword})
	s.want(201, "POST", "/v1/sessions", "", m{"email": "new@example.com", "password": goodPassword})
	s.refused("already_exists", "POST", members, s.operator, m{"email": grace.email, "role": "viewer", "password": goodPassword})
	s.want(201, "POST", members, acc.owner, m{"email": s.signUp("Third").email, "role": "owner"})
}

func TestSignUpCanBeClosed(t *testing.T) {
	s := stageWith(t, postgrestest.Open(t), func(c *httpapi.Config) { c.SignUpClosed = true })
	if a := s.want(200, "GET", "/v1/signup", "", nil); a.body["open"] != false {
		t.Errorf("the policy is %s", a.raw)
	}
	stranger := m{"tenant_name": "X", "email": "x@example.com", "password": goodPassword}
	s.refused("signup_closed", "POST", "/v1/signup", "", stranger)
	made := s.want(201, "POST", "/v1/tenants", s.operator, stranger)
	if made.str("tenant", "slug") != "x" || made.str("owner", "role") != "owner" || made.str("project", "name") != "Default" {
		t.Errorf("made %s", made.raw)
	}
	owner := s.want(201, "POST", "/v1/sessions", "", m{"email": "x@example.com", "password": goodPassword}).str("token")
	s.want(201, "POST", "/v1/tenants/x/api-keys", owner, m{"name": "First"})
	s.refused("operator_only", "POST", "/v1/tenants", owner, stranger)
	// A second tenant for the same person, who keeps the password.
	s.want(201, "POST", "/v1/tenants", s.operator, m{"tenant_name": "Second", "email": "x@example.com"})
	s.want(200, "GET", "/v1/tenants/second", owner, nil)
	s.refused("already_exists", "POST", "/v1/tenants", s.operator, m{"tenant_name": "Third", "email": "x@example.com", "password": goodPassword})
	s.refused("already_exists", "POST", "/v1/tenants", s.operator, m{"tenant_name": "Third", "slug": "x", "email": "x@example.com"})
	s.refused("not_found", "POST", "/v1/tenants", s.operator, m{"tenant_name": "Fourth", "email": "y@example.com"})
	s.refused("validation_failed", "POST", "/v1/tenants", s.operator, m{"tenant_name": "Fourth", "email": "y@z", "password": goodPassword})
	for _, id := range []string{made.str("tenant", "id"), ""} {
		if err := s.db.VerifyAudit(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

func TestPasswords(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	const next = "another horse battery"
	signIn := func(password string) answer {
		return s.call("POST", "/v1/sessions", "", m{"email": acc.email, "password": password})
	}
	elsewhere := signIn(goodPassword).str("token")
	change := func(current, next string) m { return m{"current": current, "new": next} }
	if a := s.refused("validation_failed", "POST", "/v1/me/password", acc.owner, change("wrong", next)); !strings.Contains(a.raw, "body.current") {
		t.Errorf("a wrong password: %s", a.raw)
	}
	for _, bad := range []string{"short", "aaaaaaaaaaaa", acc.email} {
		if a := s.refused("validation_failed", "POST", "/v1/me/password", acc.owner, change(goodPassword, bad)); !strings.Contains(a.raw, "body.new") {
			t.Errorf("a bad password: %s", a.raw)
		}
	}
	s.refused("forbidden", "POST", "/v1/me/password", s.operator, change(goodPassword, next))
	s.want(200, "GET", "/v1/me", elsewhere, nil)
	s.want(204, "POST", "/v1/me/password", acc.owner, change(goodPassword, next))
	s.want(200, "GET", "/v1/me", acc.owner, nil)
	s.refused("session_expired", "GET", "/v1/me", elsewhere, nil)
	if a := signIn(goodPassword); a.str("code") != "wrong_password" {
		t.Errorf("the old password: %s", a.raw)
	}
	if a := signIn(next); a.status != 201 {
		t.Errorf("the new password: %s", a.raw)
	}
	if strings.Contains(s.log.String(), "horse battery") {
		t.Error("the log holds a password")
	}
	if a := s.want(200, "GET", "/v1/operator/audit", s.operator, nil); !strings.Contains(a.raw, "user.password") {
		t.Errorf("the operators' trail does not tell of it: %s", a.raw)
	}
}

// Whoever guesses at a password from a stolen session is stopped as at the door.
func TestGuessesOfThePasswordAreBraked(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for range 100 {
		if a := s.call("POST", "/v1/me/password", acc.owner, m{"current": "wrong", "new": "another horse battery"}); a.str("code") == "too_many_attempts" {
			return
		}
	}
	t.Error("a hundred guesses were taken")
}

func TestTheAPIDescribesItself(t *testing.T) {
	s := newStage(t)
	a := s.want(200, "GET", "/v1/openapi.json", "", nil)
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.raw))
	if err != nil || doc.Validate(t.Context()) != nil {
		t.Fatalf("it is no OpenAPI document: %v, %v", err, doc.Validate(t.Context()))
	}
	if doc.Paths.Value("/v1/me").Get.OperationID != "getMe" || len(doc.Paths.Map()) < 30 {
		t.Errorf("it describes %d paths", len(doc.Paths.Map()))
	}
	if a.header.Get("Content-Type") != "application/json" || !json.Valid([]byte(a.raw)) {
		t.Errorf("it comes as %s", a.header.Get("Content-Type"))
	}
	if y := s.want(200, "GET", "/v1/openapi.yaml", "", nil); !strings.HasPrefix(y.raw, "openapi: 3") {
		t.Errorf("the YAML begins with %.40q", y.raw)
	}
}

func TestKeysAreLimitedToRoutesThatExist(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	s.furnish(other)
	s.want(201, "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "acme", "provider_model": "acme-1"})
	keys := acc.path("/api-keys")
	for _, name := range []string{"does-not-exist", marker, "acme-1"} {
		if a := s.refused("validation_failed", "POST", keys, acc.owner, m{"name": "k", "allowed_routes": []string{name}}); !strings.Contains(a.raw, "body.allowed_routes[0]") || !strings.Contains(a.raw, name) {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
	crd := s.want(201, "POST", acc.path("/credentials"), acc.owner, m{"name": "c", "provider": "openai", "secret": "sk-0123456789"}).str("id")
	mdl := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": crd, "provider_model": "gpt-x"}).str("id")
	rte := s.want(201, "POST", acc.path("/routes"), acc.owner, m{"name": "fast", "model_id": mdl}).str("id")
	key := keys + "/" + s.want(201, "POST", keys, acc.owner, m{"name": "k", "allowed_routes": []string{"fast"}}).str("id")
	s.refused("validation_failed", "PATCH", key, acc.owner, m{"allowed_routes": []string{"fast", "slow"}})
	s.want(200, "DELETE", acc.path("/routes/"+rte), acc.owner, nil)
	// What the key has stays, though the route is gone.
	s.want(200, "PATCH", key, acc.owner, m{"name": "n", "allowed_routes": []string{"fast"}})
	s.want(200, "PATCH", key, acc.owner, m{"allowed_routes": []string{}})
	s.refused("validation_failed", "PATCH", key, acc.owner, m{"allowed_routes": []string{"fast"}})
}

func TestRotatingTwiceSaysWhatEnded(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	rotate := acc.path("/api-keys/" + acc.key + "/rotate")
	first := s.want(200, "POST", rotate, acc.owner, m{"overlap_seconds": 3600})
	if first.str("ended_early") != "" || first.str("previous_valid_until") == "" {
		t.Errorf("the first rotation: %s", first.raw)
	}
	second := s.want(200, "POST", rotate, acc.owner, m{"overlap_seconds": 60})
	if second.str("ended_early") != first.str("previous_valid_until") {
		t.Errorf("the second rotation ended %q early, want %q", second.str("ended_early"), first.str("previous_valid_until"))
	}
}
