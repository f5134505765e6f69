package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	picture "image/png"
	"math"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
)

// Everybody can try each operation without a key of a provider.
func TestJobsOfTheDemoProvider(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	ask := func(path, body string, into any) {
		t.Helper()
		a := g.do("POST", path, key, body)
		if again := g.do("POST", path, key, body); a.StatusCode != 200 || again.body != a.body {
			t.Fatalf("%s: %d %s, then %s", path, a.StatusCode, a.body, again.body)
		}
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			t.Fatal(err)
		}
	}
	var vectors struct {
		Data []struct{ Embedding []float64 }
	}
	ask("/v1/embeddings", `{"model":"demo","input":["one text","another"],"dimensions":8}`, &vectors)
	length := 0.0
	for _, f := range vectors.Data[1].Embedding {
		length += f * f
	}
	if len(vectors.Data) != 2 || len(vectors.Data[0].Embedding) != 8 || math.Abs(length-1) > 1e-5 {
		t.Errorf("%v", vectors)
	}
	var batch struct{ Embeddings []struct{ Values []float64 } }
	ask("/v1beta/models/demo:batchEmbedContents", `{"requests":[{"content":{"parts":[{"text":"another"}]},"outputDimensionality":8}]}`, &batch)
	if len(batch.Embeddings) != 1 || batch.Embeddings[0].Values[0] != vectors.Data[1].Embedding[0] {
		t.Errorf("%v", batch)
	}
	var judged struct{ Results []struct{ Flagged bool } }
	ask("/v1/moderations", `{"model":"demo","input":["fine","some demo-violence"]}`, &judged)
	if len(judged.Results) != 2 || judged.Results[0].Flagged || !judged.Results[1].Flagged {
		t.Errorf("%v", judged)
	}
	var ranked struct{ Results []struct{ Index int } }
	ask("/v2/rerank", `{"model":"demo","query":"capital of France","documents":["Bread","Paris is the capital of France"],"top_n":1}`, &ranked)
	if len(ranked.Results) != 1 || ranked.Results[0].Index != 1 {
		t.Errorf("%v", ranked)
	}
	var drawn struct {
		Data []struct {
			B64 string `json:"b64_json"`
		}
	}
	ask("/v1/images/generations", `{"model":"demo","prompt":"a cat","n":2}`, &drawn)
	b, _ := base64.StdEncoding.DecodeString(drawn.Data[1].B64)
	if _, err := picture.Decode(bytes.NewReader(b)); err != nil || len(drawn.Data) != 2 {
		t.Errorf("no picture: %v", err)
	}
	if ev := g.ledger.wait(t, 9); ev.Units.GetImages() != 2 || ev.Operation != "images" || ev.CostNano == 0 {
		t.Errorf("event %v", ev)
	}
	a := g.do("POST", "/v1/images/generations", key, `{"model":"demo","prompt":"a cat","stream":true}`)
	if !strings.Contains(a.body, "event: image_generation.completed\ndata: {") || g.ledger.wait(t, 10).Units.GetImages() != 1 {
		t.Errorf("%s", a.body)
	}
	var said struct{ Choices []struct{ Text string } }
	ask("/v1/completions", `{"model":"demo","prompt":["a","b"]}`, &said)
	if len(said.Choices) != 2 || !strings.Contains(said.Choices[1].Text, "b") {
		t.Errorf("%v", said)
	}
	a = g.do("POST", "/v1/completions", key, `{"model":"demo","prompt":"a","stream":true}`)
	if strings.Contains(a.body, `"usage"`) || !strings.HasSuffix(a.body, "data: [DONE]\n\n") {
		t.Errorf("%s", a.body)
	}
	if ev := g.ledger.wait(t, 13); ev.Estimated || ev.Tokens.Output == 0 || ev.Operation != "completions" {
		t.Errorf("event %v", ev)
	}
}
