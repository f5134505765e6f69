package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// jobCase is a call beside chat: what the caller sends, what the provider must
// get and answers, and what the caller must get.
type jobCase struct {
	name, provider, dialect, base, model string
	path, body                           string
	wantPath, wantBody                   string
	answer, want                         string
	tokens, searches                     int64
	estimated                            bool
	dropped                              string
}

const openaiVectors = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3},"x":1}`

var jobCases = []jobCase{
	{name: "embeddings pass", provider: "openai", base: "/v1", path: "/v1/embeddings",
		body:     `{"input":["a b"], "model":"job","dimensions":2,"unknown":[1]}`,
		wantPath: "/v1/embeddings", wantBody: `{"input":["a b"], "model":"provider-model","dimensions":2,"unknown":[1]}`,
		answer: openaiVectors, want: openaiVectors, tokens: 3},
	{name: "tokens pass and are counted", provider: "openai", base: "/v1", path: "/v1/embeddings",
		body:     `{"input":[[1,2],[3]],"model":"job"}`,
		wantPath: "/v1/embeddings", wantBody: `{"input":[[1,2],[3]],"model":"provider-model"}`,
		answer: `{"data":[]}`, want: `{"data":[]}`, tokens: 3, estimated: true},
	{name: "embeddings to Gemini", provider: "google", dialect: "gemini", base: "/v1beta", path: "/v1/embeddings",
		body:     `{"model":"job","input":["a","b"],"encoding_format":"base64","user":"u"}`,
		wantPath: "/v1beta/models/provider-model:batchEmbedContents",
		wantBody: `{"requests":[{"model":"models/provider-model","content":{"parts":[{"text":"a"}]}},{"model":"models/provider-model","content":{"parts":[{"text":"b"}]}}]}`,
		answer:   `{"embeddings":[{"values":[1,-2]},{"values":[0.5]}]}`,
		want: `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAMA="},{"object":"embedding","index":1,"embedding":"AAAAPw=="}],` +
			`"model":"provider-model","usage":{"prompt_tokens":2,"total_tokens":2}}`,
		tokens: 2, estimated: true, dropped: "user"},
	{name: "embeddings to Cohere", provider: "cohere", base: "/compatibility/v1", path: "/v1/embeddings",
		body:     `{"model":"job","input":"a","task_type":"RETRIEVAL_DOCUMENT"}`,
		wantPath: "/v2/embed", wantBody: `{"model":"provider-model","texts":["a"],"input_type":"search_document","embedding_types":["float"]}`,
		answer: `{"id":"i","embeddings":{"float":[[0.25]]},"meta":{"billed_units":{"input_tokens":7}}}`,
		want:   `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25]}],"model":"provider-model","usage":{"prompt_tokens":7,"total_tokens":7}}`, tokens: 7},
	{name: "embeddings to Voyage", provider: "voyage", base: "/v1", path: "/v1/embeddings",
		body:     `{"model":"job","input":"a","dimensions":4,"encoding_format":"float"}`,
		wantPath: "/v1/embeddings", wantBody: `{"model":"provider-model","input":"a","output_dimension":4}`,
		answer: `{"object":"list","data":[{"object":"embedding","embedding":[1],"index":0}],"model":"voyage-3.5","usage":{"total_tokens":12}}`,
		want:   `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"voyage-3.5","usage":{"prompt_tokens":12,"total_tokens":12}}`, tokens: 12},
	{name: "embeddings to Jina", provider: "jina", base: "/v1", path: "/v1/embeddings",
		body:     `{"model":"job","input":"a","task":"text-matching"}`,
		wantPath: "/v1/embeddings", wantBody: `{"model":"provider-model","input":["a"],"task":"text-matching"}`,
		answer: `{"model":"j","object":"list","usage":{"total_tokens":5,"prompt_tokens":5},"data":[{"object":"embedding","index":0,"embedding":[1]}]}`,
		want:   `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"j","usage":{"prompt_tokens":5,"total_tokens":5}}`, tokens: 5},
	{name: "embeddings to Vertex", provider: "google-vertex", dialect: "gemini", base: "/v1/projects/p/locations/l", path: "/v1/embeddings",
		body:     `{"model":"job","input":"a"}`,
		wantPath: "/v1/projects/p/locations/l/publishers/google/models/provider-model:predict",
		wantBody: `{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"}]}`,
		answer:   `{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4}}}]}`,
		want:     `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"provider-model","usage":{"prompt_tokens":4,"total_tokens":4}}`, tokens: 4},
	{name: "embeddings to Titan", provider: "aws-bedrock", dialect: "bedrock-converse", model: "amazon.titan-embed-text-v2:0", path: "/v1/embeddings",
		body:     `{"model":"job","input":"a"}`,
		wantPath: "/model/amazon.titan-embed-text-v2%3A0/invoke", wantBody: `{"inputText":"a"}`,
		answer: `{"embedding":[1],"inputTextTokenCount":2}`,
		want:   `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"amazon.titan-embed-text-v2:0","usage":{"prompt_tokens":2,"total_tokens":2}}`, tokens: 2},
	{name: "Gemini passes", provider: "google", dialect: "gemini", base: "/v1beta", path: "/v1beta/models/job:embedContent",
		body:     `{"model": "models/job","content":{"parts":[{"text":"a b c"}]},"unknown":1}`,
		wantPath: "/v1beta/models/provider-model:embedContent", wantBody: `{"model": "models/provider-model","content":{"parts":[{"text":"a b c"}]},"unknown":1}`,
		answer: `{"embedding":{"values":[1]}}`, want: `{"embedding":{"values":[1]}}`, tokens: 3, estimated: true},
	{name: "Gemini to OpenAI", provider: "openai", base: "/v1", path: "/v1beta/models/job:batchEmbedContents",
		body:     `{"requests":[{"model":"models/job","content":{"parts":[{"text":"a"}]},"outputDimensionality":1}]}`,
		wantPath: "/v1/embeddings", wantBody: `{"model":"provider-model","input":["a"],"dimensions":1}`,
		answer: openaiVectors, want: `{"embeddings":[{"values":[0.5,-1]}]}`, tokens: 3},
	{name: "moderation without a model", provider: "openai", base: "/v1", path: "/v1/moderations",
		body:     `{"input":"a b"}`,
		wantPath: "/v1/moderations", wantBody: `{"model":"provider-model","input":"a b"}`,
		answer: `{"id":"modr","results":[]}`, want: `{"id":"modr","results":[]}`, tokens: 2, estimated: true},
	{name: "rerank passes", provider: "cohere", base: "/v2", path: "/v2/rerank",
		body:     `{"model":"job","query":"q","documents":["a",{"text":"b"}],"top_n":1}`,
		wantPath: "/v2/rerank", wantBody: `{"model":"provider-model","query":"q","documents":["a",{"text":"b"}],"top_n":1}`,
		answer: `{"id":"i","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}`,
		want:   `{"id":"i","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}`, searches: 1},
	{name: "rerank at Jina", provider: "jina", base: "/v1", path: "/v1/rerank",
		body:     `{"model":"job","query":"q","documents":["a"],"return_documents":false}`,
		wantPath: "/v1/rerank", wantBody: `{"model":"provider-model","query":"q","documents":["a"],"return_documents":false}`,
		answer: `{"model":"j","results":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":15}}`,
		want:   `{"model":"j","results":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":15}}`, tokens: 15},
	{name: "rerank at Voyage", provider: "voyage", base: "/v1", path: "/v1/rerank",
		body:     `{"model":"job","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}`,
		wantPath: "/v1/rerank", wantBody: `{"model":"provider-model","query":"q","documents":["a","b"],"top_k":1,"return_documents":false}`,
		answer: `{"object":"list","data":[{"index":1,"relevance_score":0.9}],"model":"v","usage":{"total_tokens":15}}`,
		want: `{"id":"REQUEST","results":[{"index":1,"relevance_score":0.9,"document":{"text":"b"}}],` +
			`"meta":{"api_version":{"version":"2"},"tokens":{"input_tokens":15}},"usage":{"total_tokens":15}}`, tokens: 15},
	{name: "rerank at Fireworks", provider: "fireworks", base: "/inference/v1", path: "/v1/rerank",
		body:     `{"model":"job","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true}`,
		wantPath: "/inference/v1/rerank", wantBody: `{"model":"provider-model","query":"q","documents":["a","b"],"top_n":1,"return_documents":false}`,
		answer: `{"object":"list","model":"f","data":[{"index":1,"relevance_score":0.9}],"usage":{"prompt_tokens":15,"total_tokens":15}}`,
		want: `{"id":"REQUEST","results":[{"index":1,"relevance_score":0.9,"document":{"text":"b"}}],` +
			`"meta":{"api_version":{"version":"2"},"tokens":{"input_tokens":15}},"usage":{"total_tokens":15}}`, tokens: 15},
	{name: "rerank at OpenRouter", provider: "openrouter", base: "/api/v1", path: "/v2/rerank",
		body:     `{"model":"job","query":"q","documents":["a"]}`,
		wantPath: "/api/v1/rerank", wantBody: `{"model":"provider-model","query":"q","documents":["a"]}`,
		answer:   `{"id":"gen","model":"m","results":[{"index":0,"relevance_score":0.9,"document":{"text":"a"}}],"usage":{"search_units":1}}`,
		want:     `{"id":"gen","model":"m","results":[{"index":0,"relevance_score":0.9,"document":{"text":"a"}}],"usage":{"search_units":1}}`,
		searches: 1},
	{name: "rerank at Bedrock", provider: "aws-bedrock", dialect: "bedrock-converse", model: "cohere.rerank-v3-5:0", path: "/v1/rerank",
		body:     `{"model":"job","query":"q","documents":["a"]}`,
		wantPath: "/rerank",
		wantBody: `{"queries":[{"type":"TEXT","textQuery":{"text":"q"}}],"sources":[{"type":"INLINE","inlineDocumentSource":{"type":"TEXT","textDocument":{"text":"a"}}}],` +
			`"rerankingConfiguration":{"type":"BEDROCK_RERANKING_MODEL","bedrockRerankingConfiguration":{"modelConfiguration":` +
			`{"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"},"numberOfResults":1}}}`,
		answer:   `{"results":[{"index":0,"relevanceScore":0.9}]}`,
		want:     `{"id":"REQUEST","results":[{"index":0,"relevance_score":0.9}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`,
		searches: 1, estimated: true},
	{name: "rerank at Vertex", provider: "google-vertex", dialect: "gemini", base: "/v1/projects/p/locations/l", path: "/v1/rerank",
		body:     `{"model":"job","query":"q","documents":["a"],"top_n":1}`,
		wantPath: "/v1/projects/p/locations/global/rankingConfigs/default_ranking_config:rank",
		wantBody: `{"model":"provider-model","query":"q","records":[{"id":"0","content":"a"}],"topN":1,"ignoreRecordDetailsInResponse":true}`,
		answer:   `{"records":[{"id":"0","score":0.5}]}`,
		want:     `{"id":"REQUEST","results":[{"index":0,"relevance_score":0.5}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`,
		searches: 1, estimated: true},
}

// jobProvider answers what it is told to, and keeps what it got.
type jobProvider struct {
	*httptest.Server
	mu         sync.Mutex
	status     int
	answer     string
	kind       string
	path, body string
}

func newJobProvider(t *testing.T) *jobProvider {
	p := &jobProvider{status: 200, kind: "application/json"}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.path, p.body = r.URL.EscapedPath(), string(body)
		w.Header().Set("Content-Type", p.kind)
		w.WriteHeader(p.status)
		io.WriteString(w, p.answer)
	}))
	t.Cleanup(p.Close)
	return p
}

// moderationRoute is what a moderation without a model asks for.
const moderationRoute = "omni-moderation-latest"

func (c *jobCase) start(t *testing.T, p *jobProvider) (g *gateway, key string) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ = w.Key(tenant, nil)
	name, model := "job", c.model
	if c.path == "/v1/moderations" {
		name = moderationRoute
	}
	if model == "" {
		model = "provider-model"
	}
	w.Route(tenant, name, model, p.URL+c.base, providerSecret, func(cred *configv1.Credential, m *configv1.Model) {
		cred.Provider, cred.Dialect, cred.Region = c.provider, c.dialect, "us-east-1"
		m.CostPrices = []*configv1.Price{{Id: "prc_test", Input: testconfig.InputPrice, PerSearch: 2_000_000}}
	})
	return start(t, w, nil), key
}

func TestJobs(t *testing.T) {
	for i := range jobCases {
		c := &jobCases[i]
		t.Run(c.name, func(t *testing.T) {
			p := newJobProvider(t)
			p.answer = c.answer
			g, key := c.start(t, p)
			for n, prefix := range []string{"", "/t/acme"} {
				a := g.do("POST", prefix+c.path, key, c.body)
				want := strings.ReplaceAll(c.want, "REQUEST", a.Header.Get("X-Request-Id"))
				if a.StatusCode != 200 || a.body != want {
					t.Fatalf("%d\n got %s\nwant %s", a.StatusCode, a.body, want)
				}
				if p.path != c.wantPath || p.body != c.wantBody {
					t.Errorf("provider got %s\n %s\nwant %s\n %s", p.path, p.body, c.wantPath, c.wantBody)
				}
				if got := a.Header.Get("X-Tollgate-Dropped"); got != c.dropped {
					t.Errorf("dropped %q", got)
				}
				ev := g.ledger.wait(t, n)
				cost := c.tokens*testconfig.InputPrice/1_000_000 + c.searches*2_000_000
				if ev.Tokens.Input != c.tokens || ev.Units.GetSearches() != c.searches || ev.Estimated != c.estimated || ev.CostNano != cost {
					t.Errorf("event %v, want cost %d", ev, cost)
				}
				if op := map[bool]string{true: "rerank", false: "embeddings"}[strings.HasSuffix(c.path, "rerank")]; c.path != "/v1/moderations" && ev.Operation != op {
					t.Errorf("operation %q", ev.Operation)
				}
			}
		})
	}
}

func TestJobsThatFail(t *testing.T) {
	c := jobCases[0]
	p := newJobProvider(t)
	g, key := c.start(t, p)
	p.status, p.answer = 400, `{"error":{"message":"too long","type":"invalid_request_error","param":"input","code":null}}`
	if a := g.do("POST", c.path, key, c.body); a.StatusCode != 400 || a.fault(t).Error.Code != fault.UpstreamRejected.Code {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	p.status, p.answer = 200, `[]`
	g.wantFault(g.do("POST", c.path, key, c.body), fault.UpstreamGarbage, "")
	if ev := g.ledger.wait(t, 1); ev.CostNano != 0 {
		t.Errorf("an answer that is none costs %d", ev.CostNano)
	}
	g.wantFault(g.do("POST", "/v1/rerank", key, `{"model":"job","query":"q","documents":["a"]}`), fault.UnsupportedOperation, "model")
	g.wantFault(g.do("POST", c.path, key, `{"model":"job"}`), fault.MissingField, "input")
	g.wantFault(g.do("POST", "/v1/moderations", key, `{"input":"x"}`), fault.ModelNotFound, "model")

	jina := jobCase{provider: "jina", base: "/v1"}
	g, key = jina.start(t, p)
	g.wantFault(g.chat(key, `{"model":"job","messages":[]}`), fault.UnsupportedOperation, "model")
	g.wantFault(g.do("POST", "/v1/completions", key, `{"model":"job","prompt":"x"}`), fault.UnsupportedOperation, "model")
	a := g.do("POST", "/v2/rerank", key, `{"model":"none","query":"q","documents":["a"]}`)
	var e struct{ Message string }
	if json.Unmarshal([]byte(a.body), &e) != nil || a.StatusCode != 404 || !strings.Contains(e.Message, "none") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = g.do("POST", "/v1beta/models/none:embedContent", key, `{"content":{"parts":[{"text":"a"}]}}`)
	if a.StatusCode != 404 || !strings.Contains(a.body, `"status":`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
