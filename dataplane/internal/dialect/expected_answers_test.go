package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// pairs are the dialects, of provider and caller, that the names of expected
// answers stand for; detect passes what it is given.
func pairOf(target string) (provider, caller canon.Dialect, streamed bool) {
	name, streamed := strings.CutSuffix(target, "-streaming")
	known := map[string]canon.Dialect{"completions": canon.OpenAIChat, "messages": canon.Anthropic, "responses": canon.Responses,
		"vertex-gemini": canon.Gemini}
	for from, d := range known {
		if to, ok := strings.CutPrefix(name, from+"-"); ok {
			return d, known[to], streamed
		}
	}
	if name == "gemini-native" {
		return canon.Gemini, canon.Gemini, streamed
	}
	return "", "", streamed
}

// TestAnswersAreAsExpected translates each answer that another gateway was
// asked to translate for its callers, and compares what they would get. Of
// streams it compares what a caller makes of them: text, thoughts, calls, the
// reason of the end and the usage.
func TestAnswersAreAsExpected(t *testing.T) {
	v := verdicts{name: "answers", pairs: map[string][2]int{}, reasons: answerReasons}
	for _, s := range snaps(t, "response/anthropic", "response/completions", "response/responses", "response/vertex-gemini") {
		provider, caller, streamed := pairOf(s.target)
		if caller == "" {
			continue // detect: see TestBrokenAnswers; embeddings and the like: their own packages
		}
		body, err := os.ReadFile(s.source + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var diffs []difference
		if streamed {
			diffs, err = streamAsExpected(provider, caller, body, s.body)
		} else {
			diffs, err = answerAsExpected(t, provider, caller, body, s.body)
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		v.judge(t, s.name, fmt.Sprintf("%s for %s%s", provider, caller, map[bool]string{true: ", streamed"}[streamed]), diffs)
	}
	v.done(t)
}

func answerAsExpected(t *testing.T, provider, caller canon.Dialect, body, snap []byte) ([]difference, error) {
	t.Helper()
	expected := decode(t, snap).(map[string]any)
	var a canon.Answer
	if f := formatOf(provider).ReadAnswer(body, &a); f != nil {
		return nil, f
	}
	got := body
	if provider != caller {
		got = formatOf(caller).AppendAnswer(nil, &a)
	}
	diffs := compare(settled(expected["response"]), settled(decode(t, got)))
	if parsed, ok := expected["parsed"].(map[string]any); ok {
		diffs = append(diffs, tokensAsExpected(parsed, &a.Usage)...)
	}
	return diffs, nil
}

// settled gives what differs from run to run, and what is not there, one form:
// null is nothing.
func settled(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, m := range x {
			switch {
			case m == nil:
				delete(x, k)
			case k == "id" || k == "created" || k == "created_at" || k == "item_id" || k == "responseId":
				x[k] = "settled"
			default:
				x[k] = settled(m)
			}
		}
	case []any:
		for i := range x {
			x[i] = settled(x[i])
		}
	}
	return v
}

// tokensAsExpected compares what was read of the usage, where something is
// expected.
func tokensAsExpected(parsed map[string]any, u *canon.Usage) []difference {
	if parsed["input_tokens"] == nil {
		return nil
	}
	cached, _ := parsed["cached_input_tokens"].(float64)
	written, _ := parsed["cache_creation_input_tokens"].(float64)
	ours := map[string]any{
		"output_tokens": float64(u.Completion()), "cached_input_tokens": float64(u.CacheRead), "cache_creation_input_tokens": float64(u.CacheWrite),
		"reasoning_tokens": float64(u.Reasoning), "input_audio_tokens": float64(u.AudioInput), "output_audio_tokens": float64(u.AudioOutput),
	}
	theirs := map[string]any{}
	for k := range ours {
		if theirs[k] = parsed[k]; theirs[k] == nil {
			theirs[k] = 0.0
		}
	}
	// What counts as input differs by dialect: with the caches or without.
	prompt := float64(u.Prompt())
	theirs["input"] = parsed["input_tokens"]
	switch parsed["input_tokens"] {
	case prompt, prompt - cached - written, prompt - cached, prompt - written:
	default:
		ours["input"] = prompt
		return compare(map[string]any{"parsed": theirs}, map[string]any{"parsed": ours})
	}
	delete(theirs, "input")
	return compare(map[string]any{"parsed": theirs}, map[string]any{"parsed": ours})
}

// streamAsExpected compares what callers make of two streams.
func streamAsExpected(provider, caller canon.Dialect, body, snap []byte) ([]difference, error) {
	payloads, err := payloadsOf(formatOf(provider), append(bytes.TrimSpace(body), "\n\n"...))
	if err != nil {
		return nil, err
	}
	whole, events, err := fold(formatOf(provider), payloads)
	if err != nil {
		return nil, err
	}
	ours := whole
	if provider != caller {
		if ours, _, err = streamThrough(formatOf(caller), events); err != nil {
			return nil, err
		}
	}
	text := "\n" + string(snap) + "\n"
	at := strings.LastIndex(text, "\n{")
	if at < 0 {
		text += "{}"
		at = len(text) - 3
	}
	theirPayloads, err := payloadsOf(formatOf(caller), []byte(strings.TrimSpace(text[:at])+"\n\n"))
	if err != nil {
		return nil, fmt.Errorf("theirs: %w", err)
	}
	theirs, _, err := fold(formatOf(caller), theirPayloads)
	var diffs []difference
	if err != nil {
		diffs = append(diffs, difference{"stream", "cannot be read: " + fault.From(err).Error(), "whole"})
	}
	diffs = append(diffs, compare(said(&theirs.Answer), said(&ours.Answer))...)
	var parsed map[string]any
	if err := json.Unmarshal([]byte(text[at:]), &parsed); err != nil {
		return nil, err
	}
	return append(diffs, tokensAsExpected(parsed, &whole.Answer.Usage)...), nil
}

// said is what a caller makes of an answer.
func said(a *canon.Answer) any {
	out := []any{}
	for _, e := range essences(a, 0) {
		calls := []any{}
		for _, c := range e.Calls {
			calls = append(calls, map[string]any{"name": c.Name, "arguments": c.Args})
		}
		out = append(out, map[string]any{"text": e.Text, "reasoning": e.Reasoning, "calls": calls, "stop": float64(e.Stop)})
	}
	u := &a.Usage
	return map[string]any{"choices": out, "prompt": float64(u.Prompt()), "completion": float64(u.Completion()), "cached": float64(u.CacheRead), "thought": float64(u.Reasoning)}
}

// TestBrokenAnswers: what is no answer of the dialect is a fault of a known
// kind, whole and as a stream, and ends.
func TestBrokenAnswers(t *testing.T) {
	files := recordings.Glob(t, expectations+"/response/detect/*")
	n := 0
	for _, path := range files {
		if strings.HasSuffix(path, ".snap") {
			continue
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range formats {
			var a canon.Answer
			if bad := f.ReadAnswer(body, &a); bad == nil {
				t.Errorf("%s is an answer of %s: %+v", filepath.Base(path), f.Name(), a)
			}
			var whole canon.Fold
			r := f.NewReader()
			var s sse.Splitter
			err := s.Feed(body, func(ev []byte) error {
				name, data, ok := sse.Parse(ev)
				if !ok {
					return nil
				}
				return r.Read(name, data, whole.Add)
			})
			if err == nil {
				err = r.End(whole.Add)
			}
			var typed *fault.Fault
			if !errors.As(err, &typed) {
				t.Errorf("%s as a stream of %s: %v, want a fault", filepath.Base(path), f.Name(), err)
			}
			n += 2
		}
	}
	t.Logf("%d readings of broken answers end in a fault", n)
}
