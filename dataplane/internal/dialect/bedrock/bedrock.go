// Package bedrock owns the dialect of Amazon Bedrock's Converse API: requests,
// answers, streams and errors. Providers speak it, callers do not. Events of
// streams come and go without their framing's checks; package eventstream has
// those. It must not know tenants, routes, connections or signatures.
//
// Converse is one API over the models of many makers. What only some of them
// take goes into additionalModelRequestFields, in the words of the maker; see
// fields.go.
package bedrock

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// Format is the dialect.
type Format struct{}

// Name of the dialect.
func (Format) Name() canon.Dialect { return canon.Bedrock }

// AppendFault writes an error as the API does.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	b = canon.AppendQuoted(append(b, `{"message":`...), f.Public())
	b = canon.AppendQuoted(append(b, `,"code":`...), f.PublicCode())
	b = canon.AppendQuoted(append(b, `,"request_id":`...), requestID)
	return append(b, '}')
}

// maxReported bounds the losses that are reported one by one, because they are
// kept as a list.
const maxReported = 1024

// stops pairs the API's reasons with ours; the first of a reason of ours stands
// for it.
var stops = [...]struct {
	name string
	stop canon.Stop
}{
	{"end_turn", canon.StopEnd},
	{"max_tokens", canon.StopLength},
	{"tool_use", canon.StopTools},
	{"stop_sequence", canon.StopSequence},
	{"content_filtered", canon.StopFilter},
	{"guardrail_intervened", canon.StopFilter},
	{"model_context_window_exceeded", canon.StopContext},
	{"malformed_model_output", canon.StopError},
	{"malformed_tool_use", canon.StopError},
	// Words of a maker of models that the API may hand through.
	{"refusal", canon.StopRefusal},
	{"pause_turn", canon.StopPause},
}

func stopOf(reason canon.Text) canon.Stop {
	for i := range stops {
		if reason.Is(stops[i].name) {
			return stops[i].stop
		}
	}
	return canon.StopUnset
}

// reasonOf gives the API's word for why a choice stopped, as JSON.
func reasonOf(stop canon.Stop, raw canon.Text, from canon.Dialect) canon.Text {
	if from == canon.Bedrock && raw != nil {
		return raw
	}
	for i := range stops {
		if stops[i].stop == stop {
			return canon.Quote(stops[i].name)
		}
	}
	return canon.Text("null")
}

// family is a maker of models, as far as the API's callers must tell them apart.
type family uint8

const (
	// claude is also what a name stands for that tells nothing, such as that of
	// an inference profile of an account.
	claude family = iota
	nova
	mistral
	cohere
	gptOSS
	other
)

// families are found in a model's name, which may be an ARN and start with a
// region.
var families = [...]struct {
	mark string
	is   family
}{
	{"anthropic.", claude}, {"claude", claude},
	{"amazon.nova", nova}, {"mistral.", mistral}, {"cohere.", cohere}, {"openai.gpt-oss", gptOSS},
	{"amazon.", other}, {"meta.", other}, {"ai21.", other}, {"deepseek.", other}, {"qwen.", other}, {"writer.", other},
	{"google.", other}, {"moonshot.", other}, {"moonshotai.", other}, {"minimax.", other}, {"nvidia.", other}, {"zai.", other},
	{"openai.", other}, {"luma.", other}, {"stability.", other}, {"twelvelabs.", other},
}

func familyOf(model string) family {
	for _, f := range families {
		if strings.Contains(model, f.mark) {
			return f.is
		}
	}
	return claude
}

// caches says whether the API keeps prompts for models of the family.
func (f family) caches() bool { return f == claude || f == nova }

// refusals turns the names of the API's errors into HTTP statuses, for streams
// and for the statuses that tell too little.
var refusals = [...]struct {
	name   string
	status int
}{
	{"throttlingException", 429},
	{"modelNotReadyException", 429},
	{"serviceQuotaExceededException", 429},
	{"validationException", 400},
	{"accessDeniedException", 403},
	{"resourceNotFoundException", 404},
	{"modelTimeoutException", 408},
	{"serviceUnavailableException", 503},
	{"internalServerException", 500},
	{"modelStreamErrorException", 500},
	{"modelErrorException", 500},
}

func statusOf(name string) int {
	for i := range refusals {
		if strings.EqualFold(refusals[i].name, name) {
			return refusals[i].status
		}
	}
	return 500
}

// ReadRefusal turns a provider's error answer into ours.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	const failedModel = 424 // the model failed, not the caller
	if status == failedModel {
		status = 500
	}
	var e struct{ message, typ canon.Text }
	var s scanner
	s.Reset(body)
	ok := len(body) <= 64<<10 && s.Peek() == '{' && s.object(func(name []byte) bool {
		switch string(name) {
		case "message", "Message":
			return s.text(&e.message)
		case "__type":
			return s.text(&e.typ)
		}
		return s.Skip()
	})
	if !ok || e.message == nil {
		return openaierror.Read(status, nil, secret)
	}
	if e.typ != nil {
		// Some of the API's errors have 400 where others have a status of their own.
		typ := e.typ.String()
		if statusOf(typ[strings.LastIndexByte(typ, '#')+1:]) == 429 {
			status = 429
		}
	}
	known := append([]byte(`{"error":{"message":`), e.message...)
	return openaierror.Read(status, append(known, "}}"...), secret)
}
