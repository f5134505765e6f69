package web_test

import (
	"strings"
	"testing"
)

const aMember = `{"id":"mem_2","user_id":"usr_2","name":"Grace","email":"grace@acme.test","role":"developer","version":1,"created_at":"2026-11-01T00:00:00Z"}`

func TestMembersAreAdded(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	s.api.on("POST /v1/tenants/acme/members", 404, problem(404, "not_found", "Nobody has an account with this e-mail address.", "email", "has no account"))
	p := b.send(b.get("/t/acme/members"), "/t/acme/members", typed("email", "grace@acme.test", "role", "developer")).want(422)
	if !strings.Contains(p.text("error-email"), "Has no account") || !strings.Contains(p.body, "grace@acme.test") {
		t.Errorf("%s", p.text("member-form"))
	}
	s.api.on("POST /v1/tenants/acme/members", 201, aMember)
	b.send(b.get("/t/acme/members"), "/t/acme/members", typed("email", "grace@acme.test", "role", "developer")).to("/t/acme/members")
	if got := s.api.last(t, "POST /v1/tenants/acme/members"); !strings.Contains(got.body, `"role":"developer"`) || got.header.Get("Idempotency-Key") == "" {
		t.Errorf("sent %s", got.body)
	}
	// Who may not manage has no form, and a tenant that is gone is no field's fault.
	s.api.on("GET /v1/me", 200, strings.Replace(asOwner, `"role":"owner"`, `"role":"viewer"`, 1))
	if p := b.get("/t/acme/members").want(200); strings.Contains(p.body, "member-form") {
		t.Error("a viewer may add somebody")
	}
}

func TestSignUpIsClosed(t *testing.T) {
	s := newSite(t)
	if p := s.browser().get("/signup").want(200); p.text("sign-up-form") == "" {
		t.Error("no form where the control plane does not say")
	}
	s.api.on("GET /v1/signup", 200, `{"open":false}`)
	if p := s.browser().get("/signup").want(200); p.text("sign-up-form") != "" || !strings.Contains(p.text("sign-up-closed"), "add you") {
		t.Errorf("closed: %s", p.body)
	}
	if p := s.browser().get("/").want(200); p.text("no-sign-up") == "" || strings.Contains(p.body, `href="/signup"`) {
		t.Errorf("the sign-in page still shows the way: %s", p.body)
	}
	s.api.on("GET /v1/signup", 200, `{"open":true}`)
	if p := s.browser().get("/signup").want(200); p.text("sign-up-form") == "" {
		t.Error("no form")
	}
}

func TestThePasswordIsChanged(t *testing.T) {
	s := newSite(t)
	s.browser().get("/password").to("/?next=%2Fpassword")
	b := s.signedIn()
	fields := typed("current", "old horse battery", "new", "new horse battery")
	s.api.on("POST /v1/me/password", 422, problem(422, "validation_failed", "Some fields are not valid.", "current", "is not your password"))
	p := b.send(b.get("/password"), "/password", fields).want(422)
	if !strings.Contains(p.text("error-current"), "Is not your password") || strings.Contains(p.body, "horse battery") {
		t.Errorf("%s", p.body)
	}
	s.api.on("POST /v1/me/password", 204, "")
	b.send(b.get("/password"), "/password", fields).to("/t/acme")
	if got := s.api.last(t, "POST /v1/me/password").body; !strings.Contains(got, `"new":"new horse battery"`) {
		t.Errorf("sent %s", got)
	}
	if strings.Contains(s.logs.String(), "horse battery") {
		t.Error("the log holds a password")
	}
}
