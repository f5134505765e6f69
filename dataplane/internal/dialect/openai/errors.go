package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// AppendFault writes a fault as OpenAI's SDKs read it.
func AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	return openaierror.Append(b, f, requestID)
}

// AppendFaultEvent writes a fault as the last event of a stream. No [DONE]
// follows: SDKs raise an error on any chunk that holds one.
func AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte {
	b = append(b, "data: "...)
	b = openaierror.Append(b, f, requestID)
	return append(b, "\n\n"...)
}

// ProviderFault turns a provider's refusal into ours; see openaierror.Read for
// what may be shown of it.
func ProviderFault(status int, body []byte, secret string) *fault.Fault {
	return openaierror.Read(status, body, secret)
}
