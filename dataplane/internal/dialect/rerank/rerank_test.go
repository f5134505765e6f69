package rerank

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

func expected(t *testing.T, path, member string) any {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal([]byte(strings.SplitN(string(recordings.Read(t, path)), "\n---\n", 2)[1]), &whole); err != nil {
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

var models = map[string]Target{
	"cohere": {Model: "rerank-v3.5"}, "vertex": {Model: "rerank-v3.5"},
	"bedrock": {Model: "cohere.rerank-v3-5:0", Region: "us-west-2"},
}

func TestRequestsAreAsExpected(t *testing.T) {
	paths := recordings.Glob(t, "agentgateway/requests/rerank/*.snap")
	for _, path := range paths {
		name := strings.Split(filepath.Base(path), ".")
		body := recordings.Read(t, filepath.Join(filepath.Dir(path), name[0]+".json"))
		var r Request
		if f := Read(body, &r); f != nil {
			t.Errorf("%s: %v", path, f)
			continue
		}
		out := FormOf(name[1]).Append(nil, &r, models[name[1]], new(canon.Losses))
		if got, want := parse(t, out), expected(t, path, "request"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", path, got, want)
		}
	}
	t.Logf("%d requests as expected", len(paths))
}

func TestAnswersAreAsExpected(t *testing.T) {
	paths := recordings.Glob(t, "agentgateway/response/*/rerank*.snap")
	docs := Request{Documents: make([]Document, 3)}
	for _, path := range paths {
		name := strings.Split(filepath.Base(path), ".")
		body := recordings.Read(t, filepath.Join(filepath.Dir(path), name[0]+".json"))
		a := Answer{ID: canon.Quote("x")}
		if !FormOf(name[1]).Read(body, &a) {
			t.Errorf("%s: not read", path)
			continue
		}
		out, ok := AppendAnswer(nil, &docs, &a)
		got, want := parse(t, out).(map[string]any), expected(t, path, "response").(map[string]any)
		if !ok || !reflect.DeepEqual(got["results"], want["results"]) {
			t.Errorf("%s:\n got %v\nwant %v", path, got, want)
		}
		if name[1] == "cohere" && (a.Usage != Usage{Tokens: 214, Units: 1, Told: true, UnitsTold: true}) {
			t.Errorf("usage %+v", a.Usage)
		}
	}
}

func TestNearForms(t *testing.T) {
	body := `{"model":"r","query":"q","documents":["a",{"text":"b","id":7}],"top_k":1,"return_documents":true,"truncation":true}`
	var r Request
	if f := Read([]byte(body), &r); f != nil {
		t.Fatal(f)
	}
	for form, want := range map[string]string{
		"voyage": `{"model":"m","query":"q","documents":["a","b"],"top_k":1,"return_documents":false,"truncation":true}`,
		"jina":   `{"model":"m","query":"q","documents":["a",{"text":"b","id":7}],"top_n":1,"return_documents":false,"truncation":true}`,
		"cohere": `{"model":"m","query":"q","documents":["a",{"text":"b","id":7}],"top_n":1,"return_documents":true,"truncation":true}`,
	} {
		if out := FormOf(form).Append(nil, &r, Target{Model: "m"}, new(canon.Losses)); string(out) != want {
			t.Errorf("%s: %s", form, out)
		}
	}
	a := Answer{ID: canon.Quote("i")}
	if !voyageForm.Read([]byte(`{"object":"list","data":[{"index":1,"relevance_score":0.5},{"index":0,"relevance_score":0.25}],"usage":{"total_tokens":9}}`), &a) {
		t.Fatal("not read")
	}
	out, ok := AppendAnswer(nil, &r, &a)
	want := `{"id":"i","results":[{"index":1,"relevance_score":0.5,"document":{"text":"b","id":7}},{"index":0,"relevance_score":0.25,"document":{"text":"a"}}],` +
		`"meta":{"api_version":{"version":"2"},"tokens":{"input_tokens":9}},"usage":{"total_tokens":9}}`
	if !ok || string(out) != want {
		t.Errorf("%s", out)
	}
	a.Results[0].Index = 2
	if _, ok := AppendAnswer(nil, &r, &a); ok {
		t.Error("a result of no document was written")
	}
}

func TestWrongBodiesAreRefused(t *testing.T) {
	for body, code := range map[string]string{
		`{"documents":["a"]}`: "missing_field", `{"query":"q"}`: "bad_request", `{"query":"q","documents":[1]}`: "wrong_type",
		`{"query":1,"documents":["a"]}`: "wrong_type", `{"query":"q","documents":["a"],"top_n":0}`: "wrong_type", `{"query":"q","documents":"a"}`: "wrong_type",
		`[]`: "malformed_json",
	} {
		var r Request
		if f := Read([]byte(body), &r); f == nil || f.Kind.Code != code {
			t.Errorf("%s: %v, want %s", body, f, code)
		}
	}
}

// What is read can be written, as JSON, in every form.
func FuzzForms(f *testing.F) {
	for _, s := range []string{
		`{"query":"q","documents":["a",{"text":"b"}],"top_n":2,"x":[1]}`, `{"id":"i","results":[{"index":0,"relevance_score":1e-3}],"meta":{"billed_units":{"search_units":1}}}`,
		`{"records":[{"id":"1"}]}`, `{"results":[{"index":0,"relevanceScore":0.1}]}`, `{"data":[{"index":0,"relevance_score":1,"document":"a"}],"usage":{"total_tokens":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all := []*Form{&cohereForm, &voyageForm, &bedrockForm, &vertexForm}
		var r Request
		if Read(body, &r) == nil {
			for k, form := range all {
				if out := form.Append(nil, &r, Target{Model: "m"}, new(canon.Losses)); !json.Valid(out) {
					t.Fatalf("form %d of %q: %s", k, body, out)
				}
			}
		}
		docs := Request{Documents: []Document{{Text: canon.Quote("a"), Raw: canon.Raw(`"a"`)}}, Return: canon.Yes}
		for k, form := range all {
			a := Answer{}
			if !form.Read(body, &a) {
				continue
			}
			if a.ID == nil {
				a.ID = canon.Quote("i")
			}
			if out, ok := AppendAnswer(nil, &docs, &a); ok && !json.Valid(out) {
				t.Fatalf("form %d of %q: %s", k, body, out)
			}
			if a.Usage.Tokens < 0 || a.Usage.Units < 0 {
				t.Fatalf("%q: %+v", body, a.Usage)
			}
		}
	})
}
