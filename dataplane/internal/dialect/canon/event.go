package canon

import "github.com/tollgate/tollgate/proto/fault"

// EventKind is what happened in a stream.
type EventKind uint8

// Kinds of events. A reader emits Head once and first; then parts, each from
// Begin over deltas to End, where the parts of one choice do not overlap
// unless the dialect's do (tool calls of OpenAI may); a Finish for each
// choice; Usage whenever it is told, later ones replacing earlier ones; and
// Done last, only when the stream ended as its dialect agreed. Fail ends a
// stream in place of Done.
const (
	// HeadEvent: ID, Model, Created, and Usage if told already.
	HeadEvent EventKind = iota
	// BeginEvent: a part starts. Part has its kind, id, name; deltas follow.
	// Readers of dialects that send parts whole still send Begin, delta, End.
	BeginEvent
	// DeltaEvent: Text is more of the part's text, reasoning or refusal, or
	// more of the text of a call's arguments. More of audio is in
	// Part.Media.Data, with what is said in Text.
	DeltaEvent
	// SignatureEvent: Text is the part's signature, Part.From whose it is where
	// that is not known when the part begins.
	SignatureEvent
	// CitationEvent: Part.Citations apply to the part.
	CitationEvent
	// EndEvent: the part is complete.
	EndEvent
	// LogProbsEvent: Raw, as Choice.LogProbs, belongs to the delta before it.
	LogProbsEvent
	// FinishEvent: Stop, StopText and StopRaw of the choice.
	FinishEvent
	// UsageEvent: Usage.
	UsageEvent
	// DoneEvent: nothing follows.
	DoneEvent
	// FailEvent: Fault.
	FailEvent
)

// Event is one thing that happened in a stream. The receiver must not keep it.
type Event struct {
	Kind EventKind
	// Choice is the answer it belongs to.
	Choice int
	// Index numbers the parts of a choice from 0 in the order they began.
	Index int
	Part  Part
	Text  Text
	Raw   Raw

	ID          Text
	Model       Text
	Created     int64
	ServiceTier Text
	Fingerprint Text

	Stop     Stop
	StopText Text
	StopRaw  Text
	Usage    Usage
	Fault    *fault.Fault

	// From, at the head, is the dialect that is read; Extra, at the head and at
	// a finish, are fields of the answer that have no name here, for writers of
	// the same dialect.
	From  Dialect
	Extra []Field
}

// Emit takes an event. Its errors end the stream.
type Emit func(*Event) error

// Reader turns the events of a dialect's stream into ours.
type Reader interface {
	// Read takes one event of the wire: its name, if the dialect has those,
	// and its data.
	Read(name, data []byte, emit Emit) error
	// End is called when the connection ended; it gives a fault when the
	// stream was not complete.
	End(emit Emit) error
}

// Writer turns our events into a dialect's stream.
type Writer interface {
	// Append writes what the event means on the wire, framing included, which
	// may be nothing.
	Append(b []byte, ev *Event) []byte
}
