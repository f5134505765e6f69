package web_test

import (
	"net/url"
	"strings"
	"testing"
)

const aVertex = `{"id":"crd_2","name":"Vertex","provider":"google-vertex","dialect":"gemini","base_url":"https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1","auth_style":"google","auth_header":"",` +
	`"api_version":"","region":"us-central1","secret_hint":"me@p.iam.gserviceaccount.com","connect_timeout_ms":0,"first_byte_timeout_ms":0,"idle_timeout_ms":0,"version":1,"created_at":"2026-11-01T00:00:00Z"}`

// TestAServiceAccountIsPasted: its own field, many lines, never shown again,
// and its errors beside it.
func TestAServiceAccountIsPasted(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/credentials", 422, problem(422, "validation_failed", "Some fields are not valid.", "secret", "has no private_key in PEM"))
	b := s.signedIn()
	page := b.get("/t/acme/credentials/new")
	if !strings.Contains(page.body, `data-only="provider=google-vertex`) || page.find("id", "f-service_account") == nil {
		t.Fatal("the form has no field for a service account")
	}
	const key = "{\n  \"client_email\": \"a@b\"\n}"
	fields := url.Values{"name": {"Vertex"}, "provider": {"google-vertex"}, "region": {"us-central1"}, "service_account": {key}}
	p := b.send(page, "/t/acme/credentials", fields).want(422)
	if !strings.Contains(p.text("error-service_account"), "Has no private_key") || p.text("error-secret") != "" || p.text("retype-service_account") == "" {
		t.Errorf("the error is not at its field: %s", p.body)
	}
	if strings.Contains(p.body, "client_email&#34;: &#34;a@b") || strings.Contains(p.body, key) {
		t.Error("the secret is on the page")
	}
	if in := p.find("id", "f-region"); in == nil || attr(in, "value") != "us-central1" {
		t.Error("the region is lost")
	}
	sent := s.api.last(t, "POST /v1/tenants/acme/credentials").body
	if !strings.Contains(sent, `"secret":"{\n  \"client_email\": \"a@b\"\n}"`) || !strings.Contains(sent, `"region":"us-central1"`) {
		t.Errorf("sent %s", sent)
	}
}

func TestAStoredServiceAccountKeepsItsRegion(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/credentials/crd_2", 200, aVertex)
	s.api.on("GET /v1/tenants/acme/models", 200, `{"data":[],"has_more":false}`)
	s.api.on("PATCH /v1/tenants/acme/credentials/crd_2", 200, aVertex)
	b := s.signedIn()
	p := b.get("/t/acme/credentials/crd_2").want(200)
	if p.find("id", "f-service_account") == nil || p.find("id", "f-secret") != nil || attr(p.find("id", "f-region"), "value") != "us-central1" || p.find("id", "f-api_version") != nil {
		t.Errorf("the form has other fields than the credential: %s", p.body)
	}
	b.send(p, "/t/acme/credentials/crd_2", typed("name", "Vertex", "region", "global")).to("/t/acme/credentials/crd_2")
	if sent := s.api.last(t, "PATCH /v1/tenants/acme/credentials/crd_2").body; !strings.Contains(sent, `"region":"global"`) || strings.Contains(sent, `"secret"`) {
		t.Errorf("sent %s", sent)
	}
}
