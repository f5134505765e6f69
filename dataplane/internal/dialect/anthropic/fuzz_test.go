package anthropic

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// Requests that are accepted are written as JSON, for their own dialect and
// from another, and read back as the same request.
func FuzzReadRequest(f *testing.F) {
	for _, b := range recordings.Seeds(f, "agentgateway/requests/messages/*.json") {
		f.Add(b)
	}
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"content":[{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"}]},"citations":{"enabled":true}}],"type":"tool_result","tool_use_id":"a"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"tollgate/gemini/x/y"},{"type":"tool_use","id":"a","name":"f","input":"{"}]}],"a.b":1,"cache_control":{"type":"x"},"thinking":{"type":"later"},"tools":[{"name":"f","type":null,"cache_control":{"type":"ephemeral","scope":1}}]}`))
	f.Fuzz(checkRequest)
}

func checkRequest(t *testing.T, body []byte) {
	var req, again canon.Request
	bad := Format{}.ReadRequest(body, &req)
	if bad != nil {
		if (bad.Kind == fault.MalformedJSON) != !json.Valid(body) {
			t.Fatalf("%q: %v", body, bad)
		}
		return
	}
	var lost canon.Losses
	out, bad := Format{}.AppendRequest(nil, &req, &canon.Target{}, &lost)
	if bad != nil || !json.Valid(out) {
		t.Fatalf("%q became %q: %v", body, out, bad)
	}
	if bad := (Format{}).ReadRequest(out, &again); bad != nil {
		t.Fatalf("%q became %q: %v", body, out, bad)
	}
	twice, _ := Format{}.AppendRequest(nil, &again, &canon.Target{}, &lost)
	if sorted(out) != sorted(twice) {
		t.Fatalf("%q became %q, and that %q", body, out, twice)
	}
	req.From = canon.Gemini
	if out, _ = (Format{}).AppendRequest(nil, &req, &canon.Target{Model: "claude-opus-4-8"}, &lost); !json.Valid(out) {
		t.Fatalf("%q became %q", body, out)
	}
	if out, _ = AppendCountTokens(nil, &req, &canon.Target{}, &lost); !json.Valid(out) {
		t.Fatalf("%q became %q", body, out)
	}
}

// Answers that are accepted are written as JSON and read back the same, plain
// and streamed, by this dialect or said to be another's.
func FuzzReadAnswer(f *testing.F) {
	for _, body := range answers(f) {
		f.Add(body)
	}
	a := foreign()
	f.Add(Format{}.AppendAnswer(nil, &a))
	f.Fuzz(checkAnswer)
}

func checkAnswer(t *testing.T, body []byte) {
	var a, b canon.Answer
	if (Format{}).ReadAnswer(body, &a) != nil {
		return
	}
	for _, from := range []canon.Dialect{canon.Anthropic, canon.Gemini} {
		a.From = from
		out := Format{}.AppendAnswer(nil, &a)
		if !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		if bad := (Format{}).ReadAnswer(out, &b); bad != nil {
			t.Fatalf("%q became %q: %v", body, out, bad)
		}
		u := a.Usage
		if u.Input < 0 || u.Output < 0 || u.CacheWriteHour > u.CacheWrite || u.Reasoning > u.Output {
			t.Fatalf("%q has usage %+v", body, u)
		}
	}
	w := written{w: Format{}.NewWriter(nil)}
	emitted(&a, w.add)
	checkWire(t, w.out)
}

// checkWire holds a stream to what SDKs can read.
func checkWire(t *testing.T, wire []byte) {
	t.Helper()
	var split sse.Splitter
	err := split.Feed(wire, func(ev []byte) error {
		name, payload, ok := sse.Parse(ev)
		var e map[string]json.RawMessage
		if !ok || json.Unmarshal(payload, &e) != nil || string(e["type"]) != `"`+string(name)+`"` {
			t.Fatalf("%q is no event", ev)
		}
		return nil
	})
	if err != nil || len(split.Rest()) > 0 {
		t.Fatalf("%v, rest %q", err, split.Rest())
	}
}

// However a stream is torn, its events are the same, and what is written of
// them can be read again.
func FuzzReader(f *testing.F) {
	for _, wire := range streams(f) {
		if len(wire) < 20<<10 {
			f.Add(wire, uint8(7))
		}
	}
	a := foreign()
	w := written{w: Format{}.NewWriter(nil)}
	emitted(&a, w.add)
	f.Add(w.out, uint8(1))
	f.Fuzz(checkStream)
}

func checkStream(t *testing.T, wire []byte, size uint8) {
	var one, two canon.Fold
	w := written{w: Format{}.NewWriter(nil)}
	err := follow(wire, len(wire)+1, func(ev *canon.Event) error {
		if err := one.Add(ev); err != nil {
			return err
		}
		return w.add(ev)
	})
	torn := follow(wire, int(size)+1, two.Add)
	if (err == nil) != (torn == nil) || shown(&one.Answer, true) != shown(&two.Answer, true) {
		t.Fatalf("whole: %v %s\nin pieces of %d: %v %s", err, shown(&one.Answer, true), size, torn, shown(&two.Answer, true))
	}
	checkWire(t, w.out)
	if err != nil {
		return
	}
	again, err := fold(w.out)
	if err != nil || !again.Done {
		t.Fatalf("%q became %q: %v", wire, w.out, err)
	}
}

func FuzzUntag(f *testing.F) {
	f.Add([]byte(`"tollgate/gemini/a/b"`))
	f.Add([]byte(`"tollgate/gemini/a\/b/c"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 || raw[0] != '"' || !json.Valid(raw) {
			return
		}
		sig, id, from := untag(raw)
		for _, p := range []canon.Text{sig, id} {
			if p != nil && !json.Valid(p) {
				t.Fatalf("%q came apart as %q, %q", raw, sig, id)
			}
		}
		again := appendTagged(nil, sig, id, from)
		if !json.Valid(again) {
			t.Fatalf("%q became %q", raw, again)
		}
		if from != "" && !ours(from) && sig != nil && !bytes.Equal(again, raw) {
			t.Fatalf("%q became %q", raw, again)
		}
	})
}

// mutants are bodies with one value replaced, left out, or given under a name
// of another meaning.
//
// Every third is tried: all of them take long, and find no more.
func mutants(body []byte, try func([]byte)) {
	n := 0
	var root any
	if json.Unmarshal(body, &root) != nil {
		return
	}
	show := func() {
		if n++; n%3 != 0 {
			return
		}
		b, _ := json.Marshal(root)
		try(b)
	}
	strange := []any{nil, true, -1.5, 3.0, "x\"\n", "{", []any{}, []any{1.0}, map[string]any{}, map[string]any{"type": "text", "text": "t"}, []any{map[string]any{"type": "later", "content": []any{}}}}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				was := v[k]
				for _, s := range strange {
					v[k] = s
					show()
				}
				delete(v, k)
				show()
				for _, other := range []string{"content", "source", "input", "cache_control", "citations", "tollgate", "Type", "a.b"} {
					before, had := v[other]
					v[other] = was
					show()
					if delete(v, other); had {
						v[other] = before
					}
				}
				v[k] = was
				walk(was)
			}
		case []any:
			for i, was := range v {
				for _, s := range strange {
					v[i] = s
					show()
				}
				v[i] = was
				walk(was)
			}
		}
	}
	walk(root)
}

func TestMutants(t *testing.T) {
	n := 0
	for _, p := range recordings.Glob(t, "agentgateway/requests/messages/*.json") {
		mutants(recordings.Read(t, p), func(b []byte) { n++; checkRequest(t, b) })
	}
	const large = 5 << 10
	a := foreign()
	for _, body := range append(slices.Collect(maps.Values(answers(t))), Format{}.AppendAnswer(nil, &a)) {
		if len(body) < large {
			mutants(body, func(b []byte) { n++; checkAnswer(t, b) })
		}
	}
	w := written{w: Format{}.NewWriter(nil)}
	emitted(&a, w.add)
	for _, wire := range append(slices.Collect(maps.Values(streams(t))), w.out) {
		if len(wire) > large {
			continue
		}
		evs := bytes.SplitAfter(wire, []byte("\n\n"))
		for i, ev := range evs {
			_, payload, ok := sse.Parse(ev)
			if !ok {
				continue
			}
			mutants(payload, func(b []byte) {
				n++
				all := slices.Clone(evs)
				all[i] = []byte("data: " + string(b) + "\n\n")
				checkStream(t, bytes.Join(all, nil), 50)
			})
		}
	}
	t.Logf("%d mutants", n)
}
