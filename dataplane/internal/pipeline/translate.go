package pipeline

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// translation holds what a request needs whose caller and provider speak
// different dialects.
type translation struct {
	request canon.Request
	body    []byte
	answer  canon.Answer
	// custom are the caller's tools that the provider knows as functions.
	custom []canon.Text
	// usage is what was reported on the way that openai.Answer does not watch.
	usage canon.Usage
	// written is the answer in the caller's dialect.
	written  []byte
	follower follower
}

// keepBody bounds each body that a resting exchange has room for: new room for
// tens of KB costs more than the translation itself.
const keepBody = 64 << 10

// keepMessages bounds how many messages it has room for.
const keepMessages = 128

func (t *translation) reset() {
	if t.follower.text != nil {
		t.follower.reset()
	}
	messages := t.request.Messages
	clear(messages[:cap(messages)])
	if cap(messages) > keepMessages {
		messages = nil
	}
	*t = translation{body: small(t.body, keepBody), written: small(t.written, keepBody), follower: t.follower}
	t.request.Messages = messages[:0]
}

// small is room that is kept, if it is not too large.
func small(b []byte, most int) []byte {
	if cap(b) > most {
		return nil
	}
	return b[:0]
}

// room gives b room for n bytes, and for what a translation adds.
func room(b []byte, n int) []byte {
	if n += n/8 + 512; cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}

// translates says whether the answer must be written anew: caller and provider
// speak different dialects, or the caller wants Gemini's stream as a JSON array,
// a form that providers are not asked for.
func (x *exchange) translates() bool { return x.from != x.to || x.req.URL.Array }

// translate writes the request in the provider's dialect. About 1 µs for each
// KB, and no copy of a text but the one into the new body.
func (x *exchange) translate() ([][]byte, error) {
	t := &x.translation
	if f := x.from.format.ReadRequest(x.body, &t.request); f != nil {
		return nil, f
	}
	if f := t.request.Unsupported(x.to.name); f != nil {
		return nil, f
	}
	x.ruled.Set(&t.request)
	t.request.NameCalls()
	t.request.Stream = x.streamed
	asked := t.request.IncludeUsage
	t.request.IncludeUsage = true
	var lost canon.Losses
	req := &t.request
	if known := x.target.Abilities.Known; known != nil && !known.GetTemperature() && x.from.name != x.to.name {
		req.Unvaried(lost.Add)
	}
	if t.custom = req.CustomTools(); t.custom != nil && x.functionsOnly() {
		req = req.FunctionsOnly(&lost)
	} else {
		t.custom = nil
	}
	body, f := x.to.formatFor(x.target.Kind).AppendRequest(room(t.body, len(x.body)), req, &canon.Target{Model: x.target.ProviderModel}, &lost)
	t.request.IncludeUsage = asked
	if f != nil {
		return nil, f
	}
	t.body = body
	if x.rt.RefuseLoss {
		for _, name := range lost {
			if !t.request.Harmless(name) {
				return nil, fault.Newf(fault.UnsupportedField, "The provider of this route cannot be told %s.", name).WithParam(name)
			}
		}
	}
	x.req.Facts.Lost = lost
	return append(x.pieces[:0], body), nil
}

// readWhole looks at a whole answer and gives it as the caller gets it.
func (x *exchange) readWhole(body []byte) ([]byte, error) {
	if x.job != nil {
		return x.jobAnswer(body)
	}
	if x.to.name == canon.OpenAIChat && !x.translates() {
		return body, x.summary.ReadPlain(body)
	}
	t := &x.translation
	if f := x.to.format.ReadAnswer(body, &t.answer); f != nil {
		return nil, f
	}
	t.usage = t.answer.Usage
	if !x.translates() {
		return body, nil
	}
	t.answer.NameCalls(newCallID)
	x.naming().name(&t.answer.ID, &t.answer.Model, &t.answer.Created)
	t.answer.CustomCalls(t.custom)
	t.written = x.from.format.AppendAnswer(room(t.written, len(body)), &t.answer)
	return t.written, nil
}

// newCallID is for calls that came without: see canon.NameCalls.
func newCallID() canon.Text { return canon.Quote(id.New("call")) }

// watch readies what follows a stream: feed takes what arrives, end is called
// at its end.
func (x *exchange) watch() (feed func([]byte) error, end func() error) {
	if x.to.name == canon.OpenAIChat && !x.translates() {
		x.stream.Reset(x.peek.HideUsage(), &x.text)
		return x.feedStream, x.stream.End
	}
	var w canon.Writer
	if x.translates() {
		w = x.callerFormat().NewWriter(&x.translation.request)
	}
	x.follow = &x.translation.follower
	x.follow.start(x.to.format.NewReader(), w, &x.text, x.out)
	x.follow.custom.names = x.translation.custom
	x.follow.naming = x.naming()
	x.follow.deltas = x.to.name == canon.Responses
	x.follow.hide = x.peek.HideUsage() && w == nil
	if x.to.framed {
		x.follow.framed()
	}
	return x.follow.feed, x.follow.end
}

func (x *exchange) feedStream(p []byte) error { return x.stream.Feed(p, x.out) }

// callerFormat is the caller's dialect, in the form the caller asked for.
func (x *exchange) callerFormat() dialect.Format {
	if x.req.URL.Array {
		return gemini.Format{Array: true}
	}
	return x.from.format
}

// streamType is the content type of a stream for the caller.
func (x *exchange) streamType() string {
	if x.req.URL.Array {
		return JSON
	}
	return EventStream
}

// done says that the stream ended in the agreed way.
func (x *exchange) done() bool {
	if x.follow != nil {
		return x.follow.done
	}
	return x.stream.Done
}

// torn says that the caller has the beginning of an event whose end it will
// not get.
func (x *exchange) torn() bool {
	if x.follow != nil {
		return x.follow.torn
	}
	return x.stream.Torn()
}

// tail is the end of a stream that was held back.
func (x *exchange) tail() []byte {
	if x.follow != nil {
		return x.follow.held
	}
	return x.stream.Tail()
}

// textBytes is how much text a stream brought so far.
func (x *exchange) textBytes() int {
	if x.follow != nil {
		return x.follow.textBytes
	}
	return x.stream.Answer.TextBytes
}

// reported fills in the tokens that the provider reported; false when it did
// not.
func (x *exchange) reported() bool {
	u := &x.translation.usage
	if x.follow != nil {
		u = &x.follow.usage
	}
	if u.Reported {
		x.take(u)
		return true
	}
	s := &x.summary.Usage
	if x.streamed {
		s = &x.stream.Answer.Usage
	}
	if s.Reported {
		x.takePassing(s)
	}
	return s.Reported
}

// answerText is the text that the provider sent, as it stands in JSON.
func (x *exchange) answerText() (text []byte, size int) {
	switch {
	case x.follow != nil || x.streamed:
		return x.text, x.textBytes()
	case x.plain == nil:
		return nil, 0
	case len(x.translation.answer.Choices) > 0:
		return x.wholeText()
	}
	again := openai.Answer{Text: &x.text}
	if again.ReadPlain(x.plain) != nil {
		return nil, 0
	}
	return x.text, again.TextBytes
}

// wholeText collects the text of a whole answer.
func (x *exchange) wholeText() ([]byte, int) {
	for i := range x.translation.answer.Choices {
		parts := x.translation.answer.Choices[i].Parts
		for k := range parts {
			x.text = parts[k].Text.Append(x.text)
			x.text = parts[k].Name.Append(x.text)
			x.text = append(x.text, parts[k].Args...)
		}
	}
	return x.text, len(x.text)
}
