package responses_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/proto/fault"
)

const (
	postSearch = `{"type":"custom_tool_call","id":"ctc_a","call_id":"xs_call_a","name":"x_keyword_search","input":"{}","status":"completed"}`
	ownTool    = `{"type":"custom_tool_call","id":"ctc_b","call_id":"call_b","name":"x_user_search","input":"go","status":"completed"}`
	saidItem   = `{"type":"message","id":"msg_a","role":"assistant","status":"completed","content":[{"type":"output_text","text":"found","annotations":[]}]}`
)

// A search that the provider ran is no call that the caller has to answer.
func TestHostedCustomTools(t *testing.T) {
	for _, c := range []struct {
		items string
		stop  canon.Stop
		calls int
	}{
		{postSearch + "," + saidItem, canon.StopEnd, 0},
		{postSearch + "," + ownTool, canon.StopTools, 1},
	} {
		var a canon.Answer
		body := `{"id":"resp_a","object":"response","status":"completed","output":[` + c.items + `]}`
		if f := format.ReadAnswer([]byte(body), &a); f != nil {
			t.Fatal(f)
		}
		if a.Choices[0].Stop != c.stop {
			t.Errorf("stop %d for %s", a.Choices[0].Stop, c.items)
		}
		if same := string(format.AppendAnswer(nil, &a)); !strings.Contains(same, postSearch) {
			t.Errorf("the search is not as it was: %s", same)
		}
		chat := string(openai.Format{}.AppendAnswer(nil, &a))
		if n := strings.Count(chat, `"custom":{"name":"x_user_search"`); n != c.calls || strings.Contains(chat, `"custom":{"name":"x_keyword_search"`) {
			t.Errorf("chat gets %s", chat)
		}
	}
}

// What a caller sends back of such a search asks for no result.
func TestHostedCustomToolsInRequests(t *testing.T) {
	body := `{"model":"m","input":[{"role":"user","content":"q"},` + postSearch + `,` + saidItem + `,{"role":"user","content":"more"}]}`
	var req canon.Request
	if f := format.ReadRequest([]byte(body), &req); f != nil {
		t.Fatal(f)
	}
	for _, m := range req.Messages {
		for _, p := range m.Parts {
			if p.Kind == canon.ToolCallPart {
				t.Errorf("a call that nobody answers: %s", p.Name)
			}
		}
	}
	for _, to := range []dialect.Format{format, openai.Format{}} {
		var lost canon.Losses
		out, f := to.AppendRequest(nil, &req, &canon.Target{Model: "m"}, &lost)
		kept := strings.Contains(string(out), `"x_keyword_search"`)
		if f != nil || kept != (to.Name() == canon.Responses) || !kept && len(lost) == 0 {
			t.Errorf("%s: %s, lost %v, %v", to.Name(), out, lost, f)
		}
	}
}

// A stream may end with an event of another name, and the proof of thoughts may
// come in an item that no longer has their text.
func TestStreamOfHostedTools(t *testing.T) {
	all := lines(`{"type":"response.created","response":{"id":"resp_a","object":"response","status":"in_progress","output":[]}}
{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_a","type":"reasoning","summary":[]}}
{"type":"response.reasoning_summary_text.delta","item_id":"rs_a","output_index":0,"summary_index":0,"delta":"hm"}
{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_a","type":"reasoning","summary":[],"encrypted_content":"PROOF"}}
{"type":"response.output_item.added","output_index":1,"item":{"type":"custom_tool_call","id":"ctc_a","call_id":"xs_call_a","name":"x_keyword_search","input":"","status":"in_progress"}}
{"type":"response.custom_tool_call_input.delta","item_id":"ctc_a","output_index":1,"delta":"{}"}
{"type":"response.custom_tool_call_input.done","item_id":"ctc_a","output_index":1,"input":"{}"}
{"type":"response.output_item.done","output_index":1,"item":` + postSearch + `}
{"type":"response.output_item.done","output_index":2,"item":` + saidItem + `}
{"type":"response.done","response":{"id":"resp_a","object":"response","status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}`)
	whole, err := follow(all)
	if err != nil || !whole.Done {
		t.Fatal(err)
	}
	c := whole.Answer.Choices[0]
	if len(c.Parts) != 3 || c.Stop != canon.StopEnd || whole.Answer.Usage.Output != 2 {
		t.Fatalf("%+v", c)
	}
	thoughts, search, text := &c.Parts[0], &c.Parts[1], &c.Parts[2]
	if !thoughts.Text.Is("hm") || !thoughts.Signature.Is("PROOF") || search.Kind != canon.OpaquePart || !text.Text.Is("found") {
		t.Errorf("%+v", c.Parts)
	}
}

// The name of the event says enough.
func TestFailureWithoutStatus(t *testing.T) {
	_, err := follow(lines(`{"type":"response.failed","response":{"id":"resp_a","object":"response","output":[],"error":null}}`))
	if err == nil || fault.From(err).Kind != fault.UpstreamError {
		t.Errorf("%v", err)
	}
}

func lines(text string) (all [][]byte) {
	for l := range strings.Lines(text) {
		all = append(all, []byte(strings.TrimSpace(l)))
	}
	return all
}
