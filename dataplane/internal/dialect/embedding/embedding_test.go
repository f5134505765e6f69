package embedding

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// expected reads what another translation of a body is: the member of a file
// behind its second line of dashes.
func expected(t *testing.T, path, member string) any {
	t.Helper()
	parts := strings.SplitN(string(recordings.Read(t, path)), "\n---\n", 2)
	var whole map[string]any
	if err := json.Unmarshal([]byte(parts[1]), &whole); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return whole[member]
}

func parse(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// models of the expected translations, by the end of a file's name.
var models = map[string]struct{ form, model string }{
	"openai":         {providerkind.OpenAIForm, "text-embedding-3-small"},
	"vertex":         {providerkind.VertexForm, "text-embedding-004"},
	"bedrock-cohere": {providerkind.BedrockForm, "cohere.embed-english-v3"},
	"bedrock-titan":  {providerkind.BedrockForm, "amazon.titan-embed-text-v2:0"},
	"bedrock-nova":   {providerkind.BedrockForm, "amazon.nova-2-multimodal-embeddings-v1:0"},
}

func TestRequestsAreAsExpected(t *testing.T) {
	paths := recordings.Glob(t, "agentgateway/requests/embeddings/*.snap")
	for _, path := range paths {
		name := strings.Split(filepath.Base(path), ".")
		m := models[name[1]]
		if name[0] == "cohere-v4" {
			m.model = "cohere.embed-v4:0"
		}
		body := recordings.Read(t, filepath.Join(filepath.Dir(path), name[0]+".json"))
		var r Request
		if f := ReadOpenAI(body, &r); f != nil {
			t.Errorf("%s: %v", path, f)
			continue
		}
		var lost canon.Losses
		out, f := FormOf(m.form, m.model).Append(nil, &r, Target{Model: m.model}, &lost)
		if f != nil {
			t.Errorf("%s: %v", path, f)
			continue
		}
		if got, want := parse(t, out), expected(t, path, "request"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", path, got, want)
		}
	}
	t.Logf("%d requests as expected", len(paths))
}

func TestAnswersAreAsExpected(t *testing.T) {
	for name, m := range models {
		dir := filepath.Join(recordings.Dir(t), "agentgateway/response", name)
		body := recordings.Read(t, filepath.Join(dir, "embeddings.json"))
		want := expected(t, filepath.Join(dir, "embeddings."+name+".snap"), "response").(map[string]any)
		a := Answer{Model: canon.Quote(m.model)}
		if !FormOf(m.form, m.model).Read(body, &a) {
			t.Errorf("%s: not read", name)
			continue
		}
		out, ok := AppendOpenAI(nil, &Request{}, &a)
		if !ok {
			t.Errorf("%s: not written", name)
		}
		got := parse(t, out).(map[string]any)
		for _, v := range []map[string]any{got, want} {
			// Digits stay as the provider wrote them; elsewhere they were widened
			// from 32 bits: 0.1 became 0.10000000149011612.
			for _, d := range v["data"].([]any) {
				list := d.(map[string]any)["embedding"].([]any)
				for i := range list {
					list[i] = float32(list[i].(float64))
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", name, got, want)
		}
	}
}

func TestFieldsKeepTheirMeaning(t *testing.T) {
	for _, c := range []struct{ form, model, body, want, lost string }{
		{"gemini", "gemini-embedding-001", `{"model":"r","input":"a\"b","dimensions":8,"user":"u","task_type":"search_document","title":"T"}`,
			`{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a\"b"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"T","outputDimensionality":8}]}`, "user"},
		{"cohere", "embed-v4.0", `{"model":"r","input":["a","b"],"input_type":"document","dimensions":8,"truncate":"NONE","encoding_format":"base64"}`,
			`{"model":"embed-v4.0","texts":["a","b"],"input_type":"search_document","embedding_types":["float"],"output_dimension":8,"truncate":"NONE"}`, ""},
		{"voyage", "voyage-3.5", `{"model":"r","input":"a","dimensions":8,"encoding_format":"float","user":"u","input_type":"query","output_dtype":"int8"}`,
			`{"model":"voyage-3.5","input":"a","output_dimension":8,"input_type":"query","output_dtype":"int8"}`, "user"},
		{"jina", "jina-v4", `{"model":"r","input":"a","encoding_format":"base64","task":"retrieval.passage","late_chunking":true}`,
			`{"model":"jina-v4","input":["a"],"embedding_type":"base64","task":"retrieval.passage","late_chunking":true}`, ""},
		{"bedrock", "amazon.titan-embed-text-v2:0", `{"model":"r","input":["a"],"task":"query","title":"x"}`, `{"inputText":"a"}`, "title task_type"},
		{"openai", "m", `{"model":"r","input":[1,2],"task":"query"}`, `{"model":"m","input":[1,2]}`, "task_type"},
		{"openai", "m", `{"model":"r","input":[[1],[2]]}`, `{"model":"m","input":[[1],[2]]}`, ""},
	} {
		var r Request
		if f := ReadOpenAI([]byte(c.body), &r); f != nil {
			t.Errorf("%s: %v", c.body, f)
			continue
		}
		var lost canon.Losses
		out, f := FormOf(c.form, c.model).Append(nil, &r, Target{Model: c.model}, &lost)
		if f != nil || string(out) != c.want || strings.Join(lost, " ") != c.lost {
			t.Errorf("%s to %s: %v lost %q\n got %s\nwant %s", c.body, c.form, f, lost, out, c.want)
		}
	}
}

func TestWhatCannotBeToldIsRefused(t *testing.T) {
	for _, c := range []struct{ form, model, body, code string }{
		{"", "", `{"input":5}`, "wrong_type"}, {"", "", `{"input":["a",1]}`, "wrong_type"}, {"", "", `{"input":[{}]}`, "wrong_type"},
		{"", "", `{"input":[]}`, "bad_request"}, {"", "", `{"input":"a","dimensions":-1}`, "wrong_type"},
		{"", "", `{"input":"a","encoding_format":"int8"}`, "bad_request"}, {"", "", `{"input":"a"`, "malformed_json"},
		{"gemini", "m", `{"input":[1,2]}`, "unsupported_field"}, {"cohere", "m", `{"input":[[1]]}`, "unsupported_field"},
		{"bedrock", "amazon.titan-x", `{"input":["a","b"]}`, "unsupported_field"}, {"bedrock", "amazon.nova-x", `{"input":["a","b"]}`, "unsupported_field"},
	} {
		var r Request
		f := ReadOpenAI([]byte(c.body), &r)
		if f == nil && c.form != "" {
			_, f = FormOf(c.form, c.model).Append(nil, &r, Target{}, new(canon.Losses))
		}
		if f == nil || f.Kind.Code != c.code {
			t.Errorf("%s to %s: %v, want %s", c.body, c.form, f, c.code)
		}
	}
}

func TestGeminiCallers(t *testing.T) {
	one := `{"model":"models/r","content":{"role":"user","parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":2}`
	var r Request
	if f := ReadGemini([]byte(one), false, &r); f != nil || len(r.Inputs) != 1 || r.Inputs[0].Text.String() != "ab" || r.Dimensions != 2 || r.Purpose == nil {
		t.Fatalf("%v %+v", f, r)
	}
	a := Answer{Vectors: []canon.Raw{canon.Raw(`"AACAPwAAAMA="`)}}
	if out, ok := AppendGemini(nil, &r, &a); !ok || string(out) != `{"embedding":{"values":[1,-2]}}` {
		t.Errorf("%s", out)
	}
	batch := `{"requests":[` + one + `,{"content":{"parts":[{"text":"c"}]}}]}`
	if f := ReadGemini([]byte(batch), true, &r); f != nil || len(r.Inputs) != 2 || !r.List {
		t.Fatalf("%v %+v", f, r)
	}
	if got, want := string(Rename([]byte(batch), "m")), strings.Replace(batch, "models/r", "models/m", 1); got != want {
		t.Errorf("renamed: %s", got)
	}
	for _, bad := range []string{`{"requests":[]}`, `{"requests":[{}]}`, `{"requests":[{"content":{"parts":[{"inlineData":{}}]}}]}`, `{"requests":[1]}`} {
		if f := ReadGemini([]byte(bad), true, &r); f == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestVectorsInBothEncodings(t *testing.T) {
	numbers, encoded := `[1,-2,0.5]`, `"AACAPwAAAMAAAAA/"`
	if out, ok := appendVector(nil, canon.Raw(numbers), true); !ok || string(out) != encoded {
		t.Errorf("encoded: %s", out)
	}
	if out, ok := appendVector(nil, canon.Raw(encoded), false); !ok || string(out) != numbers {
		t.Errorf("decoded: %s", out)
	}
	for _, bad := range []string{`"AAA="`, `"!"`, `"AADAfw=="`} {
		if _, ok := appendVector(nil, canon.Raw(bad), false); ok {
			t.Errorf("%s is a vector", bad)
		}
	}
}

// forms that a provider's answer or a caller's body may be in.
var forms = []*Form{&openaiForm, &geminiForm, &cohereForm, &vertexForm, &titanForm, &novaForm}

// What is read can be written, as JSON, in every form.
func FuzzForms(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","input":["a","b"],"dimensions":2,"user":"x"}`, `{"input":[[1,2]],"encoding_format":"base64"}`,
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}]}`, `{"content":{"parts":[{"text":"a"}]}}`,
		`{"data":[{"embedding":[1,2],"index":0}],"usage":{"total_tokens":3}}`, `{"data":[{"embedding":"AACAPw==","index":1}]}`,
		`{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":1.0}}}`, `{"embeddings":[{"values":[1]}]}`,
		`{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4}}}]}`, `{"embedding":[1],"inputTextTokenCount":3}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Request
		for i := range 3 {
			read := func() bool { return ReadOpenAI(body, &r) == nil }
			if i > 0 {
				read = func() bool { return ReadGemini(body, i == 2, &r) == nil }
			}
			if !read() {
				continue
			}
			for k, form := range append(forms, &voyageForm, &jinaForm, &bedrockCohereForm) {
				out, bad := form.Append(nil, &r, Target{Model: "m"}, new(canon.Losses))
				if bad == nil && !json.Valid(out) {
					t.Fatalf("form %d of %q: %s", k, body, out)
				}
			}
		}
		for k, form := range forms {
			var a Answer
			if !form.Read(body, &a) {
				continue
			}
			a.Model = canon.Quote("m")
			for _, encoded := range []bool{false, true} {
				if out, ok := AppendOpenAI(nil, &Request{Base64: encoded}, &a); ok && !json.Valid(out) {
					t.Fatalf("form %d of %q: %s", k, body, out)
				}
			}
			if out, ok := AppendGemini(nil, &Request{List: true}, &a); ok && !json.Valid(out) {
				t.Fatalf("form %d of %q: %s", k, body, out)
			}
			if a.Tokens < 0 {
				t.Fatalf("%q has %d tokens", body, a.Tokens)
			}
		}
		if json.Valid(body) && !json.Valid(Rename(body, "m")) {
			t.Fatalf("%q renamed", body)
		}
		var a Answer
		ReadUsage(body, &a)
		CountTokens(body)
	})
}
