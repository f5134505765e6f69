package operations_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/scripts/fakeprovider/operations"
)

// say sends a request and gives status and body.
func say(t *testing.T, d *operations.Desk, q operations.Request) (int, string) {
	t.Helper()
	a, ok := d.Answer(&q)
	if !ok {
		t.Fatalf("%s %s is unknown", q.Method, q.Path)
	}
	return a.Status, string(bytes.Join(a.Parts, nil))
}

func TestOperationsAnswerAndRefuse(t *testing.T) {
	for _, c := range []struct{ path, version, body, want string }{
		{"/v1/embeddings", "", `{"model":"m","input":["a b","c"]}`, `"prompt_tokens":3`},
		{"/v1/embeddings", "", `{"model":"m","input":[[1,2],[3]],"encoding_format":"base64"}`, `"prompt_tokens":3`},
		{"/v1/embeddings", "", `{"model":"m","input":"a","strange":1}`, `unknown field`},
		{"/v1/completions", "", `{"model":"m","prompt":"a b"}`, `completed: a b`},
		{"/v1/completions", "", `{"model":"m","prompt":"a b","stream":true,"stream_options":{"include_usage":true}}`, "data: [DONE]\n\n"},
		{"/v1/moderations", "", `{"input":"some violence"}`, `"flagged":true`},
		{"/v1/images/generations", "", `{"model":"m","prompt":"a cat","n":2}`, `"output_tokens":200`},
		{"/v1/audio/speech", "", `{"model":"m","input":"Hi","voice":"v"}`, "WAVEfmt "},
		{"/v2/rerank", "", `{"model":"m","query":"b","documents":["a","b"],"top_n":1}`, `"index":1`},
		{"/v1/messages/count_tokens", "2023-06-01", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, `{"input_tokens":`},
		{"/v1/messages/count_tokens", "", `{"model":"m","messages":[{}]}`, `anthropic-version`},
		{"/v1beta/models/m:batchEmbedContents", "", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}`, `{"embeddings":[{"values":[`},
		{"/v1beta/models/m:batchEmbedContents", "", `{"requests":[{"model":"models/other"}]}`, `INVALID_ARGUMENT`},
		{"/v1beta/models/m:embedContent", "", `{"content":{"parts":[{"text":"a"}]}}`, `{"embedding":{"values":[`},
		{"/v1beta/models/m:countTokens", "", `{}`, `"totalTokens":1`},
	} {
		status, body := say(t, operations.New(), operations.Request{Method: "POST", Path: c.path, Version: c.version, Body: []byte(c.body)})
		if !strings.Contains(body, c.want) || (status == 200) == strings.Contains(body, `"error"`) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
	if _, ok := operations.New().Answer(&operations.Request{Method: "POST", Path: "/v1beta/models/m:generateContent"}); ok {
		t.Error("chat is answered here")
	}
}

func TestFilesAreKept(t *testing.T) {
	d := operations.New()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	w.WriteField("purpose", "batch")
	part, _ := w.CreateFormFile("file", "a.jsonl")
	part.Write([]byte("content of a"))
	w.Close()
	status, made := say(t, d, operations.Request{Method: "POST", Path: "/v1/files", ContentType: w.FormDataContentType(), Body: body.Bytes()})
	var f struct {
		ID    string
		Bytes int
	}
	if json.Unmarshal([]byte(made), &f) != nil || status != 200 || f.Bytes != len("content of a") {
		t.Fatalf("%d %s", status, made)
	}
	if _, got := say(t, d, operations.Request{Method: "GET", Path: "/v1/files/" + f.ID + "/content"}); got != "content of a" {
		t.Errorf("content is %q", got)
	}
	if _, got := say(t, d, operations.Request{Method: "POST", Path: "/v1/batches", Body: []byte(`{"input_file_id":"` + f.ID + `","endpoint":"/v1/chat/completions","completion_window":"24h"}`)}); !strings.Contains(got, `"status":"in_progress"`) {
		t.Errorf("batch is %s", got)
	}
	if _, got := say(t, d, operations.Request{Method: "POST", Path: "/v1/batches/batch_1/cancel"}); !strings.Contains(got, `"status":"cancelling"`) {
		t.Errorf("cancelled batch is %s", got)
	}
	if _, got := say(t, d, operations.Request{Method: "DELETE", Path: "/v1/files/" + f.ID}); !strings.Contains(got, `"deleted":true`) {
		t.Errorf("deleted file is %s", got)
	}
	if status, got := say(t, d, operations.Request{Method: "GET", Path: "/v1/files/" + f.ID}); status != 404 {
		t.Errorf("a deleted file is %d %s", status, got)
	}
}
