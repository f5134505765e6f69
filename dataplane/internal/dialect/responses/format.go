// Package responses owns the wire format of OpenAI's Responses: requests,
// answers and streams, read into package canon and written from it. It must
// not know other wire formats, tenants, routes, connections or net/http.
//
// A turn of the assistant is a list of items there: messages, calls, thoughts.
// Items next to each other on the assistant's side become the parts of one
// message of canon's, because other dialects have turns.
package responses

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// Format is the dialect. Its zero value is ready for use.
type Format struct{}

// Name names the dialect.
func (Format) Name() canon.Dialect { return canon.Responses }

// AppendFault writes an error as OpenAI's SDKs read it.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	return openaierror.Append(b, f, requestID)
}

// AppendFaultEvent writes an error as the last events of a stream: "error",
// at which SDKs raise, and "response.failed" for those who wait for a response
// to end.
func (Format) AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte {
	e := events{}
	b = e.appendError(b, f, requestID)
	b = e.begin(b, "response.failed")
	b = append(b, `,"response":{"id":`...)
	b = canon.AppendQuoted(b, "resp_"+requestID)
	b = append(b, `,"object":"response","created_at":0,"model":"","output":[]`...)
	b = appendFailure(b, f)
	return e.end(append(b, '}'))
}

// appendFailure writes why a response failed, as a response holds it.
func appendFailure(b []byte, f *fault.Fault) []byte {
	b = append(b, `,"status":"failed","incomplete_details":null,"error":{"code":`...)
	b = canon.AppendQuoted(b, f.PublicCode())
	b = append(b, `,"message":`...)
	b = canon.AppendQuoted(b, f.Public())
	return append(b, '}')
}

// ReadRefusal turns a provider's error answer into ours.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	return openaierror.Read(status, body, secret)
}
