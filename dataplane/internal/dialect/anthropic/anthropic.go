// Package anthropic owns the dialect of Anthropic's Messages API: requests,
// answers, streams, errors and counts of tokens, both ways. It must not know
// other dialects, tenants, routes or connections.
//
// What an answer holds that Messages have no place for goes into an object
// named "tollgate", beside the content of an answer and in the message_delta
// of a stream, which SDKs pass over. What must come back with the next
// request, such as another provider's signature, goes where SDKs carry it; see
// sign.go.
package anthropic

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Format is the dialect.
type Format struct{}

// Name of the dialect.
func (Format) Name() canon.Dialect { return canon.Anthropic }

// AppendFault writes an error as Anthropic's SDKs read it.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	return appendFault(b, f, requestID)
}

// AppendFaultEvent writes an error as the last event of a stream.
func (Format) AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte {
	b = append(b, "event: error\ndata: "...)
	b = appendFault(b, f, requestID)
	return append(b, "\n\n"...)
}

// ReadRefusal turns a provider's error answer into ours.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	return readRefusal(status, body, secret)
}

// DefaultMaxTokens is the bound on output, which the API demands, for callers
// who set none.
const DefaultMaxTokens = 4096

// minBudget is the least that the API takes as a budget of thought.
const minBudget = 1024

// stops pairs the API's reasons with ours.
var stops = [...]struct {
	name string
	stop canon.Stop
}{
	{"end_turn", canon.StopEnd},
	{"max_tokens", canon.StopLength},
	{"tool_use", canon.StopTools},
	{"stop_sequence", canon.StopSequence},
	{"refusal", canon.StopRefusal},
	{"pause_turn", canon.StopPause},
	{"model_context_window_exceeded", canon.StopContext},
}

func stopOf(reason canon.Text) canon.Stop {
	for i := range stops {
		if reason.Is(stops[i].name) {
			return stops[i].stop
		}
	}
	return canon.StopUnset
}

// foreignStops are reasons of ours that the API has no word for: the name that
// our own reader knows, and the API's word that comes closest.
var foreignStops = [...]struct {
	stop         canon.Stop
	name, stands string
}{
	{canon.StopFilter, "filter", "refusal"},
	{canon.StopError, "error", "end_turn"},
	{canon.StopUnset, "unset", "end_turn"},
}

// kinds of blocks that have a kind of part of their own, with the fields that
// they may have; other blocks are opaque.
var kinds = [...]struct {
	name   string
	kind   canon.Kind
	fields fields
}{
	{"text", canon.TextPart, fieldText | fieldCitations | fieldCache | fieldSignature | fieldRefusal},
	{"tool_use", canon.ToolCallPart, fieldID | fieldName | fieldInput | fieldCache | fieldSignature | fieldCustom},
	{"tool_result", canon.ToolResultPart, fieldUseID | fieldContent | fieldIsError | fieldCache},
	{"thinking", canon.ReasoningPart, fieldThinking | fieldSignature},
	{"redacted_thinking", canon.ReasoningPart, fieldData},
	{"image", canon.ImagePart, fieldSource | fieldCache},
	{"document", canon.DocumentPart, fieldSource | fieldTitle | fieldCache},
}

func kindOf(typ canon.Text) int {
	for i := range kinds {
		if typ.Is(kinds[i].name) {
			return i
		}
	}
	return -1
}

// fields is a set of fields of a block.
type fields uint32

const (
	fieldType fields = 1 << iota
	fieldText
	fieldCitations
	fieldCache
	fieldSignature
	fieldRefusal
	fieldID
	fieldName
	fieldInput
	fieldCustom
	fieldUseID
	fieldContent
	fieldIsError
	fieldThinking
	fieldData
	fieldSource
	fieldTitle
)

// blockFields are the names of fields of blocks, in the order of their bits.
var blockFields = [...]string{
	"type", "text", "citations", "cache_control", "signature", "refusal", "id", "name", "input", "custom",
	"tool_use_id", "content", "is_error", "thinking", "data", "source", "title",
}

func fieldOf(name []byte) fields {
	for i, n := range blockFields {
		if string(name) == n {
			return 1 << i
		}
	}
	return 0
}
