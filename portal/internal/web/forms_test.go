package web_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

const aRoute = `{"data":[{"id":"rte_1","name":"chat","model_id":"mdl_1","version":1,"created_at":"2026-11-01T00:00:00Z"}],"has_more":false}`

// TestModelsOfSeveralCredentialsAreToldApart: a route leads to one of them.
func TestModelsOfSeveralCredentialsAreToldApart(t *testing.T) {
	s := newSite(t)
	second := strings.NewReplacer("mdl_1", "mdl_2", "crd_1", "crd_2").Replace(aModel)
	s.api.on("GET /v1/tenants/acme/models", 200, `{"data":[`+aModel+`,`+second+`,`+strings.NewReplacer("mdl_1", "mdl_3", "gpt-4o-mini", "o1").Replace(aModel)+`],"has_more":false}`)
	s.api.on("GET /v1/tenants/acme/credentials", 200, `{"data":[`+aCredential+`,`+strings.NewReplacer("crd_1", "crd_2", `"name":"`, `"name":"Other `).Replace(aCredential)+`],"has_more":false}`)
	p := s.signedIn().get("/t/acme/routes/new").want(200)
	if form := p.text("route-form"); strings.Count(form, "gpt-4o-mini (openai, ") != 2 || !strings.Contains(form, "gpt-4o-mini (openai, Other ") || !strings.Contains(form, "o1 (openai)") {
		t.Errorf("the choice is %s", form)
	}
}

// TestFormsThatContradictThemselves: what was typed and what was chosen beside
// it must agree, since one of the two was not meant.
func TestFormsThatContradictThemselves(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/routes", 200, aRoute)
	s.api.on("GET /v1/tenants/acme/credentials", 200, `{"data":[`+aCredential+`],"has_more":false}`)
	s.api.on("GET /v1/tenants/acme/api-keys/key_1", 200, madeKey)
	tomorrow, yesterday := time.Now().UTC().AddDate(0, 0, 1), time.Now().UTC().AddDate(0, 0, -1)
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	b := s.signedIn()
	for _, c := range []struct {
		name, page, action, marked string
		typed                      url.Values
	}{
		{"a day beside never", "/t/acme/keys/new", "/t/acme/keys", "expires_at", typed("name", "x", "expiry", "never", "expires_at", day(tomorrow))},
		{"a day that is over", "/t/acme/keys/new", "/t/acme/keys", "expires_at", typed("name", "x", "expiry", "date", "expires_at", day(yesterday))},
		{"a day beside what it was", "/t/acme/keys/key_1", "/t/acme/keys/key_1", "expires_at", typed("name", "x", "expiry", "keep", "expires_at", day(tomorrow))},
		{"only these, and none", "/t/acme/keys/new", "/t/acme/keys", "allowed_routes", typed("name", "x", "expiry", "never", "may_call", "some")},
		{"all models, and some", "/t/acme/keys/new", "/t/acme/keys", "allowed_routes", typed("name", "x", "expiry", "never", "may_call", "all", "allowed_routes", "chat")},
		{"the last box unticked", "/t/acme/keys/key_1", "/t/acme/keys/key_1", "allowed_routes", typed("name", "x", "expiry", "keep", "may_call", "some")},
		{"a route that is none", "/t/acme/keys/new", "/t/acme/keys", "allowed_routes", typed("name", "x", "expiry", "never", "may_call", "some", "allowed_routes", "chatt")},
		{"a price beside blocking", "/t/acme/models/new", "/t/acme/models", "pricing", typed("credential_id", "crd_1", "provider_model", "m", "pricing", "block", "price.input", "1")},
	} {
		p := b.send(b.get(c.page).want(200), c.action, c.typed).want(422)
		if p.text("error-"+c.marked) == "" || !strings.Contains(p.text("problem"), "Check the marked fields.") {
			t.Errorf("%s: %s is not marked: %s", c.name, c.marked, p.text("problem"))
		}
	}
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	for _, call := range s.api.calls {
		if strings.HasPrefix(call.what, "POST ") || strings.HasPrefix(call.what, "PATCH ") {
			t.Errorf("%s was called all the same", call.what)
		}
	}
}

// TestWhatAKeyMayCall: the choice and the boxes reach the API as they stand.
func TestWhatAKeyMayCall(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/routes", 200, aRoute)
	s.api.on("POST /v1/tenants/acme/api-keys", 201, madeKey)
	b := s.signedIn()
	for want, fields := range map[string]url.Values{
		`"allowed_routes":["chat"]`: typed("may_call", "some", "allowed_routes", "chat"),
		`"allowed_routes":[]`:       typed("may_call", "all"),
	} {
		form := b.get("/t/acme/keys/new").form("/t/acme/keys")
		for name, values := range fields {
			form[name] = values
		}
		form.Set("name", "x")
		form.Set("expiry", "never")
		b.do("POST", "/t/acme/keys", form).to("/t/acme/keys/key_1?change=7")
		if got := s.api.last(t, "POST /v1/tenants/acme/api-keys").body; !strings.Contains(got, want) {
			t.Errorf("sent %s, want %s", got, want)
		}
	}
}

// TestRotatingTwice: another rotation ends the older secret that was promised
// to work on, so it is asked for.
func TestRotatingTwice(t *testing.T) {
	s := newSite(t)
	overlap := time.Now().UTC().Add(time.Hour).Format(time.RFC3339)
	s.api.on("GET /v1/tenants/acme/api-keys/key_1", 200, strings.Replace(madeKey, `"version":1`, `"version":2,"previous_valid_until":"`+overlap+`"`, 1))
	s.api.on("POST /v1/tenants/acme/api-keys/key_1/rotate", 200, madeKey)
	b := s.signedIn()
	page := b.get("/t/acme/keys/key_1").want(200)
	if !strings.Contains(page.text("rotate-warning"), "ends it at once") {
		t.Errorf("no warning: %s", page.text("key-rotate"))
	}
	form := page.form("/t/acme/keys/key_1/rotate")
	if p := b.do("POST", "/t/acme/keys/key_1/rotate", form).want(422); p.text("error-end_previous") == "" {
		t.Errorf("%s", p.body)
	}
	form.Set("end_previous", "yes")
	b.do("POST", "/t/acme/keys/key_1/rotate", form).to("/t/acme/keys/key_1?change=7")
}

// TestSecretsAreTypedAgain: a refused form is shown without its secret, and
// says so.
func TestSecretsAreTypedAgain(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/credentials", 409, problem(409, "already_exists", "Something with this name exists."))
	b := s.signedIn()
	fields := typed("name", "Main", "provider", "openai", "secret", "sk-verysecret")
	p := b.send(b.get("/t/acme/credentials/new"), "/t/acme/credentials", fields).want(409)
	if p.text("error-name") == "" || !strings.Contains(p.text("retype-secret"), "Type the secret again") {
		t.Errorf("%s", p.body)
	}
	if strings.Contains(p.text("problem"), "listed in errors") {
		t.Error("the page speaks as the API does")
	}
	fields.Set("secret", "")
	if p := b.send(b.get("/t/acme/credentials/new"), "/t/acme/credentials", fields).want(409); p.text("retype-secret") != "" {
		t.Error("none was typed")
	}
}

const (
	aCredential = `{"id":"crd_1","name":"Main","provider":"openai","base_url":"https://api.openai.com/v1","auth_style":"bearer","auth_header":"","secret_hint":"sk-…ef","connect_timeout_ms":0,"first_byte_timeout_ms":0,"idle_timeout_ms":0,"version":3,"created_at":"2026-11-01T00:00:00Z"}`
	aModel      = `{"id":"mdl_1","credential_id":"crd_1","provider":"openai","provider_model":"gpt-4o-mini","priced":false,"unknown_price":"block","version":1,"created_at":"2026-11-01T00:00:00Z"}`
)

func TestACredentialSaysWhoUsesIt(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/credentials/crd_1", 200, aCredential)
	s.api.on("GET /v1/tenants/acme/models", 200, `{"data":[`+aModel+`],"has_more":false}`)
	s.api.on("GET /v1/tenants/acme/audit", 200, `{"data":[`+anEntry+`],"has_more":true}`)
	s.api.on("DELETE /v1/tenants/acme/credentials/crd_1", 409, problem(409, "in_use", "A model uses this credential."))
	b := s.signedIn()
	p := b.get("/t/acme/credentials/crd_1").want(200)
	if p.text("used-by") != "Models with it gpt-4o-mini" || !strings.Contains(p.body, `href="/t/acme/models/mdl_1"`) {
		t.Errorf("used by: %s", p.text("used-by"))
	}
	if got := p.text("secret-stored"); !strings.HasPrefix(got, "20 Nov") {
		t.Errorf("the secret was stored %q", got)
	}
	b.send(p, "/t/acme/credentials/crd_1/delete", nil).to("/t/acme/credentials/crd_1")
	if p := b.get("/t/acme/credentials/crd_1"); !strings.Contains(p.text("flash"), "used by “gpt-4o-mini”") {
		t.Errorf("flash: %s", p.text("flash"))
	}
}

const anEntry = `{"seq":9,"at":"2026-11-20T09:00:00Z","actor_kind":"user","actor_id":"usr_1","actor_name":"Ada","action":"credential.update","resource_kind":"credential","resource_id":"crd_1",
	"detail":{"name":"Main","secret_replaced":true},"client_ip":"203.0.113.9","request_id":"req_9","hash":"abcd"}`

// TestLongListsAreFollowed: names do not end with the API's first page, and a
// list that is not read to its end says so.
func TestLongListsAreFollowed(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/routes", 200, `{"data":[{"id":"rte_1","name":"chat","model_id":"mdl_9","version":1,"created_at":"2026-11-01T00:00:00Z"}],"has_more":false}`)
	pages := 3
	s.api.pages("GET /v1/tenants/acme/models", func(page int) (string, bool) {
		return strings.NewReplacer("mdl_1", "mdl_"+strconv.Itoa(page+7), "gpt-4o-mini", "model-"+strconv.Itoa(page)).Replace(aModel), page+1 < pages
	})
	b := s.signedIn()
	if p := b.get("/t/acme/routes").want(200); !strings.Contains(p.text("routes"), "model-2") {
		t.Errorf("routes: %s", p.text("routes"))
	}
	if p := b.get("/t/acme/routes/new").want(200); p.text("cut") != "" {
		t.Error("nothing is cut")
	}
	pages = 1000
	if p := b.get("/t/acme/routes/new").want(200); !strings.Contains(p.text("cut"), "more than these") {
		t.Error("a list that is cut does not say so")
	}
}

func TestSignUpWhileSignedIn(t *testing.T) {
	s := newSite(t)
	s.signedIn().get("/signup").to("/t/acme")
	s.browser().get("/signup").want(200)
	s.api.on("GET /v1/me", 401, problem(401, "session_expired", "ended"))
	s.signedIn().get("/signup").want(200)
}

// TestCatalogIsSearched: at first there are the models of the credential's
// provider, and not all of a long list.
func TestCatalogIsSearched(t *testing.T) {
	s := newSite(t)
	var models []string
	for i := range 60 {
		provider := "openai"
		if i%20 == 0 {
			provider = "mistral"
		}
		models = append(models, `{"id":"`+provider+`/m-`+strconv.Itoa(i)+`","provider":"`+provider+`","provider_model":"m-`+strconv.Itoa(i)+`","name":"Model `+strconv.Itoa(i)+
			`","context_window":0,"built_in":false,"cost_price":{"id":"prc_1","side":"cost","origin":"catalog","effective_from":"2026-01-01T00:00:00Z","input":"1","output":"2","per_request":"0","source":"https://www.example.com/pricing (read 2026-01)"}}`)
	}
	s.api.on("GET /v1/catalog/models", 200, `{"data":[`+strings.Join(models, ",")+`],"has_more":false}`)
	s.api.on("GET /v1/tenants/acme/credentials", 200, `{"data":[`+aCredential+`],"has_more":false}`)
	b := s.signedIn()
	p := b.get("/t/acme/models/new").want(200)
	if n := strings.Count(p.text("catalog"), "Model "); n != 26 { // the heading is one of them
		t.Errorf("%d models at first", n-1)
	}
	if strings.Contains(p.text("catalog"), "mistral") || p.text("catalog-more") == "" {
		t.Errorf("more: %q", p.text("catalog-more"))
	}
	if !strings.Contains(p.body, `href="https://www.example.com/pricing"`) || !strings.Contains(p.text("catalog"), "example.com (read 2026-01)") {
		t.Error("a source is no link by the name of its host")
	}
	if p := b.get("/t/acme/models/new?q=M-59&provider=all").want(200); !strings.Contains(p.text("catalog"), "m-59") || strings.Contains(p.text("catalog"), "m-58") {
		t.Errorf("found %s", p.text("catalog"))
	}
	if p := b.get("/t/acme/models/new?provider=mistral").want(200); !strings.Contains(p.text("catalog"), "m-20") || strings.Contains(p.text("catalog"), "openai") {
		t.Errorf("mistral: %s", p.text("catalog"))
	}
	if p := b.get("/t/acme/models/new?q=none").want(200); !strings.Contains(p.text("empty"), "Not in the catalogue") {
		t.Error("an empty search says nothing")
	}
	// The operator's page is searched alike.
	s.api.on("GET /v1/me", 200, asOperator)
	if p := b.get("/admin/catalog?q=model+5&provider=openai").want(200); !strings.Contains(p.text("catalog"), "m-59") || strings.Contains(p.text("catalog"), "m-49") {
		t.Errorf("the operator found %s", p.text("catalog"))
	}
}
