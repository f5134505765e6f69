package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// Format is the dialect of chat completions, for translation from and to
// canon. Its zero value speaks to OpenAI itself.
type Format struct {
	Quirks Quirks
}

// Quirks is what differs between OpenAI and others who speak its dialect, when
// requests are written for them. Answers are read alike from all of them. The
// zero value is OpenAI itself.
type Quirks = providerkind.Quirks

// Name of the dialect.
func (Format) Name() canon.Dialect { return canon.OpenAIChat }

// AppendFault writes an error as OpenAI's SDKs read it.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	return AppendFault(b, f, requestID)
}

// AppendFaultEvent writes an error as the last event of a stream.
func (Format) AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte {
	return AppendFaultEvent(b, f, requestID)
}

// ReadRefusal turns a provider's error into ours.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	return ProviderFault(status, body, secret)
}
