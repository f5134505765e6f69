package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// carrier is a gateway with one tenant whose provider is handler.
func carrier(t testing.TB, handler http.HandlerFunc, change func(*configv1.Credential, *configv1.Model)) (g *gateway, key string) {
	t.Helper()
	up := httptest.NewServer(handler)
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ = w.Key(acme, nil)
	w.Route(acme, "ear", "provider-model", up.URL+"/v1", providerSecret, change)
	return start(t, w, nil), key
}

// aForm is a form with a model and a file.
func aForm(model string, file []byte, fields ...string) (contentType, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.WriteField("model", model)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	f, _ := w.CreateFormFile("file", "a.wav")
	f.Write(file)
	w.Close()
	return w.FormDataContentType(), b.String()
}

var cassetteBody = regexp.MustCompile(`(?s)response:.*?body: \|-\n(.*?)\n        headers:`)

func cassettes(t *testing.T) map[string]string {
	out := map[string]string{}
	for _, name := range recordings.Glob(t, "envoy-ai-gateway/cassettes/audio-*.yaml") {
		data := recordings.Read(t, name)
		found := cassetteBody.FindSubmatch(data)
		if found == nil {
			t.Fatalf("%s: no body", name)
		}
		body := strings.ReplaceAll("\n"+string(found[1]), "\n            ", "\n")
		out[filepath.Base(name)] = body[1:]
	}
	return out
}

func TestRecordedTranscriptions(t *testing.T) {
	for name, recorded := range cassettes(t) {
		file := bytes.Repeat([]byte("RIFF\r\n--"), 100<<10)
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(8 << 20); err != nil {
				t.Error(err)
				return
			}
			f, _, err := r.FormFile("file")
			if err != nil {
				t.Error(err)
				return
			}
			got, _ := io.ReadAll(f)
			if r.Form.Get("model") != "provider-model" || r.Form.Get("language") != "en" || !bytes.Equal(got, file) || r.Header.Get("Authorization") != "Bearer "+providerSecret {
				t.Errorf("%s: form %v, %d bytes, %q", name, r.Form, len(got), r.Header.Get("Authorization"))
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", "req_theirs")
			w.Header().Set("Set-Cookie", "a=b")
			io.WriteString(w, recorded)
		}, nil)
		operation := "transcription"
		if strings.Contains(name, "translation") {
			operation = "translation"
		}
		kind, form := aForm("ear", file, "language", "en")
		a := g.do("POST", "/v1/audio/"+operation+"s", key, form, "Content-Type", kind)
		if a.StatusCode != 200 || a.body != recorded || a.Header.Get("X-Tollgate-Upstream-Request-Id") != "req_theirs" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v %q", name, a.StatusCode, a.Header, a.body)
		}
		ev := g.ledger.wait(t, 0)
		var want int64
		if strings.Contains(recorded, `"seconds": 7`) {
			want = 7000
		}
		if ev.Operation != operation || ev.Route != "ear" || ev.GetUnits().GetAudioMilliseconds() != want || ev.Estimated != (want == 0) || ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.HttpStatus != 200 {
			t.Errorf("%s: event %v", name, ev)
		}
	}
}

func TestOtherAnswersOfTranscription(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		estimated  bool
		tokens     *usagev1.Tokens
		ms         int64
	}{
		{"text/plain; charset=utf-8", "Hello there.\n", true, &usagev1.Tokens{Output: 4}, 0},
		{"text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n", true, &usagev1.Tokens{Output: 10}, 0},
		{"application/json", `{"text":"x","usage":{"prompt_tokens":5}}`, true, &usagev1.Tokens{Output: 10}, 0},
		{"application/json", `{"task":"transcribe","duration":8.47,"text":"x","segments":[{"duration":1}]}`, false, &usagev1.Tokens{}, 8470},
		{"application/json", `{"text":"x","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":45,"total_tokens":59}}`,
			false, &usagev1.Tokens{Input: 4, AudioInput: 10, Output: 45}, 0},
		{"text/event-stream", "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":3,\"input_token_details\":{\"audio_tokens\":3},\"output_tokens\":1}}\n\n",
			false, &usagev1.Tokens{AudioInput: 3, Output: 1}, 0},
	} {
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", c.kind)
			io.WriteString(w, c.body)
		}, nil)
		kind, form := aForm("ear", []byte("x"))
		a := g.do("POST", "/t/acme/v1/audio/transcriptions", key, form, "Content-Type", kind)
		ev := g.ledger.wait(t, 0)
		if a.StatusCode != 200 || a.body != c.body || a.Header.Get("Content-Type") != c.kind || ev.Estimated != c.estimated ||
			ev.GetUnits().GetAudioMilliseconds() != c.ms || ev.Tokens.String() != c.tokens.String() || ev.Streamed != strings.HasPrefix(c.kind, "text/event") {
			t.Errorf("%s: %d %q, event %v", c.kind, a.StatusCode, a.body, ev)
		}
	}
}

func TestSpeechStreamsAsItArrives(t *testing.T) {
	heard := make(chan bool)
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != `{"model":"provider-model","input":"Gr\u00fc\u00dfe!","voice":"x"}` {
			t.Errorf("body %s", b)
		}
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Write([]byte("first"))
		w.(http.Flusher).Flush()
		<-heard
		w.Write([]byte("last"))
	}, nil)
	req, _ := http.NewRequest("POST", g.url+"/v1/audio/speech", strings.NewReader(`{"model":"ear","input":"Gr\u00fc\u00dfe!","voice":"x"}`))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "first" {
		t.Fatalf("%q %v", b, err)
	}
	close(heard)
	rest, err := io.ReadAll(resp.Body)
	ev := g.ledger.wait(t, 0)
	if err != nil || string(rest) != "last" || resp.Header.Get("Content-Type") != "audio/mpeg" || ev.GetUnits().GetCharacters() != 6 || ev.Operation != "speech" {
		t.Errorf("%q %v %v, event %v", rest, err, resp.Header, ev)
	}
	// The tenant has a price for tokens, of which nobody told.
	if !ev.Estimated || ev.Tokens.Input == 0 || resp.Trailer.Get("X-Tollgate-Cost") == "" {
		t.Errorf("trailer %v, event %v", resp.Trailer, ev)
	}
}

func TestSpeechAsEvents(t *testing.T) {
	events := "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":5,\"output_tokens\":9,\"total_tokens\":14}}\n\n"
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, events)
	}, nil)
	a := g.do("POST", "/v1/audio/speech", key, `{"model":"ear","input":"Hello","stream_format":"sse"}`)
	ev := g.ledger.wait(t, 0)
	if a.body != events || ev.Tokens.Input != 5 || ev.Tokens.AudioOutput != 9 || ev.Estimated || !ev.Streamed || ev.CostNano == 0 {
		t.Errorf("%q, event %v", a.body, ev)
	}
}

func TestImageEdits(t *testing.T) {
	large := strings.Repeat("iVBORw0KGgo", 200<<10)
	answer := `{"created":1,"data":[{"b64_json":"` + large + `"},{"b64_json":"x"}],"usage":{"input_tokens":20,"input_tokens_details":{"text_tokens":8,"image_tokens":12},"output_tokens":30,"total_tokens":50}}`
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}, nil)
	for i, path := range []string{"/v1/images/edits", "/v1/images/variations"} {
		kind, form := aForm("ear", []byte("png"))
		a := g.do("POST", path, key, form, "Content-Type", kind)
		ev := g.ledger.wait(t, i)
		if a.body != answer || ev.Tokens.Input != 8 || ev.Tokens.ImageInput != 12 || ev.Tokens.ImageOutput != 30 || ev.Units.GetImages() != 2 || ev.Estimated {
			t.Errorf("%s: %d bytes, event %v", path, len(a.body), ev)
		}
	}
}

func TestModelOfAFormNamedElsewhere(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(8 << 20); err != nil || fmt.Sprint(r.Form["model"]) != "[provider-model]" || r.URL.RawQuery != "" {
			t.Errorf("%v %v %q", err, r.Form, r.URL.RawQuery)
		}
		io.WriteString(w, "ok")
	}, nil)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	f, _ := w.CreateFormFile("file", "a.wav")
	f.Write(make([]byte, 2<<20))
	w.WriteField("model", "whatever")
	w.Close()
	form := b.String()
	if a := g.do("POST", "/v1/audio/transcriptions?model=ear", key, form, "Content-Type", w.FormDataContentType()); a.StatusCode != 200 {
		t.Errorf("query: %d %s", a.StatusCode, a.body)
	}
	if a := g.do("POST", "/v1/audio/transcriptions", key, form, "Content-Type", w.FormDataContentType(), "X-Tollgate-Model", "ear"); a.StatusCode != 200 {
		t.Errorf("header: %d %s", a.StatusCode, a.body)
	}
	g.wantFault(g.do("POST", "/v1/audio/transcriptions", key, form, "Content-Type", w.FormDataContentType()), fault.BadRequest, "model")
	g.wantFault(g.do("POST", "/v1/audio/transcriptions", key, "{}", "Content-Type", "application/json"), fault.UnsupportedMedia, "")
	kind, other := aForm("nobody", nil)
	g.wantFault(g.do("POST", "/v1/audio/transcriptions", key, other, "Content-Type", kind), fault.ModelNotFound, "model")
}

func TestCarriedRefusalOfTheProvider(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		io.WriteString(w, `{"error":{"message":"Audio file is too short `+providerSecret+`","type":"invalid_request_error","code":"audio_too_short"}}`)
	}, nil)
	kind, form := aForm("ear", []byte("x"))
	a := g.do("POST", "/v1/audio/transcriptions", key, form, "Content-Type", kind)
	ev := g.ledger.wait(t, 0)
	if a.StatusCode != 400 || !strings.Contains(a.body, "Audio file is too short") || strings.Contains(a.body, providerSecret) ||
		ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || ev.CostNano != 0 {
		t.Errorf("%d %s, event %v", a.StatusCode, a.body, ev)
	}
}
