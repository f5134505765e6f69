package e2e

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// reader is a browser without scripts: it follows links, keeps cookies, and
// fills in and sends forms.
type reader struct {
	t       *testing.T
	client  *http.Client
	at      *url.URL
	status  int
	doc     *html.Node
	cookies map[string]string
}

func newReader(t *testing.T) *reader {
	r := &reader{t: t, cookies: map[string]string{}}
	// Cookies are kept by hand: they are for secure addresses, which loopback
	// is to browsers but not to Go's jar.
	r.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return r
}

// get opens a path of the portal.
func (r *reader) get(path string) *reader {
	r.t.Helper()
	return r.send("GET", path, nil)
}

func (r *reader) send(method, path string, form url.Values) *reader {
	r.t.Helper()
	for range 10 {
		target, err := url.Parse(up.portal)
		must(r.t, err)
		if r.at != nil {
			target = r.at
		}
		target, err = target.Parse(path)
		must(r.t, err)
		var body io.Reader
		if method == "POST" {
			body = strings.NewReader(form.Encode())
		}
		req, err := http.NewRequestWithContext(r.t.Context(), method, target.String(), body)
		must(r.t, err)
		if method == "POST" {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Origin", up.portal)
			req.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		for name, value := range r.cookies {
			req.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		resp, err := r.client.Do(req)
		must(r.t, err)
		r.keep(resp.Cookies())
		r.at, r.status = target, resp.StatusCode
		location := resp.Header.Get("Location")
		if resp.StatusCode/100 == 3 && location != "" {
			resp.Body.Close()
			method, path, form = "GET", location, nil
			continue
		}
		r.doc, err = html.Parse(resp.Body)
		resp.Body.Close()
		must(r.t, err)
		return r
	}
	r.t.Fatalf("too many redirects to %s", path)
	return r
}

func (r *reader) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		if c.MaxAge < 0 || c.Value == "" {
			delete(r.cookies, c.Name)
			continue
		}
		r.cookies[c.Name] = c.Value
	}
}

// ok wants the page to be there.
func (r *reader) ok() *reader {
	r.t.Helper()
	if r.status != 200 {
		r.t.Fatalf("%s: status %d\n%s", r.at, r.status, r.text())
	}
	return r
}

// text is all text of the page.
func (r *reader) text() string { return strings.Join(strings.Fields(textOf(r.doc)), " ") }

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data + " "
	}
	if n.Data == "script" || n.Data == "style" {
		return ""
	}
	var b strings.Builder
	for c := range n.ChildNodes() {
		b.WriteString(textOf(c))
	}
	return b.String()
}

// one finds an element by an attribute; nil when there is none.
func (r *reader) one(name, value string) *html.Node {
	for n := range r.doc.Descendants() {
		if n.Type == html.ElementNode && attr(n, name) == value {
			return n
		}
	}
	return nil
}

// testID is the text of the element with this test id.
func (r *reader) testID(id string) string {
	r.t.Helper()
	n := r.one("data-testid", id)
	if n == nil {
		r.t.Fatalf("%s: there is no %q\n%s", r.at, id, r.text())
	}
	return strings.TrimSpace(textOf(n))
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// submit fills in the first form that takes all these fields and whose action
// ends so, and sends it. The form must already hold whatever is not named.
func (r *reader) submit(action string, fields map[string]string) *reader {
	r.t.Helper()
	for n := range r.doc.Descendants() {
		if n.Data != "form" || !strings.HasSuffix(strings.TrimSuffix(attr(n, "action"), "/"), action) {
			continue
		}
		values, names := defaults(n)
		fits := true
		for name, value := range fields {
			fits = fits && slices.Contains(names, name)
			values.Set(name, value)
		}
		if !fits {
			continue
		}
		if strings.EqualFold(attr(n, "method"), "post") {
			return r.send("POST", attr(n, "action"), values)
		}
		return r.send("GET", attr(n, "action")+"?"+values.Encode(), nil)
	}
	r.t.Fatalf("%s: no form for %q takes %v\n%s", r.at, action, fields, r.text())
	return r
}

// defaults are a form's values as they stand, and the names of its fields.
func defaults(form *html.Node) (url.Values, []string) {
	values := url.Values{}
	var names []string
	for n := range form.Descendants() {
		name := attr(n, "name")
		if name == "" || has(n, "disabled") {
			continue
		}
		names = append(names, name)
		switch {
		case n.Data == "input" && (attr(n, "type") == "checkbox" || attr(n, "type") == "radio"):
			if has(n, "checked") {
				values.Add(name, attr(n, "value"))
			}
		case n.Data == "input":
			values.Set(name, attr(n, "value"))
		case n.Data == "textarea":
			values.Set(name, textOf(n))
		case n.Data == "select":
			values.Set(name, chosen(n))
		}
	}
	return values, names
}

func chosen(sel *html.Node) string {
	first, found := "", false
	for n := range sel.Descendants() {
		if n.Data != "option" {
			continue
		}
		value := attr(n, "value")
		if !has(n, "value") {
			value = strings.TrimSpace(textOf(n))
		}
		if has(n, "selected") {
			return value
		}
		if !found {
			first, found = value, true
		}
	}
	return first
}
