package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

var megabytes = strings.Repeat("many words ", 200_000)

// large are streams with an event of 2 MB, as providers send them: a picture,
// or a response that repeats all of its text.
var large = []struct {
	dialect, name string
	events        []string
	// caller is the index of the caller who speaks the same.
	caller int
	// translates says that nothing is lost by leaving the event out.
	translates bool
	output     int64
}{
	{providerkind.OpenAIChat, "picture", []string{
		`{"id":"c","choices":[{"index":0,"delta":{"images":[{"image_url":{"url":"data:image/png;base64,` + megabytes + `"}}]}}]}`,
		chatFinish, `{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2000}}`, "[DONE]",
	}, 0, false, 2000},
	{providerkind.Responses, "response", []string{
		responseHead, responseItem,
		`{"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"many words "}`,
		`{"type":"response.output_text.done","item_id":"m","output_index":0,"content_index":0,"text":"` + megabytes + `"}`,
		`{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"` + megabytes + `"}]}}`,
		`{"type":"response.completed","response":{"id":"r","status":"completed","model":"m","output":[{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"` +
			megabytes + `"}]}],"usage":{"input_tokens":10,"output_tokens":2000}}}`,
	}, 1, true, 2000},
	{providerkind.Anthropic, "page", []string{
		messageHead,
		`{"type":"content_block_start","index":0,"content_block":{"type":"web_fetch_tool_result","tool_use_id":"t","content":{"type":"web_fetch_result","content":{"source":{"data":"` + megabytes + `"}}}}}`,
		`{"type":"content_block_stop","index":0}`, messageFinish, `{"type":"message_stop"}`,
	}, 2, false, 5},
	{providerkind.Gemini, "picture", []string{
		`{"candidates":[{"index":0,"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"` + megabytes + `"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1290}}`,
	}, 3, false, 1290},
}

// TestLargeEventsPass: an event that is larger than what is held of one passes
// byte for byte between those who speak the same, and its usage is found.
// Translated it is a fault, unless it only tells again what was told.
func TestLargeEventsPass(t *testing.T) {
	for _, l := range large {
		t.Run(l.dialect+" "+l.name, func(t *testing.T) {
			var stream strings.Builder
			for _, ev := range l.events {
				if rest, ok := strings.CutPrefix(ev, `{"type":"`); ok {
					kind, _, _ := strings.Cut(rest, `"`)
					stream.WriteString("event: " + kind + "\n")
				}
				stream.WriteString("data: " + ev + "\n\n")
			}
			g, key := speaking(t, l.dialect, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, stream.String())
			})
			a := callers[l.caller].call(g, callers[l.caller].streamPath, callers[l.caller].streamBody, key, "fast")
			passed := a.body
			if l.dialect == providerkind.OpenAIChat {
				// The usage was asked for by the gateway alone.
				usage := "data: " + l.events[2] + "\n\n"
				passed = strings.Replace(a.body, "data: [DONE]", usage+"data: [DONE]", 1)
			}
			if passed != stream.String() {
				t.Errorf("%d bytes became %d", stream.Len(), len(a.body))
			}
			if ev := g.ledger.wait(t, 0); ev.Estimated || ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.Tokens.Output != l.output {
				t.Errorf("event: %v", ev)
			}
			other := callers[(l.caller+1)%len(callers)]
			a = other.call(g, other.streamPath, other.streamBody, key, "fast")
			ev := g.ledger.wait(t, 1)
			if l.translates {
				if ev.Estimated || ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.Tokens.Output != l.output || !strings.Contains(a.body, other.last) || strings.Count(a.body, "many words ") != 1 {
					t.Errorf("%s: %.300s, event %v", other.name, a.body, ev)
				}
			} else if ev.ErrorCode != fault.UpstreamTooLarge.Code || !strings.Contains(a.body, fault.UpstreamTooLarge.Code) {
				t.Errorf("%s: %.300s, event %v", other.name, a.body, ev)
			}
		})
	}
}

// speaking is a gateway in front of a provider of this dialect.
func speaking(t *testing.T, dialect string, handler http.HandlerFunc) (*gateway, string) {
	t.Helper()
	up := httptest.NewServer(handler)
	t.Cleanup(up.Close)
	return behindURL(t, up.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) { c.Dialect, c.Provider = dialect, providerkind.Custom })
}

// TestALargeEventThatBreaksOff: the fault stands in an event of its own, and
// the stream has no good end.
func TestALargeEventThatBreaksOff(t *testing.T) {
	g, key := speaking(t, providerkind.OpenAIChat, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"`+megabytes)
	})
	a := g.chat(key, `{"model":"fast","stream":true,"messages":[]}`)
	_, end, found := strings.Cut(a.body, "\n\n")
	if !found || !strings.HasPrefix(end, "data: {\"error\"") || !strings.Contains(end, fault.UpstreamReset.Code) {
		t.Errorf("the stream ends with %q", a.body[max(0, len(a.body)-500):])
	}
	if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || !ev.Estimated {
		t.Errorf("event: %v", ev)
	}
}
