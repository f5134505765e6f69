package openaierror_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// An error without a status counts as what it says it is.
func TestErrorsWithoutStatus(t *testing.T) {
	for body, want := range map[string]*fault.Kind{
		`{"error":{"message":"x","code":429}}`:                                       fault.UpstreamRateLimited,
		`{"error":{"message":"x","code":"429"}}`:                                     fault.UpstreamRateLimited,
		`{"error":{"message":"x","type":"rate_limit_error","code":null}}`:            fault.UpstreamRateLimited,
		`{"object":"error","message":"x","type":"invalid_request_error","code":400}`: fault.UpstreamRejected,
		`{"error":{"message":"x","code":"context_length_exceeded"}}`:                 fault.UpstreamRejected,
		`{"error":{"message":"x","type":"too_many_requests","code":null}}`:           fault.UpstreamRateLimited,
		`{"error":{"message":"x","type":"not_found"}}`:                               fault.UpstreamRejected,
		`{"error":{"message":"x","code":502}}`:                                       fault.UpstreamError,
		`{"error":{"message":"x","code":7}}`:                                         fault.UpstreamError,
		`{"error":"x","code":401}`:                                                   fault.UpstreamAuth,
		`{"error":"x"}`:                                                              fault.UpstreamError,
		`x`:                                                                          fault.UpstreamError,
	} {
		if f := openaierror.Inside([]byte(body)); f.Kind != want {
			t.Errorf("%s: %s", body, f.Kind.Code)
		}
	}
}

// The forms that providers give what they refuse.
func TestFormsOfRefusals(t *testing.T) {
	for _, c := range []struct{ body, message, param, code string }{
		{`{"error":{"message":"too hot","param":"temperature","code":"bad_value"}}`, "too hot", "temperature", "bad_value"},
		{`{"code":"The client sent something wrong","error":"too hot"}`, "too hot", "", ""},
		{`{"object":"error","message":"too hot","type":"invalid_request_error","param":"temperature","code":"bad_value"}`, "too hot", "temperature", "bad_value"},
		{`{"object":"error","message":{"detail":[{"type":"less","loc":["body","temperature"],"msg":"too hot"}]},"param":null,"code":null}`, "body.temperature: too hot", "", ""},
		{`{"detail":"too hot"}`, "too hot", "", ""},
		{`{"detail":[{"loc":["body","messages",0],"msg":"too long"},{"msg":"too hot"}]}`, "body.messages.0: too long; too hot", "", ""},
	} {
		f := openaierror.Read(400, []byte(c.body), "")
		if !strings.HasSuffix(f.Public(), c.message) || f.Status != 400 || f.Param != c.param || c.code != "" && f.PublicCode() != c.code {
			t.Errorf("%s: %q, param %q, code %q", c.body, f.Public(), f.Param, f.PublicCode())
		}
	}
	for _, body := range []string{`{"error":{}}`, `{"error":5,"message":[1],"detail":{"a":1}}`, `{"detail":[1]}`, `{"detail":[]}`, `<html>too hot</html>`, `"too hot"`, ``} {
		if f := openaierror.Read(400, []byte(body), ""); strings.Contains(f.Public(), "hot") || f.Param != "" {
			t.Errorf("%s: %q", body, f.Public())
		}
	}
	if f := openaierror.Read(500, []byte(`{"message":"too hot"}`), ""); strings.Contains(f.Public(), "hot") {
		t.Errorf("%q", f.Public())
	}
	if f := openaierror.Read(400, []byte(`{"detail":"key secret-of-the-tenant is bad"}`), "secret-of-the-tenant"); strings.Contains(f.Public(), "tenant") {
		t.Errorf("%q", f.Public())
	}
}

func FuzzRead(f *testing.F) {
	const secret = "xai-secret-of-the-tenant"
	for _, body := range []string{
		`{"error":{"message":"key xai-secret-of-the-tenant is bad","param":"xai-secret-of-the-tenant","code":"xai-secret-of-the-tenant"}}`,
		`{"object":"error","message":{"detail":[{"loc":["body",0],"msg":"xai-secret***tenant"}]},"type":"invalid_request_error","code":null}`,
		`{"code":"400","error":"too hot"}`, `{"detail":"no\u0000such\ttext"}`, `{"error":{"code":401}}`, `[]`,
	} {
		f.Add(400, []byte(body))
		f.Add(500, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		inside := openaierror.Inside(body)
		openaierror.Hide(inside, secret)
		for _, got := range []*fault.Fault{openaierror.Read(status, body, secret), inside} {
			shown := openaierror.Append(nil, got, "req_1")
			if !json.Valid(shown) || strings.Contains(string(shown), secret) {
				t.Errorf("%q is shown as %s", body, shown)
			}
			if len(got.Detail) > 1100 || len(got.Param) > 64 || len(got.Code) > 64 {
				t.Errorf("%q is shown as long as %s", body, shown)
			}
			if s := got.HTTPStatus(); s < 400 || s > 599 {
				t.Errorf("%q has status %d", body, s)
			}
		}
	})
}
