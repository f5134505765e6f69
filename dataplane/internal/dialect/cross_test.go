package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/cohere"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

var formats = []dialect.Format{openai.Format{}, anthropic.Format{}, gemini.Format{}, responses.Format{}, bedrock.Format{}, cohere.Format{}}

func formatOf(d canon.Dialect) dialect.Format {
	for _, f := range formats {
		if f.Name() == d {
			return f
		}
	}
	return nil
}

// recording is an answer: whole, or a stream as the payloads of its events.
type recording struct {
	path     string
	dialect  canon.Dialect
	body     []byte
	payloads [][]byte
}

// recorded finds the answers among the recorded files, by what they hold.
func recorded(t *testing.T) []recording {
	t.Helper()
	dir := recordings.Dir(t)
	var all []recording
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := recording{path: strings.TrimPrefix(path, dir+"/")}
		switch {
		case strings.HasSuffix(path, ".chunks.txt"):
			for line := range bytes.Lines(body) {
				if line = bytes.TrimSpace(line); len(line) > 0 {
					r.payloads = append(r.payloads, line)
				}
			}
		case strings.HasSuffix(path, ".bin"):
			if r.payloads, err = unframed(body); err != nil {
				return nil // what is broken is tried with the dialect
			}
		case !strings.HasSuffix(path, ".json") || strings.Contains(path, "/requests/"):
			return nil
		case bytes.HasPrefix(body, []byte("data:")) || bytes.HasPrefix(body, []byte("event:")):
			if !bytes.HasSuffix(body, []byte("\n\n")) {
				body = append(body, "\n\n"...)
			}
			var s sse.Splitter
			s.Feed(body, func(ev []byte) error {
				if _, data, ok := sse.Parse(ev); ok && string(data) != "[DONE]" {
					r.payloads = append(r.payloads, bytes.Clone(data))
				}
				return nil
			})
		default:
			r.body = body
		}
		if r.dialect = dialectOf(&r); r.dialect != "" {
			all = append(all, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// dialectOf tells what a recording is by its fields; empty when it is no
// answer of a chat.
func dialectOf(r *recording) canon.Dialect {
	first := r.body
	if len(r.payloads) > 0 {
		first = r.payloads[0]
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(first, &m) != nil {
		return ""
	}
	has := func(name, start string) bool { return strings.HasPrefix(string(m[name]), start) }
	switch {
	case has("object", `"text_completion"`):
		return ""
	case has("choices", "["):
		return canon.OpenAIChat
	case has("type", `"message_start"`), has("type", `"message"`) && has("content", "["):
		return canon.Anthropic
	case has("type", `"message-start"`), has("message", "{") && has("finish_reason", `"`):
		return canon.Cohere
	case has("candidates", "["), has("promptFeedback", "{"):
		return canon.Gemini
	case has("object", `"response"`), has("type", `"response.`):
		return canon.Responses
	case has("output", "{") && has("stopReason", `"`), has("messageStart", "{"), has("contentBlockStart", "{"), has("contentBlockDelta", "{"):
		return canon.Bedrock
	}
	return ""
}

// essence is what a translation must not lose.
type essence struct {
	Text, Reasoning, Redacted string
	Signatures                []string
	Calls                     []call
	Stop                      canon.Stop
}

type call struct{ Name, Args string }

func essenceOf(c *canon.Choice) essence {
	e := essence{Stop: c.Stop}
	for i := range c.Parts {
		p := &c.Parts[i]
		switch p.Kind {
		case canon.TextPart, canon.RefusalPart:
			e.Text += p.Text.String()
		case canon.ReasoningPart:
			e.Reasoning += p.Text.String()
			e.Redacted += p.Redacted.String()
			if !p.Signature.Empty() {
				e.Signatures = append(e.Signatures, p.Signature.String())
			}
		case canon.ToolCallPart:
			e.Calls = append(e.Calls, call{p.Name.String(), compact(p.Args)})
		}
	}
	return e
}

// compact gives arguments in one form: none are an empty object, and the free
// text of a custom tool is the object that dialects without such tools get.
func compact(raw canon.Raw) string {
	var b bytes.Buffer
	switch {
	case len(raw) == 0:
		return "{}"
	case raw[0] == '"':
		return `{"input":` + string(raw) + `}`
	case json.Compact(&b, raw) != nil:
		return string(raw)
	}
	return b.String()
}

func essences(a *canon.Answer, only int) []essence {
	choices := slices.Clone(a.Choices)
	slices.SortFunc(choices, func(x, y canon.Choice) int { return x.Index - y.Index })
	var out []essence
	for i := range choices {
		if only > 0 && len(out) == only {
			break
		}
		out = append(out, essenceOf(&choices[i]))
	}
	return out
}

// oneChoice are the dialects whose answers hold a single choice.
func oneChoice(f dialect.Format) int {
	switch f.Name() {
	case canon.Anthropic, canon.Responses, canon.Bedrock, canon.Cohere:
		return 1
	}
	return 0
}

func same(a, b *canon.Answer, only int) error {
	x, y := essences(a, only), essences(b, only)
	if len(x) != len(y) {
		return fmt.Errorf("%d choices became %d", len(x), len(y))
	}
	for i := range x {
		if !reflect.DeepEqual(x[i], y[i]) {
			return fmt.Errorf("choice %d\n was %+v\n now %+v", i, x[i], y[i])
		}
	}
	return nil
}

// through writes an answer in a format and reads it again.
func through(f dialect.Format, a *canon.Answer) (*canon.Answer, error) {
	body := f.AppendAnswer(nil, a)
	if !json.Valid(body) {
		return nil, fmt.Errorf("not JSON: %s", body)
	}
	var again canon.Answer
	if bad := f.ReadAnswer(body, &again); bad != nil {
		return nil, fmt.Errorf("%w\nof %s", bad, body)
	}
	return &again, nil
}

// fold reads a stream to its end.
func fold(f dialect.Format, payloads [][]byte) (*canon.Fold, []canon.Event, error) {
	var whole canon.Fold
	var events []canon.Event
	r := f.NewReader()
	emit := func(ev *canon.Event) error {
		events = append(events, clone(ev))
		return whole.Add(ev)
	}
	for _, p := range payloads {
		var named struct{ Type string }
		json.Unmarshal(p, &named)
		if err := r.Read([]byte(named.Type), p, emit); err != nil {
			return &whole, events, err
		}
	}
	if f.Name() == canon.OpenAIChat {
		if err := r.Read(nil, []byte("[DONE]"), emit); err != nil {
			return &whole, events, err
		}
	}
	return &whole, events, r.End(emit)
}

// clone keeps an event beyond the call that brought it.
func clone(ev *canon.Event) canon.Event {
	c := *ev
	c.Text, c.Raw, c.ID, c.Model = bytes.Clone(ev.Text), bytes.Clone(ev.Raw), bytes.Clone(ev.ID), bytes.Clone(ev.Model)
	c.StopText, c.StopRaw = bytes.Clone(ev.StopText), bytes.Clone(ev.StopRaw)
	c.ServiceTier, c.Fingerprint = bytes.Clone(ev.ServiceTier), bytes.Clone(ev.Fingerprint)
	p := &c.Part
	p.Text, p.ID, p.Name, p.Args = bytes.Clone(p.Text), bytes.Clone(p.ID), bytes.Clone(p.Name), bytes.Clone(p.Args)
	p.Signature, p.Redacted, p.Raw = bytes.Clone(p.Signature), bytes.Clone(p.Redacted), bytes.Clone(p.Raw)
	p.Media.Data, p.Media.Type = bytes.Clone(p.Media.Data), bytes.Clone(p.Media.Type)
	p.Citations = slices.Clone(p.Citations)
	for i := range p.Citations {
		x := &p.Citations[i]
		x.URL, x.Title, x.Quote, x.Raw = bytes.Clone(x.URL), bytes.Clone(x.Title), bytes.Clone(x.Quote), bytes.Clone(x.Raw)
	}
	c.Usage.Raw, c.Usage.Cost = bytes.Clone(ev.Usage.Raw), bytes.Clone(ev.Usage.Cost)
	return c
}

// streamThrough writes events in a format and reads the stream again.
func streamThrough(f dialect.Format, events []canon.Event) (*canon.Fold, []canon.Event, error) {
	w := f.NewWriter(&canon.Request{Stream: true, IncludeUsage: true})
	var b []byte
	for i := range events {
		b = w.Append(b, &events[i])
	}
	payloads, err := payloadsOf(f, b)
	if err != nil {
		return nil, nil, err
	}
	whole, again, err := fold(f, payloads)
	if err != nil {
		err = fmt.Errorf("%w\nof %s", err, b)
	}
	return whole, again, err
}

// broken are recordings of providers that broke the rules of their dialect.
var broken = []string{"spliced-message-start.chunks.txt"}

// TestEveryAnswerInEveryDialect: each recorded answer keeps its text, calls,
// reasoning and stop reason in each dialect and on the way back.
func TestEveryAnswerInEveryDialect(t *testing.T) {
	table := newTable()
	for _, r := range recorded(t) {
		own := formatOf(r.dialect)
		for _, other := range formats {
			var err error
			if r.payloads == nil {
				err = wholeBothWays(own, other, r.body)
			} else {
				err = streamBothWays(own, other, r.payloads)
			}
			if slices.Contains(broken, filepath.Base(r.path)) {
				if _, typed := errors.AsType[*fault.Fault](err); !typed {
					t.Errorf("%s as %s: %v, want a fault", r.path, other.Name(), err)
				}
				continue
			}
			table.count(r.dialect, other.Name(), r.payloads != nil, err)
			if err != nil {
				t.Errorf("%s as %s: %v", r.path, other.Name(), shorten(err))
			}
		}
	}
	t.Log(table)
	table.compare(t)
}

func shorten(err error) string {
	const most = 3000
	if s := err.Error(); len(s) > most {
		return s[:most] + "…"
	}
	return err.Error()
}

func wholeBothWays(own, other dialect.Format, body []byte) error {
	var a canon.Answer
	if bad := own.ReadAnswer(body, &a); bad != nil {
		return bad
	}
	only := oneChoice(other)
	there, err := through(other, &a)
	if err != nil {
		return err
	}
	if err := same(&a, there, only); err != nil {
		return fmt.Errorf("there: %w\nwritten %s", err, other.AppendAnswer(nil, &a))
	}
	back, err := through(own, there)
	if err != nil {
		return err
	}
	if err := same(&a, back, only); err != nil {
		return fmt.Errorf("back: %w", err)
	}
	return nil
}

func streamBothWays(own, other dialect.Format, payloads [][]byte) error {
	a, events, err := fold(own, payloads)
	if err != nil {
		return err
	}
	only := oneChoice(other)
	there, again, err := streamThrough(other, events)
	if err != nil {
		return err
	}
	if err := same(&a.Answer, &there.Answer, only); err != nil {
		return fmt.Errorf("there: %w", err)
	}
	if !there.Done {
		return fmt.Errorf("the translated stream does not end")
	}
	back, _, err := streamThrough(own, again)
	if err != nil {
		return err
	}
	if err := same(&a.Answer, &back.Answer, only); err != nil {
		return fmt.Errorf("back: %w", err)
	}
	return nil
}

// table counts recordings by dialect.
type table map[string][2]int

func newTable() table { return table{} }

func (t table) count(from, to canon.Dialect, stream bool, err error) {
	kind := "whole"
	if stream {
		kind = "stream"
	}
	key := fmt.Sprintf("%-18s %-6s as %-18s", from, kind, to)
	n := t[key]
	n[0]++
	if err == nil {
		n[1]++
	}
	t[key] = n
}

// page is where the counts are published.
const page = "../../../docs/compatibility.md"

// compare holds the published counts to those of this run, or publishes them
// when TOLLGATE_TEST_UPDATE is set.
func (t table) compare(tb testing.TB) {
	text := "# Compatibility\n\nRecorded answers of real providers, whole and streamed, that keep their text, tool calls, arguments, reasoning and stop reason " +
		"when they are written in a dialect, read again, and written back. The counts come from a test, which fails when they change.\n\n```text\n" + t.String() + "```\n"
	if os.Getenv("TOLLGATE_TEST_UPDATE") != "" {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	if now, err := os.ReadFile(page); err != nil || string(now) != text {
		tb.Errorf("%s is old: run this test with TOLLGATE_TEST_UPDATE=1 (%v)", page, err)
	}
}

func (t table) String() string {
	var keys []string
	for k := range t {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString("recordings that keep all on the way there and back\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "%s %3d of %3d\n", k, t[k][1], t[k][0])
	}
	return b.String()
}
