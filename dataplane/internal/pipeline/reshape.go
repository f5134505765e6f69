package pipeline

import (
	"bytes"
	"errors"
	"io"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// Some providers answer in another way than they were asked: plain where a
// stream was asked for, or the other way round. Callers get what they asked
// for, in their own dialect. The answer is taken apart for it, which is rare
// and costs about as much as a translation.

// asStream gives a plain answer to a caller who asked for a stream.
func (x *exchange) asStream() error {
	body, err := x.answer.ReadAll(maxAnswer)
	if err != nil {
		return err
	}
	t := &x.translation
	if f := x.to.format.ReadAnswer(body, &t.answer); f != nil {
		x.answered = false
		return f
	}
	t.answer.NameCalls(newCallID)
	x.follow = &t.follower
	x.follow.start(nil, x.callerFormat().NewWriter(x.asked()), &x.text, x.out)
	x.follow.custom.names, x.follow.naming = t.custom, x.naming()
	return errors.Join(canon.Replay(&t.answer, x.follow.seen), x.follow.pass())
}

// asked is what a writer of streams must know of the request. One that passed
// as it is was not read.
func (x *exchange) asked() *canon.Request {
	r := &x.translation.request
	if x.from == x.to {
		r.Stream, r.IncludeUsage = true, x.peek.IncludeUsage
	}
	return r
}

// asWhole makes a plain answer of a stream, for a caller who asked for none.
func (x *exchange) asWhole() error {
	var whole canon.Fold
	if err := x.foldInto(&whole); err != nil {
		return err
	}
	t := &x.translation
	t.answer, t.usage = whole.Answer, whole.Answer.Usage
	t.answer.NameCalls(newCallID)
	x.naming().name(&t.answer.ID, &t.answer.Model, &t.answer.Created)
	t.answer.CustomCalls(t.custom)
	t.written = x.callerFormat().AppendAnswer(t.written[:0], &t.answer)
	x.plain = t.written
	return nil
}

func (x *exchange) foldInto(whole *canon.Fold) error {
	// The answer is held whole: an event may be as large.
	split := sse.Splitter{Most: maxAnswer}
	r := x.to.format.NewReader()
	event := func(ev []byte) error {
		name, data, ok := sse.Parse(ev)
		if !ok || whole.Done {
			return nil
		}
		return r.Read(name, data, whole.Add)
	}
	for size := 0; !whole.Done; {
		p, err := x.answer.Next()
		if err == io.EOF {
			break
		}
		if size += len(p); err == nil && size > maxAnswer {
			err = fault.New(fault.UpstreamTooLarge, "", nil)
		}
		if err == nil {
			err = split.Feed(p, event)
		}
		if errors.Is(err, sse.ErrTooLarge) {
			err = fault.New(fault.UpstreamTooLarge, "", err)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case whole.Done:
		return nil
	case len(bytes.TrimSpace(split.Rest())) > 0:
		return fault.New(fault.UpstreamReset, "", errors.New("the stream ended within an event"))
	}
	return r.End(whole.Add)
}
