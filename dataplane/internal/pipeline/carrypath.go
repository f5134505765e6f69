package pipeline

import (
	"strings"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/provider/demo"
	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// owner finds the credential that a call without a route is for.
func (x *exchange) owner() error {
	x.carried, x.from, x.to = &carried{length: -1}, wireOf(x.req.Dialect), wireOf(x.req.Dialect)
	switch {
	case x.req.Pass.Upgrade:
		return noUpgrade()
	case len(x.key.AllowedRoutes) > 0:
		return fault.New(fault.ModelNotAllowed, "This key is for some routes alone, so it may not reach a provider itself: no files, no batches, no proxy.", nil).
			WithFix("Use a key that may call all routes.")
	case x.key.Rules != nil || x.config.ProjectRules(x.key.ProjectID) != nil:
		return fault.New(fault.ParameterForbidden, "There are rules about the parameters of this key or its project, which calls that pass as they are could go around: no files, no batches, no proxy.", nil).
			WithFix("Use a key without such rules.")
	}
	t, err := x.ownerNamed()
	if err != nil {
		return err
	}
	x.target = t
	x.req.Facts.Provider = t.Provider
	if t.Fault != nil {
		return t.Fault
	}
	return nil
}

// ownerNamed is the credential that the caller names, or means.
func (x *exchange) ownerNamed() (*tenantconfig.Target, error) {
	name := x.req.Pass.Owner
	if model := x.req.Pass.Model; name == "" && model != "" {
		rt, ok := x.config.Route(model)
		if !ok {
			return nil, fault.Newf(fault.ModelNotFound, "No route is named %q.", model).WithParam("model")
		}
		if name = rt.Targets[0].CredentialID; name == "" {
			name = rt.Targets[0].Provider
		}
	}
	if name == demo.Name {
		kind, _ := providerkind.Find(demo.Name)
		return &tenantconfig.Target{Provider: demo.Name, Kind: kind, Dialect: canon.OpenAIChat}, nil
	}
	all := x.config.Owners()
	var fits []*tenantconfig.Target
	for i := range all {
		t := &all[i]
		if name == t.CredentialID {
			return t, nil
		}
		if name == t.Provider || name == "" && t.Speaks(x.from.name) && t.Kind.Serves(string(x.req.Operation)) {
			fits = append(fits, t)
		}
	}
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		ids := make([]string, len(fits))
		for i, t := range fits {
			ids[i] = t.CredentialID
			if name == "" {
				ids[i] += " (" + t.Provider + ")"
			}
		}
		return nil, fault.Newf(fault.BadRequest, "Several credentials could be meant: %s.", strings.Join(ids, ", ")).
			WithParam("provider").WithFix("Name one of them in the header x-tollgate-provider, or in the path of the proxy.")
	case name != "":
		return nil, fault.Newf(fault.NotFound, "This tenant has no credential %q, nor one of a provider of that name.", name).
			WithParam("provider").WithFix("Add a credential in the portal, or name another.")
	}
	return nil, fault.Newf(fault.NotFound, "None of the tenant's credentials is known to serve %s in this dialect.", string(x.req.Operation)).
		WithParam("provider").WithFix("Name the provider in the header x-tollgate-provider, or add a credential in the portal.")
}

// carryPath is where the call is at its provider.
func (x *exchange) carryPath() string {
	t, pass := x.target, x.req.Pass
	own := pass.Path
	if x.req.Operation == Proxy {
		own = withoutVersion(t.BaseURL, own)
	}
	if pass.Query != "" {
		own += "?" + pass.Query
	}
	switch {
	case x.rt != nil:
		return t.Path(x.to.name, tenantconfig.OtherCall, own)
	case x.req.Operation == Proxy && t.Kind.Versioned == nil:
		return own
	}
	return t.SharedPath(own)
}

// withoutVersion takes off the version that the base URL has already, so that
// both /proxy/openai/files and /proxy/openai/v1/files are right.
func withoutVersion(baseURL, path string) string {
	last := baseURL[strings.LastIndexByte(baseURL, '/'):]
	if len(last) < 3 || last[1] != 'v' || last[2] < '0' || last[2] > '9' {
		return path
	}
	if rest, ok := strings.CutPrefix(path, last); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// carryHeaders are the lines that the provider gets.
func (x *exchange) carryHeaders() string {
	var b strings.Builder
	pass, t := x.req.Pass, x.target
	b.WriteString(t.Headers)
	version := false
	for _, f := range pass.Headers {
		if strings.EqualFold(f.Name, t.AuthHeader) || overrides(f.Name) {
			continue
		}
		version = version || strings.EqualFold(f.Name, "Anthropic-Version")
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	if t.Dialect == canon.Anthropic && !version {
		b.WriteString("Anthropic-Version: " + anthropicVersion + "\r\n")
	}
	if kind := x.contentType(); kind != "" {
		b.WriteString("Content-Type: " + kind + "\r\n")
	}
	return b.String()
}

// overrides says whether a header makes another method or path of a call: by
// those that are seen here it is allowed and metered.
func overrides(name string) bool {
	switch strings.ToLower(name) {
	case "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-original-uri", "x-rewrite-url":
		return true
	}
	return false
}

// contentType is what the provider is told of the body. One that was read as
// JSON is told to be that, whatever the caller called it: read as a form of
// the web it could name another model than the one that was allowed.
func (x *exchange) contentType() string {
	if x.rt != nil && x.carried.form == nil {
		return JSON
	}
	return x.req.Pass.ContentType
}

// signCarry adds the headers that sign a call of any method.
func (x *exchange) signCarry() {
	e := x.call.Endpoint
	path, query, _ := strings.Cut(x.call.Path, "?")
	signed := x.target.Signer.AppendHeaders([]byte(x.call.Headers), &sigv4.Request{
		Method: x.req.Pass.Method, Host: e.Host(), Path: e.BasePath() + path, Query: query, ContentType: x.contentType(), Body: x.call.Body,
	}, time.Now())
	x.call.Headers = string(signed)
}

// keepField says which headers of an answer reach the caller.
func keepField(name string) bool {
	switch name {
	case "content-type", "content-disposition", "content-language", "content-range", "accept-ranges", "cache-control", "etag",
		"last-modified", "expires", "location", "retry-after", "retry-after-ms", "x-request-id", "request-id":
		return true
	}
	for _, prefix := range []string{"openai-", "anthropic-", "x-ratelimit-", "x-goog-upload-", "x-amzn-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
