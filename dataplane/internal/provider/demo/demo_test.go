package demo

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

func ask(t *testing.T, body, suffix string) (*Response, string) {
	t.Helper()
	r, err := Do(&Call{Body: []byte(body), Suffix: suffix, Cancel: new(provider.Cancel)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.ReadAll(4 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestStreamSaysWhatThePlainAnswerSays(t *testing.T) {
	const q = `"model":"demo","messages":[{"role":"user","content":"How are you, \"demo\"?"}]`
	var plain struct {
		Choices []struct{ Message struct{ Content string } }
		Usage   usage
	}
	_, body := ask(t, "{"+q+"}", "")
	if err := json.Unmarshal([]byte(body), &plain); err != nil {
		t.Fatal(err)
	}
	_, stream := ask(t, `{"stream":true,"stream_options":{"include_usage":true},`+q+"}", "")
	var text strings.Builder
	var u usage
	for ev := range strings.SplitSeq(strings.TrimSpace(stream), "\n\n") {
		data := strings.TrimPrefix(ev, "data: ")
		if data == "[DONE]" {
			continue
		}
		var c struct {
			Choices []struct{ Delta struct{ Content string } }
			Usage   *usage
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		for _, ch := range c.Choices {
			text.WriteString(ch.Delta.Content)
		}
		if c.Usage != nil {
			u = *c.Usage
		}
	}
	if text.String() != plain.Choices[0].Message.Content || u != plain.Usage || u.Completion == 0 {
		t.Errorf("stream %q %+v, plain %q %+v", text.String(), u, plain.Choices[0].Message.Content, plain.Usage)
	}
	if !strings.HasSuffix(stream, "data: [DONE]\n\n") {
		t.Error("stream has no end")
	}
}

func TestFormatsAndLimits(t *testing.T) {
	const msg = `"messages":[{"role":"user","content":"give me a tool"}]`
	for name, c := range map[string]struct{ body, suffix, want string }{
		"JSON mode":    {`{"response_format":{"type":"json_object"},` + msg + `}`, "", `\"demo\":true`},
		"JSON schema":  {`{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{"n":{"type":"integer"}}}}},` + msg + `}`, "", `{\"n\":1}`},
		"no tools":     {`{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none",` + msg + `}`, "", `"finish_reason":"stop"`},
		"asked tool":   {`{"tools":[{"type":"function","function":{"name":"f"}}],` + msg + `}`, "", `"finish_reason":"tool_calls"`},
		"max tokens":   {`{"max_tokens":3,` + msg + `}`, "", `"finish_reason":"length"`},
		"tokens":       {`{` + msg + `}`, "tokens=1000", `"completion_tokens":1000`},
		"two":          {`{"n":2,` + msg + `}`, "", `"index":1`},
		"status":       {`{` + msg + `}`, "status=429", `"error"`},
		"no message":   {`{"messages":[]}`, "", `"error"`},
		"too many":     {`{"n":1000000000,` + msg + `}`, "", `"invalid_n"`},
		"invalid type": {`{"messages":7}`, "", `"error"`},
	} {
		if _, body := ask(t, c.body, c.suffix); !strings.Contains(body, c.want) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestOptions(t *testing.T) {
	b, err := parseBehaviour("latency=1ms, tokens=5", "latency=2ms,size=1KB")
	if err != nil || b.latency != 2*time.Millisecond || b.tokens != 5 || b.size != 1024 {
		t.Errorf("%+v %v", b, err)
	}
	for _, s := range []string{"latency=1h", "latency=-1s", "tokens=0", "tokens=x", "size=2MB", "size=99999999999MB", "status=100", "status=301", "fail=badly", "nothing=1"} {
		if _, err := parseBehaviour(s, ""); err == nil {
			t.Errorf("%s is accepted", s)
		}
	}
}

func TestFailures(t *testing.T) {
	const body = `{"stream":true,"messages":[{"role":"user","content":"hi"}]}`
	r, err := Do(&Call{Body: []byte(body), Suffix: "fail=reset", Cancel: new(provider.Cancel)})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.ReadAll(1 << 20); !errors.Is(err, fault.New(fault.UpstreamReset, "", nil)) {
		t.Errorf("%q %v", b, err)
	}
	cancel := new(provider.Cancel)
	why := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel.Cancel(why) })
	if _, err := Do(&Call{Body: []byte(body), Suffix: "fail=hang", Cancel: cancel}); !errors.Is(err, why) {
		t.Error(err)
	}
}

func FuzzDo(f *testing.F) {
	f.Add([]byte(`{"model":"demo","stream":true,"n":2,"messages":[{"role":"user","content":[{"text":"a"}]}],"tools":[{"function":{"name":"f","parameters":{"type":["object"],"properties":{"a":{"enum":[1]}}}}}],"tool_choice":{"function":{"name":"f"}}}`))
	f.Add([]byte(`{"messages":[{}],"response_format":{"type":"json_schema"},"max_tokens":-1,"n":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Do(&Call{Body: body, Cancel: new(provider.Cancel)})
		if err != nil {
			t.Fatal(err)
		}
		r.ReadAll(64 << 20)
	})
}
