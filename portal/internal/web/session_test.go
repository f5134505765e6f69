package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func typed(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func TestSignIn(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/sessions", 201, `{"token":"`+session+`","expires_at":"2036-01-01T00:00:00Z"}`)
	b := s.browser()
	p := b.get("/?next=/t/acme/keys").want(200)
	b.send(p, "/signin", typed("email", "ada@acme.test", "password", "correct horse")).to("/t/acme/keys")
	c := b.cookies["__Host-tollgate"]
	if c == nil || c.Value != session || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Fatalf("session cookie %+v", c)
	}
	b.get("/").to("/t/acme")
	b.get("/t/acme/keys").want(200)
	if strings.Contains(s.logs.String(), session) || strings.Contains(s.logs.String(), "correct horse") {
		t.Error("the log holds a secret")
	}
}

func TestWrongPasswordKeepsTheAddressAlone(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/sessions", 401, problem(401, "wrong_password", "The e-mail address or the password is wrong."))
	b := s.browser()
	p := b.send(b.get("/"), "/signin", typed("email", "ada@acme.test", "password", "hunter2hunter2")).want(401)
	if !strings.Contains(p.text("problem"), "password is wrong") || !strings.Contains(p.body, `value="ada@acme.test"`) {
		t.Errorf("%s", p.body)
	}
	if strings.Contains(p.body, "hunter2") {
		t.Error("the password is on the page")
	}
}

func TestSafeReturn(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/sessions", 201, `{"token":"`+session+`","expires_at":"2036-01-01T00:00:00Z"}`)
	for _, evil := range []string{"https://evil.test/", "//evil.test", `/\evil.test`, "/\tevil", "javascript:alert(1)"} {
		b := s.browser()
		p := b.get("/?next=" + url.QueryEscape(evil))
		b.send(p, "/signin", typed("email", "a@b.c", "password", "x", "next", evil)).to("/t/acme")
		b.send(b.get("/t/acme/keys"), "/theme", typed("theme", "dark", "back", evil)).to("/")
	}
}

func TestSessionThatEnded(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/me", 401, problem(401, "session_expired", "The session has ended."))
	b := s.signedIn()
	b.get("/t/acme/usage?by=key").to("/?next=%2Ft%2Facme%2Fusage%3Fby%3Dkey&notice=ended")
	if b.cookies["__Host-tollgate"] != nil {
		t.Error("the cookie of an ended session stays")
	}
	if p := b.get("/?notice=ended").want(200); !strings.Contains(p.body, "Your session has ended") {
		t.Error("the page does not say why")
	}
}

func TestSignOutWorksWithoutTheControlPlane(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	p := b.get("/t/acme/keys").want(200)
	s.api.on("DELETE /v1/sessions/current", 503, problem(503, "database_unavailable", "No database."))
	b.send(p, "/signout", nil).to("/?notice=out")
	if b.cookies["__Host-tollgate"] != nil {
		t.Error("still signed in")
	}
}

func TestFormsNeedTheirToken(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/projects", 201, `{"id":"prj_2","name":"x","version":1,"created_at":"2026-11-01T00:00:00Z"}`)
	b := s.signedIn()
	good := b.get("/t/acme/projects").form("/t/acme/projects")
	good.Set("name", "x")
	with := func(name, value string) url.Values {
		f := url.Values{}
		for k, v := range good {
			f[k] = v
		}
		f.Set(name, value)
		return f
	}
	other := s.signedIn()
	other.cookies["__Host-tollgate"].Value = "tgs_somebodyelse"
	foreign := other.get("/t/acme/projects").form("/t/acme/projects").Get("csrf")

	for name, c := range map[string]struct {
		form   url.Values
		header http.Header
	}{
		"no token":           {with("csrf", ""), nil},
		"garbage":            {with("csrf", "!!!"), nil},
		"another session's":  {with("csrf", foreign), nil},
		"another site":       {good, http.Header{"Origin": {"https://evil.test"}}},
		"cross-site request": {good, http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		"sibling site":       {good, http.Header{"Sec-Fetch-Site": {"same-site"}}},
	} {
		b.header = c.header
		p := b.do("POST", "/t/acme/projects", c.form).want(403)
		if p.text("code") != "csrf_failed" {
			t.Errorf("%s: %s", name, p.text("failure"))
		}
	}
	b.header = nil
	b.do("POST", "/t/acme/projects", good).to("/t/acme/projects")
	// Before sign-in the token hangs on a cookie of its own.
	s.browser().do("POST", "/signin", typed("email", "a", "password", "b", "csrf", good.Get("csrf"))).want(403)
}

func TestTokensDiffer(t *testing.T) {
	b := newSite(t).signedIn()
	one := b.get("/t/acme/projects").form("/t/acme/projects")
	two := b.get("/t/acme/projects").form("/t/acme/projects")
	if one.Get("csrf") == two.Get("csrf") || one.Get("idem") == two.Get("idem") {
		t.Error("two forms have the same token")
	}
}

func TestPlainHTTPIsSaid(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	if b.get("/").text("needs-https") != "" {
		t.Error("loopback is fine for browsers")
	}
	r, err := http.NewRequest("GET", s.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, said := range map[string]bool{"portal.example.com": true, "10.0.0.5:8082": true, "localhost:8082": false, "[::1]:8082": false} {
		r.Host = host
		p := fetch(t, r)
		if (p.text("needs-https") != "") != said {
			t.Errorf("%s: said %v", host, !said)
		}
	}
	r.Host = "portal.example.com"
	r.Header.Set("X-Forwarded-Proto", "https")
	if fetch(t, r).text("needs-https") != "" {
		t.Error("a proxy with TLS is fine")
	}
}

func TestThemeIsKept(t *testing.T) {
	b := newSite(t).signedIn()
	b.send(b.get("/t/acme/keys"), "/theme", typed("theme", "dark")).to("/t/acme/keys")
	if p := b.get("/t/acme/keys"); !strings.Contains(p.body, `data-theme="dark"`) {
		t.Error("not dark")
	}
	b.cookies["tollgate-theme"].Value = "purple"
	if p := b.get("/t/acme/keys"); !strings.Contains(p.body, `data-theme="auto"`) {
		t.Error("a theme that does not exist is not auto")
	}
}
