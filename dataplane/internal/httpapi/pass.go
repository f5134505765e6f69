package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
)

// Methods that are carried.
var (
	posts   = []string{"POST"}
	readers = []string{"GET", "HEAD", "POST", "DELETE"}
	anyOf   = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
)

// carriedRoutes are what callers may call whose bodies pass as they arrive,
// each also below /t/{tenant}.
var carriedRoutes = []struct {
	methods   []string
	path      string
	operation pipeline.Operation
	dialect   canon.Dialect
}{
	{posts, "/v1/audio/speech", pipeline.Speech, canon.OpenAIChat},
	{posts, "/v1/audio/transcriptions", pipeline.Transcription, canon.OpenAIChat},
	{posts, "/v1/audio/translations", pipeline.Translation, canon.OpenAIChat},
	{posts, "/v1/images/generations", pipeline.Images, canon.OpenAIChat},
	{posts, "/v1/images/edits", pipeline.ImageEdit, canon.OpenAIChat},
	{posts, "/v1/images/variations", pipeline.ImageVariation, canon.OpenAIChat},
	{readers, "/v1/files", pipeline.Files, canon.OpenAIChat},
	{readers, "/v1/files/*", pipeline.Files, canon.OpenAIChat},
	{posts, "/v1/uploads", pipeline.Files, canon.OpenAIChat},
	{posts, "/v1/uploads/*", pipeline.Files, canon.OpenAIChat},
	{readers, "/v1/batches", pipeline.Batches, canon.OpenAIChat},
	{readers, "/v1/batches/*", pipeline.Batches, canon.OpenAIChat},
	{readers, "/v1/messages/batches", pipeline.Batches, canon.Anthropic},
	{readers, "/v1/messages/batches/*", pipeline.Batches, canon.Anthropic},
	{[]string{"GET", "DELETE", "POST"}, "/v1/responses/*", pipeline.Stored, canon.Responses},
	{anyOf, "/proxy/:provider", pipeline.Proxy, canon.OpenAIChat},
	{anyOf, "/proxy/:provider/*", pipeline.Proxy, canon.OpenAIChat},
}

// carried adds the routes of carried calls.
func (s *Server) carried(methods map[string][]string) {
	for _, base := range []string{"", "/t/:tenant"} {
		for _, r := range carriedRoutes {
			for _, m := range r.methods {
				s.echo.Add(m, base+r.path, s.handle(r.operation, r.dialect))
			}
			methods[base+r.path] = append(methods[base+r.path], r.methods...)
		}
	}
}

func carries(op pipeline.Operation) bool {
	switch op {
	case pipeline.Speech, pipeline.Transcription, pipeline.Translation, pipeline.Images, pipeline.ImageEdit, pipeline.ImageVariation,
		pipeline.Files, pipeline.Batches, pipeline.Stored, pipeline.Proxy:
		return true
	}
	return false
}

// fillPass takes from the head what a carried call needs: all that is not for
// Tollgate itself.
func (c *call) fillPass(ec echo.Context) {
	r := c.net.r
	req, h := &c.req, r.Header
	query := r.URL.Query()
	if req.Secret == "" {
		// Where the SDKs of Azure and of Google, of old, have the key.
		if req.Secret = first(h, "Api-Key"); req.Secret == "" {
			req.Secret = query.Get("key")
		}
	}
	p := &pipeline.Pass{
		Method: r.Method, Query: r.URL.RawQuery, ContentType: first(h, "Content-Type"),
		Owner: first(h, "X-Tollgate-Provider"), Model: first(h, "X-Tollgate-Model"),
		Upgrade: first(h, "Upgrade") != "" || strings.Contains(strings.ToLower(first(h, "Connection")), "upgrade"),
	}
	req.Pass = p
	path := r.URL.EscapedPath()
	if req.TenantSlug != "" {
		_, path, _ = strings.Cut(path[len("/t/"):], "/")
		path = "/" + path
	}
	if req.Operation == pipeline.Proxy {
		p.Owner = ec.Param("provider")
		_, path, _ = strings.Cut(path[len("/proxy/"):], "/")
		p.Path = "/" + path
	} else {
		p.Path = strings.TrimPrefix(path, "/v1")
		ours := []string{"provider"}
		if p.Owner == "" {
			p.Owner = query.Get("provider")
		}
		if p.Model == "" {
			p.Model = query.Get("model")
		}
		p.Query = without(p.Query, append(ours, "model")...)
	}
	p.Query = withoutValue(p.Query, req.Secret)
	// Of an answer that is kept, what begins anew is a call of its own.
	anew := req.Operation == pipeline.Stored && p.Method == "POST" && !strings.HasSuffix(p.Path, "/cancel")
	if climbs(p.Path) || anew {
		req.Operation = pipeline.Unknown
	}
	p.Headers = passed(h, req)
}

// climbs says whether a path could leave the base URL of the provider, also
// behind servers that unescape it more than once.
func climbs(escaped string) bool {
	const most = 4
	for i := range most {
		plain, err := url.PathUnescape(escaped)
		switch {
		case err != nil:
			return i == 0
		case odd(plain):
			return true
		case plain == escaped:
			return false
		}
		escaped = plain
	}
	return true
}

// odd says whether a path has steps upwards or bytes that stand in no path.
func odd(path string) bool {
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if strings.Trim(part, ".") == "" || strings.HasPrefix(part, "..;") {
			return true
		}
		for _, c := range []byte(part) {
			if c < ' ' || c == 0x7f {
				return true
			}
		}
	}
	return false
}

// without takes parameters out of a query and leaves the others as they are
// written.
func without(query string, names ...string) string {
	return keep(query, func(name, _ string) bool {
		for _, n := range names {
			if name == n {
				return false
			}
		}
		return true
	})
}

// withoutValue takes out what holds the caller's key.
func withoutValue(query, secret string) string {
	return keep(query, func(name, value string) bool {
		return secret == "" || !strings.Contains(value, secret) && !strings.Contains(name, secret)
	})
}

func keep(query string, wanted func(name, value string) bool) string {
	if query == "" {
		return ""
	}
	var out []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		plainName, err1 := url.QueryUnescape(name)
		plainValue, err2 := url.QueryUnescape(value)
		if err1 == nil && err2 == nil && wanted(plainName, plainValue) {
			out = append(out, part)
		}
	}
	return strings.Join(out, "&")
}

// passed are the headers that a provider may have: those that say what is
// wanted. What belongs to the connection, what shows who called, and every
// secret stays here.
func passed(h http.Header, req *pipeline.Request) []provider.Field {
	var out []provider.Field
	named := strings.ToLower(strings.Join(h["Connection"], ","))
	for name, values := range h {
		low := strings.ToLower(name)
		ok := mayPass(low)
		if req.Operation != pipeline.Proxy {
			ok = ok && asks(low)
		}
		if !ok || named != "" && lists(named, low) {
			continue
		}
		for _, v := range values {
			if req.Secret == "" || !strings.Contains(v, req.Secret) {
				out = append(out, provider.Field{Name: name, Value: v})
			}
		}
	}
	return out
}

func lists(list, name string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == name {
			return true
		}
	}
	return false
}

// asks are the headers of calls whose meaning is known.
func asks(low string) bool {
	switch low {
	case "accept", "range", "if-none-match", "if-modified-since", "idempotency-key":
		return true
	}
	return strings.HasPrefix(low, "openai-") || strings.HasPrefix(low, "anthropic-")
}

// mayPass is false for headers that no provider gets.
func mayPass(low string) bool {
	switch low {
	case "authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization", "proxy-connection", "proxy-authenticate",
		"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "host", "content-length", "content-type",
		"accept-encoding", "user-agent", "traceparent", "tracestate", "x-request-id", "x-real-ip", "x-client-ip", "true-client-ip", "via", "forwarded",
		"x-amz-security-token", "x-amz-date", "x-amz-content-sha256", "origin", "referer":
		return false
	}
	for _, prefix := range []string{"x-tollgate-", "x-forwarded-", "cf-", "sec-"} {
		if strings.HasPrefix(low, prefix) {
			return false
		}
	}
	return true
}
