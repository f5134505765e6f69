package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/web"
	"github.com/tollgate/tollgate/proto/network"
)

// api answers as the documented API does, where a test says what. The journeys
// over the real control plane are the end-to-end tests'; here are the edges
// that a healthy control plane does not show.
type api struct {
	url     string
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	calls   []call
}

type call struct {
	what   string
	header http.Header
	body   string
}

func (a *api) on(what string, status int, body string) {
	a.handle(what, func(w http.ResponseWriter, r *http.Request) { answer(w, status, body) })
}

func (a *api) handle(what string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[what] = h
}

// pages answers a list page by page: what stands on one, and whether there is
// another.
func (a *api) pages(what string, entry func(page int) (string, bool)) {
	a.handle(what, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		data, more := entry(page)
		answer(w, 200, fmt.Sprintf(`{"data":[%s],"has_more":%v,"next_cursor":"%d"}`, data, more, page+1))
	})
}

// last is the last call of an operation.
func (a *api) last(t *testing.T, what string) call {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.calls) - 1; i >= 0; i-- {
		if a.calls[i].what == what {
			return a.calls[i]
		}
	}
	t.Fatalf("%s was not called", what)
	return call{}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.Method + " " + r.URL.Path
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.calls = append(a.calls, call{what, r.Header, string(body)})
	h := a.answers[what]
	a.mu.Unlock()
	if h == nil {
		answer(w, 404, problem(404, "not_found", "There is no such thing."))
		return
	}
	h(w, r)
}

func answer(w http.ResponseWriter, status int, body string) {
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func problem(status int, code, title string, fields ...string) string {
	p := map[string]any{"type": "https://example.com/" + code, "title": title, "status": status, "code": code, "fix": "Do it otherwise.", "request_id": "req_api"}
	var errs []map[string]string
	for i := 0; i < len(fields); i += 2 {
		errs = append(errs, map[string]string{"location": "body." + fields[i], "message": fields[i+1], "fix": "Mend it."})
	}
	if errs != nil {
		p["errors"] = errs
	}
	b, _ := json.Marshal(p)
	return string(b)
}

const (
	session = "tgs_0123456789secretsession"
	asOwner = `{"kind":"user","id":"usr_1","name":"Ada","email":"ada@acme.test","operator":false,"memberships":[
		{"tenant_id":"ten_1","slug":"acme","name":"Acme","role":"owner","status":"active"},
		{"tenant_id":"ten_2","slug":"globex","name":"Globex","role":"viewer","status":"suspended"}]}`
	emptyPage = `{"data":[],"has_more":false}`
	aProject  = `{"data":[{"id":"prj_1","name":"Default","version":1,"created_at":"2026-11-01T00:00:00Z"}],"has_more":false}`
	madeKey   = `{"id":"key_1","project_id":"prj_1","name":"CI","hint":"tgk_ab…yz","status":"active","allowed_routes":[],"version":1,"created_at":"2026-11-22T00:00:00Z","change_id":7,"secret":"tgk_onlyonce"}`
)

// site is a portal over an api.
type site struct {
	t    *testing.T
	url  string
	api  *api
	logs *strings.Builder
}

type lockedWriter struct {
	mu sync.Mutex
	b  *strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func newSite(t *testing.T) *site {
	t.Helper()
	a := &api{answers: map[string]http.HandlerFunc{}}
	backend := httptest.NewServer(a)
	t.Cleanup(backend.Close)
	a.url = backend.URL
	a.on("GET /livez", 200, "ok")
	a.on("GET /v1/me", 200, asOwner)
	for _, list := range []string{"api-keys", "routes", "models", "credentials", "members", "audit", "requests"} {
		a.on("GET /v1/tenants/acme/"+list, 200, emptyPage)
	}
	a.on("GET /v1/tenants/acme/projects", 200, aProject)
	a.on("GET /v1/catalog/models", 200, emptyPage)
	return newSiteAt(t, backend.URL, a)
}

func newSiteAt(t *testing.T, apiURL string, a *api) *site {
	t.Helper()
	return newSiteBehind(t, apiURL, a, nil)
}

func newSiteBehind(t *testing.T, apiURL string, a *api, proxies network.List) *site {
	t.Helper()
	logs := &strings.Builder{}
	h, err := web.New(web.Options{
		Control: control.New(apiURL, ""), GatewayURL: "http://gateway.test", Stopping: t.Context(), Proxies: proxies,
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{b: logs}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &site{t: t, url: s.URL, api: a, logs: logs}
}

// browser keeps cookies as a browser does for localhost.
type browser struct {
	*site
	cookies map[string]*http.Cookie
	header  http.Header
}

func (s *site) browser() *browser {
	return &browser{site: s, cookies: map[string]*http.Cookie{}, header: http.Header{}}
}

func (s *site) signedIn() *browser {
	b := s.browser()
	b.cookies["__Host-tollgate"] = &http.Cookie{Name: "__Host-tollgate", Value: session}
	return b
}

type page struct {
	t      *testing.T
	status int
	header http.Header
	body   string
	doc    *html.Node
}

func (b *browser) do(method, path string, form url.Values) *page {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	for k, v := range b.header {
		r.Header[k] = v
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r.Header.Get("Origin") == "" {
			r.Header.Set("Origin", b.url)
		}
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(raw)))
	if err != nil {
		b.t.Fatal(err)
	}
	return &page{t: b.t, status: resp.StatusCode, header: resp.Header, body: string(raw), doc: doc}
}

func (b *browser) get(path string) *page { b.t.Helper(); return b.do("GET", path, nil) }

// send fills in the first form with this action and sends it.
func (b *browser) send(p *page, action string, typed url.Values) *page {
	b.t.Helper()
	form := p.form(action)
	for name, values := range typed {
		form[name] = values
	}
	return b.do("POST", action, form)
}

// form are the inputs of a form as they were rendered.
func (p *page) form(action string) url.Values {
	p.t.Helper()
	for n := range p.doc.Descendants() {
		if n.Data != "form" || attr(n, "action") != action {
			continue
		}
		values := url.Values{}
		for in := range n.Descendants() {
			chosen := attr(in, "type") != "checkbox" && attr(in, "type") != "radio" || slices.ContainsFunc(in.Attr, func(a html.Attribute) bool { return a.Key == "checked" })
			if in.Data == "input" && attr(in, "name") != "" && chosen {
				values.Set(attr(in, "name"), attr(in, "value"))
			}
		}
		return values
	}
	p.t.Fatalf("no form to %s in\n%s", action, p.body)
	return nil
}

func (p *page) find(name, value string) *html.Node {
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && attr(n, name) == value {
			return n
		}
	}
	return nil
}

// text is what stands in the element with this test id.
func (p *page) text(testid string) string {
	n := p.find("data-testid", testid)
	if n == nil {
		return ""
	}
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (p *page) want(status int) *page {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("status %d, want %d\n%s", p.status, status, p.body)
	}
	return p
}

func (p *page) to(path string) *page {
	p.t.Helper()
	if got := p.header.Get("Location"); p.status != http.StatusSeeOther || got != path {
		p.t.Fatalf("status %d to %q, want a way to %q\n%s", p.status, got, path, p.body)
	}
	return p
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
