package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// The keys that requests to the fake Bedrock are signed with.
const (
	awsID      = "AKIDEXAMPLEKEY"
	awsSecret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE"
	awsToken   = "session/token=="
	awsSecrets = `{"access_key_id":"` + awsID + `","secret_access_key":"` + awsSecret + `","session_token":"` + awsToken + `"}`
	// bedrockModel has all that a name can have which paths must escape.
	bedrockModel = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
	bedrockPath  = "/vpce/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
)

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/eu-west-1/bedrock/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// verifySignature does what AWS does with a request: it writes the canonical
// form of what arrived, and compares.
func verifySignature(r *http.Request, body []byte) error {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	stamp := r.Header.Get("X-Amz-Date")
	if m == nil || m[1] != awsID || !strings.HasPrefix(stamp, m[2]+"T") {
		return fmt.Errorf("authorization %q at %q", r.Header.Get("Authorization"), stamp)
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if query != "" {
		return errors.New("a query was not awaited")
	}
	var headers strings.Builder
	signed := map[string]bool{}
	for _, name := range strings.Split(m[3], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		signed[name] = true
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-security-token", "content-type"} {
		if !signed[name] {
			return fmt.Errorf("%s is not signed", name)
		}
	}
	digest := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	canonical := strings.Join([]string{
		r.Method, strings.ReplaceAll(path, "%", "%25"), "", headers.String(), m[3], digest(body),
	}, "\n")
	key := []byte("AWS4" + awsSecret)
	for _, part := range []string{m[2], "eu-west-1", "bedrock", "aws4_request",
		"AWS4-HMAC-SHA256\n" + stamp + "\n" + m[2] + "/eu-west-1/bedrock/aws4_request\n" + digest([]byte(canonical))} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	if hex.EncodeToString(key) != m[4] {
		return fmt.Errorf("the signature does not match the request\n%s", canonical)
	}
	if r.Header.Get("X-Amz-Security-Token") != awsToken {
		return errors.New("the session's token is missing")
	}
	return nil
}

// bedrockEvents answer as the providers of the other dialects do.
var bedrockEvents = [][2]string{
	{"messageStart", `{"p":"abcd","role":"assistant"}`},
	{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Good day"},"p":"ab"}`},
	{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" to you."},"p":"abcdef"}`},
	{"contentBlockStop", `{"contentBlockIndex":0}`},
	{"messageStop", `{"stopReason":"end_turn"}`},
	{"metadata", `{"usage":{"inputTokens":6,"outputTokens":5,"totalTokens":15,"cacheReadInputTokens":4,"cacheWriteInputTokens":0},"metrics":{"latencyMs":9}}`},
}

const bedrockPlain = `{"output":{"message":{"role":"assistant","content":[{"text":"Good day to you."}]}},"stopReason":"end_turn",` +
	`"usage":{"inputTokens":6,"outputTokens":5,"totalTokens":15,"cacheReadInputTokens":4},"metrics":{"latencyMs":9}}`

// bedrock is a fake of the API that takes nothing but signed requests.
type bedrock struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	// answer takes the place of the usual one.
	answer func(w http.ResponseWriter, r *http.Request)
}

func newBedrock(t *testing.T) *bedrock {
	b := new(bedrock)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.bodies = append(b.bodies, string(body))
		answer := b.answer
		b.mu.Unlock()
		err := verifySignature(r, body)
		switch {
		case err != nil:
			t.Error(err)
			w.WriteHeader(403)
		case answer != nil:
			answer(w, r)
		case r.RequestURI == bedrockPath+"/converse":
			jsonAnswer(w, bedrockPlain)
		case r.RequestURI == bedrockPath+"/converse-stream":
			if got := r.Header.Get("Accept"); got != "application/vnd.amazon.eventstream" {
				t.Errorf("a stream was asked for as %q", got)
			}
			frames(w, bedrockEvents...)
		default:
			t.Errorf("called at %s", r.RequestURI)
			w.WriteHeader(404)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *bedrock) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bodies[len(b.bodies)-1]
}

// frames answers with a stream; a name that starts with "!" is an exception's.
func frames(w http.ResponseWriter, events ...[2]string) {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	for _, ev := range events {
		m := eventstream.Message{Name: []byte(ev[0]), Payload: []byte(ev[1])}
		if name, ok := strings.CutPrefix(ev[0], "!"); ok {
			m.Kind, m.Name = eventstream.Exception, []byte(name)
		}
		if name, ok := strings.CutPrefix(ev[0], "?"); ok {
			m.Kind, m.Name, m.Text = eventstream.Error, []byte(name), m.Payload
		}
		w.Write(eventstream.Append(nil, &m))
		w.(http.Flusher).Flush()
	}
}

func behindBedrock(t *testing.T, secret string) (*bedrock, *gateway, string) {
	up := newBedrock(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	w.Route(tenant, providerkind.Bedrock, bedrockModel, up.URL+"/vpce", secret, func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect, c.Region = "aws-bedrock", providerkind.Bedrock, "eu-west-1"
		c.AuthStyle = configv1.AuthStyle_AUTH_STYLE_AWS
	})
	return up, start(t, w, nil), key
}

// TestAnyDialectMeetsBedrock calls it in each dialect, plain and streamed: same
// text, same tokens, every request signed.
func TestAnyDialectMeetsBedrock(t *testing.T) {
	up, g, key := behindBedrock(t, awsSecrets)
	p := &spoken{dialect: providerkind.Bedrock}
	for i, c := range callers {
		t.Run(c.name, func(t *testing.T) {
			c.plain(t, g, key, p)
			checkTokens(t, g.ledger.wait(t, 2*i), false)
			c.stream(t, g, key, p)
			checkTokens(t, g.ledger.wait(t, 2*i+1), true)
			if got := up.last(); !strings.Contains(got, `"messages":[{"role":"user","content":[{"text":"Hi"}]}]`) || strings.Contains(got, "stream") {
				t.Errorf("the provider was asked %s", got)
			}
		})
	}
}

// TestBedrocksAnswersHaveNames: the API gives none, and SDKs count on them.
func TestBedrocksAnswersHaveNames(t *testing.T) {
	_, g, key := behindBedrock(t, awsSecrets)
	for _, stream := range []string{"false", "true"} {
		a := g.chat(key, `{"model":"bedrock-converse","stream":`+stream+`,"messages":[{"role":"user","content":"Hi"}]}`)
		var first struct {
			ID, Model string
			Created   int64
		}
		line, _, _ := strings.Cut(strings.TrimPrefix(a.body, "data: "), "\n")
		if err := json.Unmarshal([]byte(line), &first); err != nil || first.ID != a.Header.Get("X-Request-Id") || first.Model != bedrockModel || first.Created == 0 {
			t.Errorf("stream %s: %v %+v", stream, err, first)
		}
	}
}

// TestBedrocksRefusals: statuses and texts that callers get for those of the
// API, in which nothing secret may stand.
func TestBedrocksRefusals(t *testing.T) {
	up, g, key := behindBedrock(t, awsSecrets)
	for n, c := range []struct {
		status     int
		typ, body  string
		want       *fault.Kind
		wantStatus int
		text       string
	}{
		{400, "ValidationException", `{"message":"max_tokens is too large"}`, fault.UpstreamRejected, 400, "max_tokens is too large"},
		{404, "ResourceNotFoundException", `{"message":"no such model"}`, fault.UpstreamRejected, 404, "no such model"},
		{403, "AccessDeniedException", `{"message":"User: arn:aws:iam::1:user/x is not authorized"}`, fault.UpstreamAuth, fault.UpstreamAuth.Status, ""},
		{403, "UnrecognizedClientException", `{"message":"The security token included in the request is invalid."}`, fault.UpstreamAuth, fault.UpstreamAuth.Status, ""},
		{429, "ThrottlingException", `{"message":"Too many requests"}`, fault.UpstreamRateLimited, fault.UpstreamRateLimited.Status, ""},
		{400, "", `{"__type":"com.amazon#ThrottlingException","message":"Too many tokens"}`, fault.UpstreamRateLimited, fault.UpstreamRateLimited.Status, ""},
		{424, "ModelErrorException", `{"message":"the model failed","originalStatusCode":500}`, fault.UpstreamError, fault.UpstreamError.Status, ""},
		{408, "ModelTimeoutException", `{"message":"slow"}`, fault.UpstreamTimeout, fault.UpstreamTimeout.Status, ""},
		{503, "ServiceUnavailableException", `{"message":"later"}`, fault.UpstreamError, fault.UpstreamError.Status, ""},
		{500, "InternalServerException", `<html>`, fault.UpstreamError, fault.UpstreamError.Status, ""},
	} {
		up.mu.Lock()
		up.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Amzn-Errortype", c.typ)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}
		up.mu.Unlock()
		a := g.chat(key, `{"model":"bedrock-converse","messages":[{"role":"user","content":"Hi"}]}`)
		e := a.fault(t)
		if a.StatusCode != c.wantStatus || e.Error.Code != c.want.Code || !strings.Contains(e.Error.Message, c.text) || strings.Contains(a.body, "arn:aws") {
			t.Errorf("%d %s: %d %s", c.status, c.body, a.StatusCode, a.body)
		}
		g.ledger.wait(t, n)
	}
}

// TestBedrocksStreamsThatBreak: no end that looks like a good one, and an event
// with the reason.
func TestBedrocksStreamsThatBreak(t *testing.T) {
	up, g, key := behindBedrock(t, awsSecrets)
	damaged := eventstream.Append(nil, &eventstream.Message{Name: []byte("metadata"), Payload: []byte(`{}`)})
	damaged[len(damaged)-1] ^= 1
	for n, c := range []struct {
		name string
		end  func(w http.ResponseWriter)
		want *fault.Kind
	}{
		{"throttled", func(w http.ResponseWriter) { frames(w, [2]string{"!throttlingException", `{"message":"slow"}`}) }, fault.UpstreamRateLimited},
		{"model", func(w http.ResponseWriter) {
			frames(w, [2]string{"!modelStreamErrorException", `{"message":"bad","originalStatusCode":500}`})
		}, fault.UpstreamError},
		{"invalid", func(w http.ResponseWriter) { frames(w, [2]string{"!validationException", `{"message":"too long"}`}) }, fault.UpstreamRejected},
		{"no name", func(w http.ResponseWriter) { frames(w, [2]string{"?InternalError", "sorry"}) }, fault.UpstreamError},
		{"new name", func(w http.ResponseWriter) { frames(w, [2]string{"!somethingElse", "{}"}) }, fault.UpstreamError},
		{"cut", func(http.ResponseWriter) {}, fault.UpstreamReset},
		{"damaged", func(w http.ResponseWriter) { w.Write(damaged) }, fault.UpstreamGarbage},
		{"torn", func(w http.ResponseWriter) { w.Write(damaged[:20]) }, fault.UpstreamReset},
		{"events of another kind", func(w http.ResponseWriter) { io.WriteString(w, "data: {\"type\":\"ping\"}\n\n") }, fault.UpstreamGarbage},
	} {
		up.mu.Lock()
		up.answer = func(w http.ResponseWriter, _ *http.Request) {
			frames(w, bedrockEvents[:2]...)
			c.end(w)
		}
		up.mu.Unlock()
		a := g.chat(key, `{"model":"bedrock-converse","stream":true,"messages":[{"role":"user","content":"Hi"}]}`)
		if a.StatusCode != 200 || !strings.Contains(a.body, "Good day") || !strings.Contains(a.body, `"code":"`+c.want.Code+`"`) || strings.Contains(a.body, "[DONE]") {
			t.Errorf("%s: %d %s", c.name, a.StatusCode, a.body)
		}
		if ev := g.ledger.wait(t, n); ev.Outcome == usagev1.Outcome_OUTCOME_OK || ev.ErrorCode != c.want.Code {
			t.Errorf("%s: event %v", c.name, ev)
		}
	}
}

// TestBedrockWithAnotherSecret: API keys go as they are, and what is no pair of
// access keys calls nobody.
func TestBedrockWithAnotherSecret(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+providerSecret || r.Header.Get("X-Amz-Date") != "" {
			t.Errorf("the secret came as %q", got)
		}
		jsonAnswer(w, bedrockPlain)
	}))
	t.Cleanup(up.Close)
	g, key := behindURL(t, up.URL, func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect = "aws-bedrock", providerkind.Bedrock
	})
	if a := g.chat(key, `{"model":"fast","messages":[{"role":"user","content":"Hi"}]}`); a.StatusCode != 200 || !strings.Contains(a.body, answerText) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	_, g, key = behindBedrock(t, "nonsense")
	a := g.chat(key, `{"model":"bedrock-converse","messages":[{"role":"user","content":"Hi"}]}`)
	if e := a.fault(t); e.Error.Code != fault.CredentialUnusable.Code || strings.Contains(a.body, "nonsense") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestBedrocksOtherDialectsAreSignedToo: it speaks OpenAI's at another path, and
// bodies that pass in pieces are signed as they arrive there.
func TestBedrocksOtherDialectsAreSignedToo(t *testing.T) {
	up, key := newBedrock(t), ""
	up.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/openai/v1/chat/completions" {
			t.Errorf("called at %s", r.RequestURI)
		}
		jsonAnswer(w, providers[0].plain)
	}
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ = w.Key(tenant, nil)
	w.Route(tenant, "oss", "openai.gpt-oss-20b-1:0", up.URL+"/openai/v1", awsSecrets, func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect, c.Region = "aws-bedrock", providerkind.OpenAIChat, "eu-west-1"
		c.AuthStyle = configv1.AuthStyle_AUTH_STYLE_AWS
	})
	g := start(t, w, nil)
	body := `{"messages":[{"role":"user","content":"Hi"}],"model":"oss","unknown":[1,2]}`
	if a := g.chat(key, body); a.body != providers[0].plain {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if want := strings.Replace(body, `"oss"`, `"openai.gpt-oss-20b-1:0"`, 1); up.last() != want {
		t.Errorf("the provider was asked %s", up.last())
	}
}
