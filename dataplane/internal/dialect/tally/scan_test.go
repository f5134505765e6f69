package tally

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestMembersAreFoundAnywhere(t *testing.T) {
	body := `{"created":1,"data":[{"b64_json":"ab\"{[\\","usage":{"no":1}},{"x":[1,2]},3],"model" : "gpt","usage":{"input_tokens":7,"d":{"a":[1,{"b":"}"}]}} ,"duration":8.5,"type":"x"}`
	for _, size := range []int{1, 2, 3, 7, len(body)} {
		var r Reader
		r.Reset(false)
		for rest := []byte(body); len(rest) > 0; {
			n := min(size, len(rest))
			r.Feed(rest[:n])
			rest = rest[n:]
		}
		if string(r.Usage()) != `{"input_tokens":7,"d":{"a":[1,{"b":"}"}]}}` || string(r.Model()) != `"gpt"` ||
			string(r.Duration()) != "8.5" || string(r.Type()) != "x" || r.Items != 3 {
			t.Errorf("pieces of %d: usage %s, model %s, duration %s, type %s, %d items", size, r.Usage(), r.Model(), r.Duration(), r.Type(), r.Items)
		}
	}
}

func TestTheLastWordOfAStreamCounts(t *testing.T) {
	events := "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":5}}}\r\n\r\n" +
		": ping\n\ndata:{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":2}}\n\n" +
		"data: {\"type\":\"message_delta\",\n" + "data: \"usage\":{\"output_tokens\":3}}\n\ndata: {\"type\":\"message_stop\"}\n\n"
	for _, size := range []int{1, 4, 11, len(events)} {
		var r Reader
		r.Reset(true)
		for rest := []byte(events); len(rest) > 0; {
			n := min(size, len(rest))
			r.Feed(rest[:n])
			rest = rest[n:]
		}
		if string(r.Start()) != `{"input_tokens":5}` || string(r.Usage()) != `{"output_tokens":3}` || string(r.Type()) != "message_stop" || string(r.Model()) != `"m"` || !r.Ended {
			t.Errorf("pieces of %d: start %s, usage %s, type %s, model %s", size, r.Start(), r.Usage(), r.Type(), r.Model())
		}
	}
}

func TestStreamsThatEnd(t *testing.T) {
	for stream, want := range map[string]struct {
		parts int
		ended bool
	}{
		"data: {\"a\":1}\n\n": {1, false}, "data: {\"a\":1}\n\ndata: [DONE]\n\n": {1, true}, "data: [DONE]\r\n": {0, true},
		"data: {\"type\":\"response.created\"}\n\ndata: {\"type\":\"response.done\"}\n\n":                                {2, true},
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n": {1, true},
	} {
		for size := 1; size <= len(stream); size += 5 {
			var r Reader
			r.Reset(true)
			for rest := []byte(stream); len(rest) > 0; {
				n := min(size, len(rest))
				r.Feed(rest[:n])
				rest = rest[n:]
			}
			if r.Parts != want.parts || r.Ended != want.ended {
				t.Errorf("%q in pieces of %d: %d events, ended %t", stream, size, r.Parts, r.Ended)
			}
		}
	}
}

func TestAnArrayOfAnswers(t *testing.T) {
	var r Reader
	r.Reset(false)
	r.Feed([]byte(`[{"candidates":[1],"usageMetadata":{"promptTokenCount":1}}` + "\r\n," + `{"usageMetadata":{"promptTokenCount":2},"modelVersion":"g"}]`))
	if string(r.Usage()) != `{"promptTokenCount":2}` || string(r.Model()) != `"g"` {
		t.Errorf("usage %s, model %s", r.Usage(), r.Model())
	}
}

func TestLargeMembersAreNotKept(t *testing.T) {
	var r Reader
	r.Reset(false)
	r.Feed([]byte(`{"usage":{"x":"`))
	for range 100 {
		r.Feed(bytes.Repeat([]byte("x"), 1<<10))
	}
	r.Feed([]byte(`"},"model":"m"}`))
	if r.Usage() != nil || string(r.Model()) != `"m"` {
		t.Errorf("usage of %d bytes, model %s", len(r.Usage()), r.Model())
	}
}

// FuzzScanner compares with encoding/json, and whole bodies with bodies in
// pieces.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`{"usage":{"a":1},"data":[1,[2],{"usage":3}],"model":"m"}`, `{"message":{"usage":{"a":[]},"x":{"usage":1}},"usage":null}`,
		`[{"usage":{"a":1}},{"usage":{"b":2}}]`, `{"a":{"usage":{"x":1}},"usage":{}}`, `{"data":[],"usage":[1]}`, `{"data":{"usage":{}}}`, `"usage"`, `{"usage"`, `]]]{`,
	} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		var whole, torn Reader
		whole.Reset(false)
		torn.Reset(false)
		whole.Feed(body)
		cut = min(max(cut, 1), len(body))
		for rest := body; len(rest) > 0; {
			n := min(cut, len(rest))
			torn.Feed(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(whole.Usage(), torn.Usage()) || whole.Items != torn.Items || !bytes.Equal(whole.Model(), torn.Model()) {
			t.Fatalf("%q torn at each %d: usage %q and %q, items %d and %d", body, cut, whole.Usage(), torn.Usage(), whole.Items, torn.Items)
		}
		var want struct {
			Usage json.RawMessage            `json:"usage"`
			All   map[string]json.RawMessage `json:"-"`
		}
		if !json.Valid(body) || json.Unmarshal(body, &want.All) != nil || len(want.All) == 0 || len(body) > maxMember {
			return
		}
		raw, only := want.All["usage"], want.All["usageMetadata"] == nil
		// Keys that are written with escapes are not looked for.
		if bytes.ContainsRune(body, '\\') || !only || bytes.Count(body, []byte(`"usage"`)) != 1 || len(raw) == 0 || raw[0] != '{' {
			return
		}
		var a, b bytes.Buffer
		if json.Compact(&a, raw) != nil {
			return
		}
		if err := json.Compact(&b, whole.Usage()); err != nil || a.String() != b.String() {
			t.Fatalf("%q: usage is %q, want %q", body, whole.Usage(), raw)
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"usage\":{\"a\":1}}\n\ndata: [DONE]\n\n"), 3)
	f.Add([]byte("event: x\ndata:{\"usage\":\ndata:{\"a\":1}}\r\n\r\n:\n\n"), 1)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		var whole, torn Reader
		whole.Reset(true)
		torn.Reset(true)
		whole.Feed(body)
		cut = min(max(cut, 1), len(body))
		for rest := body; len(rest) > 0; {
			n := min(cut, len(rest))
			torn.Feed(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(whole.Usage(), torn.Usage()) || !bytes.Equal(whole.Type(), torn.Type()) {
			t.Fatalf("%q torn at each %d: %q and %q", body, cut, whole.Usage(), torn.Usage())
		}
	})
}
