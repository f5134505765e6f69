// Package gemini owns the wire format of Google's generateContent and
// streamGenerateContent, on the Gemini API and on Vertex: reading and writing
// requests, answers, streams and errors. It must not know other dialects,
// tenants, routes or connections.
//
// The model and whether to stream stand in the URL, not in the body: the
// caller of ReadRequest sets req.Model and req.Stream after it. A body may name
// a model all the same; ReadRequest then leaves that name in req.Model, for the
// caller to compare.
//
// Names are read in camelCase and in snake_case, as Google does.
//
// What answers from elsewhere hold and Gemini has no field for goes into fields
// that Google's SDKs pass over and this package reads: "refusal", "opaque",
// "transcript" and "mediaId" on parts, "stopReason" and "stopSequence" on
// candidates, "citation" on sources, "cacheWriteTokenCount" and the like in
// usage. Reasoning must come back from callers whose SDKs drop unknown fields,
// so what it needs lies inside thoughtSignature; see envelope.
package gemini

import "github.com/tollgate/tollgate/dataplane/internal/dialect/canon"

// Format is the dialect. As it is, streams are server-sent events, as with
// alt=sse.
type Format struct {
	// Array makes streams one JSON array, as Google sends without alt=sse.
	Array bool
}

// Name is the dialect's name.
func (Format) Name() canon.Dialect { return canon.Gemini }

// stops are Google's reasons with what they mean to us. The first row of each
// meaning is the one that is written.
var stops = []struct {
	name string
	stop canon.Stop
}{
	{"STOP", canon.StopEnd},
	{"MAX_TOKENS", canon.StopLength},
	{"SAFETY", canon.StopFilter},
	{"RECITATION", canon.StopFilter},
	{"BLOCKLIST", canon.StopFilter},
	{"PROHIBITED_CONTENT", canon.StopFilter},
	{"SPII", canon.StopFilter},
	{"LANGUAGE", canon.StopFilter},
	{"MODEL_ARMOR", canon.StopFilter},
	{"IMAGE_SAFETY", canon.StopFilter},
	{"IMAGE_PROHIBITED_CONTENT", canon.StopFilter},
	{"IMAGE_RECITATION", canon.StopFilter},
	{"OTHER", canon.StopError},
	{"IMAGE_OTHER", canon.StopError},
	{"NO_IMAGE", canon.StopError},
	{"MALFORMED_FUNCTION_CALL", canon.StopError},
	{"UNEXPECTED_TOOL_CALL", canon.StopError},
	{"TOO_MANY_TOOL_CALLS", canon.StopError},
	{"MISSING_THOUGHT_SIGNATURE", canon.StopError},
	{"MALFORMED_RESPONSE", canon.StopError},
	{"FINISH_REASON_UNSPECIFIED", canon.StopUnset},
}

// stopOf says what a reason means. STOP says nothing about tool calls: an
// answer that holds some waits for their results.
func stopOf(reason canon.Text, calls bool) canon.Stop {
	for _, s := range stops {
		if reason.Is(s.name) {
			if s.stop == canon.StopEnd && calls {
				return canon.StopTools
			}
			return s.stop
		}
	}
	return canon.StopError
}

// foreign are the stops that Gemini has no word for: what is written in their
// place, and the name in the field stopReason that tells them apart.
var foreign = []struct {
	stop         canon.Stop
	reason, name string
}{
	{canon.StopSequence, "STOP", "stop_sequence"},
	{canon.StopRefusal, "SAFETY", "refusal"},
	{canon.StopPause, "STOP", "pause"},
	{canon.StopContext, "MAX_TOKENS", "context"},
}

// reasonOf gives the word for a stop, and the name that must stand beside it.
func reasonOf(stop canon.Stop) (reason, name string) {
	for _, f := range foreign {
		if f.stop == stop {
			return f.reason, f.name
		}
	}
	for _, s := range stops {
		if s.stop == stop {
			return s.name, ""
		}
	}
	return "STOP", ""
}

// foreignStop is the stop that stopReason names, StopUnset when it names none.
func foreignStop(name canon.Text) canon.Stop {
	for _, f := range foreign {
		if name.Is(f.name) {
			return f.stop
		}
	}
	return canon.StopUnset
}
