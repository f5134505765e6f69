package dialect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
)

// callers are the dialects that callers speak, as those write who know all of
// it.
var callers = []dialect.Format{
	openai.Format{Quirks: openai.Quirks{ThoughtDetails: true, ReasoningObject: true, TopK: true, CacheControl: true}},
	formatOf(canon.Anthropic), formatOf(canon.Gemini), formatOf(canon.Responses),
	openai.Format{Quirks: openai.Quirks{EchoReasoning: true}},
}

type destination struct {
	format dialect.Format
	model  string
}

// destinations are the models that requests go to.
var destinations = []destination{
	{openai.Format{}, "gpt-4.1"}, {openai.Format{}, "gpt-5.6"}, {callers[0], "anthropic/claude-opus-4.5"},
	{openai.Format{Quirks: openai.Quirks{MaxTokens: true, NoParallel: true, NoSchema: true, NoStrict: true, NoUser: true, NoName: true, NoSeed: true,
		NoN: true, NoLogProbs: true, NoPenalties: true, NoEffort: true, NoCustomTools: true, NoStreamOptions: true, StringContent: true}}, "plain"},
	{openai.Format{Quirks: openai.Quirks{RandomSeed: true, AnyAsRequired: true, PlainEfforts: true, ThoughtParts: true, Thinking: true}}, "magistral"},
	{openai.Format{Quirks: openai.Quirks{ThinkingBudget: true, EchoReasoning: true}}, "qwen3"},
	{formatOf(canon.Responses), "gpt-5.2"},
	{formatOf(canon.Anthropic), "claude-sonnet-4-5"}, {formatOf(canon.Anthropic), "claude-opus-5"},
	{formatOf(canon.Gemini), "gemini-2.5-flash"}, {formatOf(canon.Gemini), "gemini-3-pro-preview"},
	{formatOf(canon.Bedrock), "anthropic.claude-sonnet-4-5-20250929-v1:0"}, {formatOf(canon.Bedrock), "amazon.nova-pro-v1:0"},
	{formatOf(canon.Bedrock), "openai.gpt-oss-120b-1:0"}, {formatOf(canon.Bedrock), "mistral.mistral-large-2407-v1:0"},
	{formatOf(canon.Cohere), "command-a-03-2025"},
}

// checkRequest tries a made-up request at destinations, or at all of them.
func checkRequest(input []byte, to ...destination) error {
	if len(to) == 0 {
		to = destinations
	}
	m := &asker{input: input}
	caller := callers[m.pick(len(callers))]
	m.as = caller.Name()
	if m.model = m.as; m.now() {
		m.model = formats[m.pick(len(formats))].Name()
	}
	made := m.request()
	var own canon.Losses
	body, bad := caller.AppendRequest(nil, made, &canon.Target{Model: "asked"}, &own)
	if bad != nil || !json.Valid(body) {
		return fmt.Errorf("%s: %w of %s", m.as, orNil(bad), body)
	}
	var all []error
	for i := range to {
		var asked canon.Request
		if bad := caller.ReadRequest(body, &asked); bad != nil {
			return fmt.Errorf("%s: %w of %s", m.as, bad, body)
		}
		if m.as == canon.Gemini {
			asked.Stream = made.Stream // The path says so.
		}
		if err := checkDestination(&asked, &to[i]); err != nil {
			all = append(all, fmt.Errorf("%s to %s: %w\nasked %s", m.as, to[i].model, err, body))
		}
	}
	return errors.Join(all...)
}

// checkDestination writes a request for a provider and looks for what that is
// told.
func checkDestination(req *canon.Request, to *destination) error {
	req.NameCalls()
	var lost canon.Losses
	if q, ok := to.format.(openai.Format); to.format.Name() != canon.Responses && (!ok || q.Quirks.NoCustomTools) {
		req = req.FunctionsOnly(&lost)
	}
	written, bad := to.format.AppendRequest(nil, req, &canon.Target{Model: to.model}, &lost)
	if bad != nil || !json.Valid(written) {
		return fmt.Errorf("%w\nwritten %s", orNil(bad), written)
	}
	told, err := readWritten(to.format, written)
	if err == nil {
		told.NameCalls()
		err = compareRequests(req, told, to.format, lost)
	}
	if err != nil {
		return fmt.Errorf("%w\nlost %q\nwritten %s", err, lost, written)
	}
	return nil
}

// orNil is an error of what has none of its own.
func orNil[F interface {
	comparable
	error
}](bad F) error {
	var none F
	if bad == none {
		return fmt.Errorf("not JSON")
	}
	return bad
}

// TestMadeUpRequests tries requests that nobody was seen to send, each at some
// of the destinations.
func TestMadeUpRequests(t *testing.T) {
	const requests, some = 2000, 2
	failed := map[string]int{}
	for seed := range uint64(requests) {
		r := rand.New(rand.NewPCG(seed, 2))
		input := make([]byte, 20+r.IntN(400))
		for i := range input {
			input[i] = byte(r.Uint32())
		}
		from := int(seed) * some % len(destinations)
		err := checkRequest(input, destinations[from:][:some]...)
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range several.Unwrap() {
				kind, _, _ := strings.Cut(err.Error(), "\n")
				if failed[kind]++; failed[kind] <= 1 {
					t.Errorf("seed %d: %v", seed, shorten(err))
				}
			}
		} else if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
}

func FuzzMadeUpRequests(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("\x01\x00\x00\x00\x04\x04\x01\x06\x02\x01\x05\x00\x03"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if err := checkRequest(input); err != nil {
			t.Error(shorten(err))
		}
	})
}
