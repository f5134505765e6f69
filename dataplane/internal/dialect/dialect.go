// Package dialect owns the idea of a wire format for chat: what each must be
// able to do, so that any caller can reach any provider. The formats
// themselves are the packages below it, one for each; package canon is what
// they translate to and from. It must not know any format.
package dialect

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Format is a wire format of chat. Its values are safe for concurrent use;
// readers and writers of streams are for one stream each.
type Format interface {
	Name() canon.Dialect

	// ReadRequest reads what a caller sent. What has no name in canon goes to
	// req.Extra; what is wrong is a fault with the path of the field.
	ReadRequest(body []byte, req *canon.Request) *fault.Fault
	// AppendRequest writes the request for a provider. What the format cannot
	// express is added to lost and left out; what it needs and cannot get is a
	// fault.
	AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault)

	// ReadAnswer reads a provider's whole answer.
	ReadAnswer(body []byte, a *canon.Answer) *fault.Fault
	// AppendAnswer writes a whole answer for a caller. Answers hold nothing
	// that may be lost: what has no place in the format goes into a field that
	// its SDKs ignore and the format's own reader knows.
	AppendAnswer(b []byte, a *canon.Answer) []byte

	// NewReader reads a provider's stream.
	NewReader() canon.Reader
	// NewWriter writes a stream for the caller who sent req.
	NewWriter(req *canon.Request) canon.Writer

	// AppendFault writes an error as the format's SDKs read it.
	AppendFault(b []byte, f *fault.Fault, requestID string) []byte
	// AppendFaultEvent writes an error as the last event of a stream.
	AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte
	// ReadRefusal turns a provider's error answer into ours; see
	// openai.ProviderFault for what may be shown.
	ReadRefusal(status int, body []byte, secret string) *fault.Fault
}
