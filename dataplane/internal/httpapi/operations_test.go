package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// TestImages: plain and streamed, with the tokens that the provider reports and
// without, at the price of an image.
func TestImages(t *testing.T) {
	const usage = `"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}`
	p := newJobProvider(t)
	g, key := behindURL(t, p.URL+"/v1", func(_ *configv1.Credential, m *configv1.Model) { m.CostPrices[0].PerImage = imagePrice })
	for n, c := range []struct {
		body, kind, answer string
		images             int64
		tokens             bool
	}{
		{`{"prompt":"a cat","n":2,"model":"fast","unknown":[1]}`, "application/json", `{"created":1,"data":[{"b64_json":"AA=="},{"url":"u"}]}`, 2, false},
		{`{"model":"fast","prompt":"a cat"}`, "application/json", `{"created":1,"data":[{"b64_json":"AA=="}],` + usage + `}`, 1, true},
		{`{"model":"fast","prompt":"a cat","stream":true,"partial_images":1}`, "text/event-stream",
			"event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA==\",\"partial_image_index\":0}\n\n" +
				"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"AAA=\"," + usage + "}\n\n", 1, true},
	} {
		p.kind, p.answer = c.kind, c.answer
		a := g.do("POST", "/v1/images/generations", key, c.body)
		if a.StatusCode != 200 || a.body != c.answer || a.Header.Get("Content-Type") != c.kind {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if p.path != "/v1/images/generations" || p.body != strings.Replace(c.body, `"fast"`, `"gpt-x"`, 1) {
			t.Errorf("provider got %s %s", p.path, p.body)
		}
		ev, cost, want := g.ledger.wait(t, n), c.images*imagePrice, &usagev1.Tokens{}
		if c.tokens {
			want = &usagev1.Tokens{Input: 10, ImageInput: 40, ImageOutput: 50}
			cost += (50*testconfig.InputPrice + 50*testconfig.OutputPrice) / 1_000_000
		}
		if ev.Operation != "images" || ev.Units.GetImages() != c.images || ev.CostNano != cost || ev.Estimated || ev.Streamed != (n == 2) || ev.Tokens.String() != want.String() {
			t.Errorf("event %v, want cost %d", ev, cost)
		}
	}
	g, key = behindURL(t, p.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) { c.Provider = "mistral" })
	g.wantFault(g.do("POST", "/v1/images/generations", key, `{"model":"fast","prompt":"a cat"}`), fault.UnsupportedOperation, "model")
}

// completion is an answer or chunk of text completions.
type completion struct {
	ID, Object, Model string
	Created           int64
	Choices           []struct {
		Text   string
		Index  int
		Finish *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
	}
}

// TestCompletionsOfChatModels: a prompt goes to providers of other dialects as
// a message, and what they say comes back as a text completion.
func TestCompletionsOfChatModels(t *testing.T) {
	rec := newRecorder(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	for _, d := range []string{providerkind.Anthropic, providerkind.Gemini} {
		w.Route(tenant, d, "provider-model", rec.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Provider, c.Dialect = "custom", d
		})
	}
	g := start(t, w, nil)
	n := 0
	for _, d := range []string{providerkind.Anthropic, providerkind.Gemini} {
		a := g.do("POST", "/v1/completions", key, `{"model":"`+d+`","prompt":"Hi","max_tokens":9}`)
		var c completion
		if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", d, a.StatusCode, a.body)
		}
		c.check(t, "text_completion")
		if len(c.Choices) != 1 || c.Choices[0].Text != "Good day to you." || c.Choices[0].Finish == nil || *c.Choices[0].Finish != "stop" {
			t.Errorf("%s: %s", d, a.body)
		}
		if c.Usage == nil || c.Usage.Prompt != 10 || c.Usage.Completion != 5 || c.Usage.Total != 15 {
			t.Errorf("%s: %s", d, a.body)
		}
		checkCompletion(t, g.ledger.wait(t, n), false)

		a = g.do("POST", "/v1/completions", key, `{"model":"`+d+`","prompt":["Hi"],"max_tokens":9,"stream":true,"stream_options":{"include_usage":true}}`)
		text, stop, used := completionStream(t, a.body)
		if text != "Good day to you." || stop != "stop" || used != [2]int64{10, 5} {
			t.Errorf("%s: %q %q %v\n%s", d, text, stop, used, a.body)
		}
		checkCompletion(t, g.ledger.wait(t, n+1), true)
		n += 2
	}
	g.wantFault(g.do("POST", "/v1/completions", key, `{"model":"gemini","prompt":["a","b"]}`), fault.BadRequest, "prompt")
	g.wantFault(g.do("POST", "/v1/completions", key, `{"model":"gemini","prompt":[1,2]}`), fault.BadRequest, "prompt")
}

func (c *completion) check(t *testing.T, object string) {
	t.Helper()
	if c.Object != object || c.ID == "" || c.Model == "" || c.Created == 0 {
		t.Errorf("%+v", *c)
	}
}

// completionStream reads a stream of text completions.
func completionStream(t *testing.T, body string) (text, stop string, used [2]int64) {
	t.Helper()
	events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if events[len(events)-1] != "data: [DONE]" {
		t.Errorf("the stream ends with %q", events[len(events)-1])
	}
	for _, ev := range events[:len(events)-1] {
		var c completion
		if err := json.Unmarshal([]byte(strings.TrimPrefix(ev, "data: ")), &c); err != nil {
			t.Fatalf("%v in %q", err, ev)
		}
		c.check(t, "text_completion")
		for _, choice := range c.Choices {
			text += choice.Text
			if choice.Finish != nil {
				stop = *choice.Finish
			}
		}
		if c.Usage != nil {
			used = [2]int64{c.Usage.Prompt, c.Usage.Completion}
		}
	}
	return text, stop, used
}

// checkCompletion checks the event of an answer of 10 tokens in, 4 of them from
// a cache, and 5 out.
func checkCompletion(t *testing.T, ev *usagev1.Event, streamed bool) {
	t.Helper()
	const cost = (6*testconfig.InputPrice + 4*testconfig.CachePrice + 5*testconfig.OutputPrice) / 1_000_000
	if ev.Operation != "completions" || ev.Streamed != streamed || ev.Tokens.Input != 6 || ev.Tokens.CacheRead != 4 || ev.Tokens.Output != 5 || ev.CostNano != cost || ev.Estimated {
		t.Errorf("event %v", ev)
	}
}

// TestCallerLeavesAnEmbedding in the middle of the answer: the provider is
// told, and one event tells of it.
func TestCallerLeavesAnEmbedding(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(string(body), "whole") {
			io.WriteString(w, openaiVectors)
			return
		}
		io.WriteString(w, openaiVectors[:60])
		w.(http.Flusher).Flush()
		close(began)
		<-r.Context().Done()
		close(ended)
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, _ := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/embeddings", strings.NewReader(`{"model":"fast","input":"some text"}`))
	req.Header.Set("Authorization", "Bearer "+key)
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	await(t, began, "the call at the provider")
	leave()
	await(t, ended, "the end at the provider")
	if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_CLIENT_CLOSED || ev.Operation != "embeddings" || !ev.Estimated || ev.Tokens.Input == 0 || ev.CostNano == 0 {
		t.Errorf("event %v", ev)
	}
	if a := g.do("POST", "/v1/embeddings", key, `{"model":"fast","input":"whole"}`); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if ev := g.ledger.wait(t, 1); ev.Outcome != usagev1.Outcome_OUTCOME_OK || g.ledger.count() != 2 {
		t.Errorf("%d events, %v", g.ledger.count(), ev)
	}
}

// TestLargeEmbeddings: 20 MiB of vectors pass whole, and 5 MiB are translated.
func TestLargeEmbeddings(t *testing.T) {
	const vector = "[" + `0.0123456789,-0.9876543210` + "]"
	passing := `{"object":"list","data":[` + strings.Repeat(`{"object":"embedding","index":0,"embedding":`+vector+`},`, 290_000)
	passing = passing[:len(passing)-1] + `],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`
	p := newJobProvider(t)
	p.answer = passing
	g, key := behindURL(t, p.URL+"/v1", nil)
	if a := g.do("POST", "/v1/embeddings", key, `{"model":"fast","input":"x"}`); len(passing) < 20<<20 || a.StatusCode != 200 || a.body != passing {
		t.Fatalf("%d, %d bytes became %d", a.StatusCode, len(passing), len(a.body))
	}
	if ev := g.ledger.wait(t, 0); ev.Tokens.Input != 7 || ev.Estimated || ev.CostNano != 7*testconfig.InputPrice/1_000_000 {
		t.Errorf("event %v", ev)
	}
	const long = 512 << 10
	p.answer = `{"embedding":{"values":[` + strings.Repeat("0.12345678,", long-1) + `0.12345678]}}`
	g, key = behindURL(t, p.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) { c.Provider, c.Dialect = "google", providerkind.Gemini })
	p.answer = `{"embeddings":[` + p.answer[len(`{"embedding":`):len(p.answer)-1] + `]}`
	a := g.do("POST", "/v1/embeddings", key, `{"model":"fast","input":"x"}`)
	if a.StatusCode != 200 || strings.Count(a.body, "0.12345678") != long || !json.Valid([]byte(a.body)) {
		t.Errorf("%d, %d bytes became %d: %.200s", a.StatusCode, len(p.answer), len(a.body), a.body)
	}
}

// TestBedrocksJobsAreSigned: embeddings and reranks, at their own paths.
func TestBedrocksJobsAreSigned(t *testing.T) {
	up := newBedrock(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	for _, model := range []string{"amazon.titan-embed-text-v2:0", "cohere.rerank-v3-5:0"} {
		w.Route(tenant, model, model, up.URL, awsSecrets, func(c *configv1.Credential, _ *configv1.Model) {
			c.Provider, c.Dialect, c.Region, c.AuthStyle = "aws-bedrock", providerkind.Bedrock, "eu-west-1", configv1.AuthStyle_AUTH_STYLE_AWS
		})
	}
	up.answer = func(w http.ResponseWriter, r *http.Request) {
		switch r.RequestURI {
		case "/model/amazon.titan-embed-text-v2%3A0/invoke":
			jsonAnswer(w, `{"embedding":[1],"inputTextTokenCount":2}`)
		case "/rerank":
			jsonAnswer(w, `{"results":[{"index":0,"relevanceScore":0.9}]}`)
		default:
			t.Errorf("called at %s", r.RequestURI)
		}
	}
	g := start(t, w, nil)
	if a := g.do("POST", "/v1/embeddings", key, `{"model":"amazon.titan-embed-text-v2:0","input":"a"}`); a.StatusCode != 200 || !strings.Contains(a.body, `"embedding":[1]`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := g.do("POST", "/v1/rerank", key, `{"model":"cohere.rerank-v3-5:0","query":"q","documents":["a"]}`); a.StatusCode != 200 || !strings.Contains(a.body, `"relevance_score":0.9`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestVertexJobsGetTokens: embeddings and reranks share a sign-in, and a token
// that is refused is replaced by the next call.
func TestVertexJobsGetTokens(t *testing.T) {
	var mu sync.Mutex
	signIns, refuse := 0, ""
	var heads []string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/token" {
			signIns++
			fmt.Fprintf(w, `{"access_token":"ya29.secret-token-%d","expires_in":3599,"token_type":"Bearer"}`, signIns)
			return
		}
		head := r.Header.Get("Authorization")
		heads = append(heads, head)
		switch {
		case head == refuse:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(401)
			io.WriteString(w, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`)
		case strings.HasSuffix(r.URL.Path, ":predict"):
			jsonAnswer(w, `{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4}}}]}`)
		default:
			jsonAnswer(w, `{"records":[{"id":"0","score":0.5}]}`)
		}
	}))
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	w.Route(tenant, "vertex", "gemini-embedding-001", up.URL+"/v1/projects/p/locations/l", accountKey(t, up.URL+"/token"), func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect, c.AuthStyle = "google-vertex", providerkind.Gemini, configv1.AuthStyle_AUTH_STYLE_GOOGLE
	})
	g := start(t, w, nil)
	embed := func() *answer { return g.do("POST", "/v1/embeddings", key, `{"model":"vertex","input":"a"}`) }
	if a := embed(); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := g.do("POST", "/v1/rerank", key, `{"model":"vertex","query":"q","documents":["a"]}`); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	mu.Lock()
	if signIns != 1 || heads[0] != "Bearer ya29.secret-token-1" || heads[1] != heads[0] {
		t.Errorf("%d sign-ins, %q", signIns, heads)
	}
	refuse = heads[0]
	mu.Unlock()
	if a := embed(); a.StatusCode != 502 || strings.Contains(a.body, "ya29") {
		t.Errorf("refused: %d %s", a.StatusCode, a.body)
	}
	if a := embed(); a.StatusCode != 200 {
		t.Errorf("after that: %d %s", a.StatusCode, a.body)
	}
}
