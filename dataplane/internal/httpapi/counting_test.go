package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

const countBody = `{"model":"ROUTE","system":"Be kind.","messages":[{"role":"user","content":"Hi there"}]}`

// TestBedrockCounts: it is asked how many tokens a prompt has, in the API's own
// form, and nothing is charged; when it does not say, our own count answers.
func TestBedrockCounts(t *testing.T) {
	up, g, key := behindBedrock(t, awsSecrets)
	status := 200
	up.answer = func(w http.ResponseWriter, r *http.Request) {
		if want := bedrockPath + "/count-tokens"; r.RequestURI != want {
			t.Errorf("called at %s, want %s", r.RequestURI, want)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"inputTokens":4711}`)
	}
	body := strings.ReplaceAll(countBody, "ROUTE", providerkind.Bedrock)
	a := g.do("POST", "/v1/messages/count_tokens", key, body)
	if a.body != `{"input_tokens":4711}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if want := `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Hi there"}]}],"system":[{"text":"Be kind."}]}}}`; up.last() != want {
		t.Errorf("asked %s", up.last())
	}
	a = g.do("POST", "/v1beta/models/bedrock-converse:countTokens", key, `{"contents":[{"role":"user","parts":[{"text":"Hi there"}]}]}`)
	if !strings.Contains(a.body, `"totalTokens":4711`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	status = 400
	a = g.do("POST", "/v1/messages/count_tokens", key, body)
	if a.StatusCode != 200 || strings.Contains(a.body, "4711") || !strings.Contains(a.body, `{"input_tokens":`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for n := range 3 {
		if ev := g.ledger.wait(t, n); ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.CostNano != 0 || ev.GetTokens().GetInput() != 0 || len(ev.Attempts) != 0 {
			t.Errorf("event %d: %v", n, ev)
		}
	}
}

// TestAnthropicCounts: a body of its own dialect passes with the model's name
// exchanged.
func TestAnthropicCounts(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.RequestURI != "/v1/messages/count_tokens" || string(body) != strings.ReplaceAll(countBody, "ROUTE", "gpt-x") || r.Header.Get("X-Api-Key") != providerSecret {
			t.Errorf("%s %s", r.RequestURI, body)
		}
		jsonAnswer(w, `{"input_tokens":12}`)
	}))
	t.Cleanup(up.Close)
	g, key := behindURL(t, up.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect, c.AuthStyle, c.AuthHeader = "anthropic", providerkind.Anthropic, configv1.AuthStyle_AUTH_STYLE_HEADER, "x-api-key"
	})
	if a := g.do("POST", "/v1/messages/count_tokens", key, strings.ReplaceAll(countBody, "ROUTE", "fast")); a.body != `{"input_tokens":12}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestNobodyElseIsAskedToCount: a provider that may not have the call is not
// troubled with it.
func TestNobodyElseIsAskedToCount(t *testing.T) {
	g, key := behind(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was called") })
	if a := g.do("POST", "/v1/messages/count_tokens", key, strings.ReplaceAll(countBody, "ROUTE", "fast")); a.StatusCode != 200 || !strings.Contains(a.body, `{"input_tokens":`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
