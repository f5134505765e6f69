package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// recorded is an answer of a provider: its bytes on the wire.
type recorded struct {
	path, dialect string
	stream        bool
	wire          []byte
}

// recordedAnswers finds the answers of chats in the dialects of callers.
func recordedAnswers(t *testing.T) []recorded {
	t.Helper()
	dir := recordings.Dir(t)
	var all []recorded
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/requests/") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := recorded{path: strings.TrimPrefix(path, dir+"/"), wire: body}
		switch {
		case strings.HasSuffix(path, ".chunks.txt"):
			r.stream, r.dialect = true, answersIn(firstLine(body))
			r.wire = framed(body, r.dialect)
		case !strings.HasSuffix(path, ".json"):
			return nil
		case bytes.HasPrefix(body, []byte("data:")), bytes.HasPrefix(body, []byte("event:")):
			_, data, _ := bytes.Cut(body, []byte("data:"))
			r.stream, r.dialect = true, answersIn(firstLine(data))
			r.wire = append(bytes.TrimSpace(body), "\n\n"...)
			if r.dialect != providerkind.OpenAIChat {
				// Behind the end of the stream stand the mark of another dialect
				// or a comment, which nobody waits for.
				r.wire = bytes.TrimSuffix(r.wire, []byte("data: [DONE]\n\n"))
				r.wire = bytes.TrimSuffix(r.wire, []byte(": stream complete\n\n"))
			}
		default:
			r.dialect = answersIn(body)
		}
		if r.dialect != "" {
			all = append(all, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimSpace(line)
}

// ends are the events behind which a stream is over. Some recordings hold
// several answers, of which the first is taken.
var ends = []string{"message_stop", "response.completed", "response.incomplete", "response.failed"}

// framed makes a stream of payloads, a line each.
func framed(lines []byte, dialect string) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(lines) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var named struct{ Type string }
		if json.Unmarshal(line, &named); named.Type != "" {
			fmt.Fprintf(&b, "event: %s\n", named.Type)
		}
		fmt.Fprintf(&b, "data: %s\n\n", line)
		if slices.Contains(ends, named.Type) {
			break
		}
	}
	if dialect == providerkind.OpenAIChat {
		b.WriteString("data: [DONE]\n\n")
	}
	return b.Bytes()
}

// answersIn tells the dialect of an answer or of a stream's first event.
func answersIn(body []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	has := func(name, start string) bool { return bytes.HasPrefix(m[name], []byte(start)) }
	switch {
	case has("object", `"text_completion"`):
		return ""
	case has("choices", "["):
		return providerkind.OpenAIChat
	case has("type", `"message_start"`), has("type", `"message"`) && has("content", "["):
		return providerkind.Anthropic
	case has("candidates", "["), has("promptFeedback", "{"):
		return providerkind.Gemini
	case has("object", `"response"`), has("type", `"response.created"`):
		return responsesDialect
	}
	return ""
}

const responsesDialect = "openai-responses"

// asks are calls of the dialects, %d is the number of the recording.
var asks = map[string]struct{ path, streamPath, body, streamBody string }{
	providerkind.OpenAIChat: {"/v1/chat/completions", "/v1/chat/completions", `{"model":"openai-chat","messages":[{"role":"user","content":"recording %d."}]}`,
		`{"model":"openai-chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"recording %d."}]}`},
	responsesDialect: {"/v1/responses", "/v1/responses", `{"model":"openai-responses","input":"recording %d."}`, `{"model":"openai-responses","stream":true,"input":"recording %d."}`},
	providerkind.Anthropic: {"/v1/messages", "/v1/messages", `{"model":"anthropic-messages","max_tokens":9,"messages":[{"role":"user","content":"recording %d."}]}`,
		`{"model":"anthropic-messages","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"recording %d."}]}`},
	providerkind.Gemini: {"/v1beta/models/gemini:generateContent", "/v1beta/models/gemini:streamGenerateContent?alt=sse",
		`{"contents":[{"role":"user","parts":[{"text":"recording %d."}]}]}`, `{"contents":[{"role":"user","parts":[{"text":"recording %d."}]}]}`},
}

// brokenRecordings are of providers that broke the rules of their dialect.
var brokenRecordings = []string{"spliced-message-start.chunks.txt", "/detect/"}

// TestRecordingsPassByteForByte: who speaks the provider's dialect gets the
// provider's bytes, of each recording, whole and streamed; broken ones end in
// an error.
func TestRecordingsPassByteForByte(t *testing.T) {
	all := recordedAnswers(t)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n int
		if _, rest, ok := strings.Cut(string(body), "recording "); ok {
			fmt.Sscanf(rest, "%d.", &n)
		}
		w.Header().Set("Content-Type", "application/json")
		if all[n].stream {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.Write(all[n].wire)
	}))
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	for route, kind := range map[string]string{"openai-chat": "custom", "openai-responses": "openai", "anthropic-messages": "custom", "gemini": "custom"} {
		w.Route(tenant, route, "provider-model", up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			if c.Provider, c.Dialect = kind, route; route == responsesDialect {
				c.Dialect = providerkind.OpenAIChat
			}
		})
	}
	g := start(t, w, nil)
	passed, broken, counts := 0, 0, map[string]int{}
	for n, r := range all {
		ask := asks[r.dialect]
		path, body := ask.path, ask.body
		if r.stream {
			path, body = ask.streamPath, ask.streamBody
		}
		a := g.do("POST", path, key, fmt.Sprintf(body, n), "Anthropic-Version", "2023-06-01")
		if isBroken(r.path) {
			if broken++; a.StatusCode == 200 && !strings.Contains(a.body, "error") {
				t.Errorf("%s passes for a whole answer", r.path)
			}
			continue
		}
		if a.StatusCode != 200 || a.body != string(r.wire) {
			t.Errorf("%s: %d, %d bytes became %d\n%.600s\n%.600s", r.path, a.StatusCode, len(r.wire), len(a.body), r.wire, a.body)
			continue
		}
		passed++
		counts[fmt.Sprintf("%s streamed=%t", r.dialect, r.stream)]++
	}
	t.Logf("%d of %d recordings pass byte for byte, %d broken ones end in an error: %v", passed, len(all)-broken, broken, counts)
}

func isBroken(path string) bool {
	for _, b := range brokenRecordings {
		if strings.Contains(path, b) {
			return true
		}
	}
	return false
}
