package responses

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// events writes the events of a stream, numbered from 0.
type events struct {
	next  int64
	empty func([]byte) []byte
}

// Empty sets what takes the events that are written.
func (e *events) Empty(empty func([]byte) []byte) { e.empty = empty }

// begin starts an event: its fields follow, and end.
func (e *events) begin(b []byte, name string) []byte {
	b = append(append(b, "event: "...), name...)
	b = append(append(b, "\ndata: {\"type\":\""...), name...)
	b = appendCount(b, `","sequence_number":`, e.next)
	e.next++
	return b
}

func (e *events) end(b []byte) []byte {
	b = append(b, "}\n\n"...)
	if e.empty != nil {
		b = e.empty(b)
	}
	return b
}

// appendError writes an error event. Its fields stand there twice, because
// some SDKs look for them in the event and others raise at an object "error".
func (e *events) appendError(b []byte, f *fault.Fault, requestID string) []byte {
	b = e.begin(b, "error")
	b = canon.AppendQuoted(append(b, `,"code":`...), f.PublicCode())
	b = canon.AppendQuoted(append(b, `,"message":`...), f.Public())
	b = append(b, `,"param":`...)
	if f.Param == "" {
		b = append(b, "null"...)
	} else {
		b = canon.AppendQuoted(b, f.Param)
	}
	object := openaierror.Append(nil, f, requestID)
	b = append(append(b, ','), object[1:len(object)-1]...)
	return e.end(b)
}
