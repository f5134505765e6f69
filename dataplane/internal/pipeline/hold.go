package pipeline

import (
	"errors"
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/digest"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// What the answer of one open stream makes the data plane hold, while it waits
// for the provider or for the caller, is 1 MiB at most:
//
//	                           passed    translated
//	event that is not whole    512 KiB   } maxFollowed
//	(64 KiB once it is larger            } together,
//	and only its digest is kept)         } 832 KiB
//	end that is held back       64 KiB   }
//	text, to count tokens      128 KiB   }
//	reader                     192 KiB   }
//	writer                           –   }
//	the rest: connections, lists of parts, this exchange: 128 KiB
//
// A passed event that is larger than 512 KiB goes on in pieces, and only its
// digest is read: passing never fails because of a size. What a translation
// must hold beyond the bound ends the stream with a fault. The body of the
// request is bounded by its own limit; an answer that must be whole, also one
// that is folded from a stream, by maxAnswer.
const (
	maxFollowed = 832 << 10
	// maxHeld bounds the end that is held back, and what is gathered before it
	// is passed on; of a larger end the caller gets all but its last leastHeld
	// bytes before the request is settled.
	maxHeld   = 64 << 10
	leastHeld = 16 << 10
	// maxParts bounds the parts of a translated stream, of which readers and
	// writers keep some bytes each, and maxName the names in its head.
	maxParts = 4096
	maxName  = 4 << 10
	// maxReport bounds the provider's own words on usage that a writer keeps.
	maxReport = 16 << 10
)

func tooLarge(why string) error {
	return fault.New(fault.UpstreamTooLarge, "", errors.New(why))
}

// ending says whether what comes now may be the end: from when all choices are
// finished until something else comes.
func (f *follower) ending() bool {
	return f.done || f.begun != 0 && f.begun == f.finished
}

// unhold lets go of what was not the end after all.
func (f *follower) unhold() {
	if len(f.held) > 0 {
		f.out = append(f.out, f.held...)
		f.held, f.torn = small(f.held, keepText), false
	}
}

// pass sends what the caller may have.
func (f *follower) pass() error {
	if f.failed == nil {
		f.failed = f.weigh(cap(f.out) + cap(f.held))
	}
	if len(f.out) > 0 {
		out := f.out
		f.out = nil
		f.send(out)
		f.out = small(out, keepText)
	}
	return f.failed
}

// send sends these bytes after those that wait.
func (f *follower) send(b []byte) {
	if len(f.out) > 0 && f.failed == nil {
		f.failed = f.sink(f.out)
	}
	f.out = small(f.out, keepText)
	if f.failed == nil {
		f.failed = f.sink(b)
	}
}

// emptied takes what a writer has written, which may be the end, and sends it
// once that is much. It gives what the writer goes on with.
func (f *follower) emptied(b []byte) []byte {
	n := len(b)
	if n <= maxHeld {
		return b
	}
	ending := f.ending()
	if ending {
		n -= leastHeld
		f.torn = !f.done
	} else {
		// It is what waits.
		f.out = nil
	}
	if f.failed == nil {
		f.failed = f.weigh(cap(f.out) + cap(b))
	}
	f.send(b[:n])
	if ending {
		return append([]byte(nil), b[n:]...)
	}
	return small(b, keepText)
}

// openParts are the parts that are open, with what a copy of their beginning
// takes. Once a stream is finished, so does the finish.
type openParts struct {
	list  []openPart
	bytes int
}

type openPart struct{ choice, index, size int }

func (o *openParts) find(ev *canon.Event) int {
	return slices.IndexFunc(o.list, func(p openPart) bool { return p.choice == ev.Choice && p.index == ev.Index })
}

// bound keeps count of what a writer may hold of an event, and takes away what
// nobody's are as large as.
func (f *follower) bound(ev *canon.Event) error {
	if f.reader == nil {
		return nil
	}
	if len(ev.Usage.Raw) > maxReport {
		ev.Usage.Raw = nil
	}
	if len(ev.Usage.Cost) > maxName {
		ev.Usage.Cost = nil
	}
	if len(ev.ServiceTier) > maxName {
		ev.ServiceTier = nil
	}
	o := &f.open
	switch ev.Kind {
	case canon.HeadEvent:
		size := len(ev.ID) + len(ev.Model) + len(ev.Fingerprint)
		if size > maxName {
			return tooLarge("the names in the head of the stream are too long")
		}
	case canon.BeginEvent:
		if f.parts++; f.parts > maxParts {
			return tooLarge("the stream has too many parts")
		}
		p := openPart{ev.Choice, ev.Index, ev.Part.Size()}
		o.list, o.bytes = append(o.list, p), o.bytes+p.size
	case canon.SignatureEvent:
		if at := o.find(ev); at >= 0 {
			o.list[at].size += len(ev.Text)
			o.bytes += len(ev.Text)
		}
	case canon.EndEvent:
		if at := o.find(ev); at >= 0 {
			o.bytes -= o.list[at].size
			o.list = slices.Delete(o.list, at, at+1)
		}
	case canon.FinishEvent:
		o.bytes += len(ev.StopText) + len(ev.StopRaw)
		for i := range ev.Extra {
			o.bytes += len(ev.Extra[i].Name) + len(ev.Extra[i].Value)
		}
	}
	return nil
}

// weigh ends a translation that would hold too much. A plain answer that is
// told as a stream is there already, and has no reader. What is weighed is bounded
// or counted already, so that each event costs no more than a sum.
func (f *follower) weigh(written int) error {
	if f.writer == nil || f.reader == nil {
		return nil
	}
	n := written + f.split.Held() + cap(*f.text) + f.open.bytes + f.custom.held()
	if f.frames != nil {
		n += f.frames.Held()
	}
	if n += canon.Held(f.reader) + canon.Held(f.writer); n > maxFollowed {
		return tooLarge("more than 832 KiB of the stream would have to be held")
	}
	return nil
}

// passLarge takes a piece of an event that is too large to be held. It passes
// as it is; only its digest is read.
func (f *follower) passLarge(p []byte, last bool) error {
	if f.done {
		return nil
	}
	if f.frames != nil {
		f.torn = !last
		return f.put(p)
	}
	if f.digest == nil {
		if _, ok := f.reader.(canon.DigestReader); !ok && f.writer != nil {
			return fault.New(fault.UpstreamTooLarge, "", sse.ErrTooLarge)
		}
		f.digest = new(digest.Event)
	}
	if !last && f.writer == nil {
		// Passed before it is read: a caller who does not take it makes us hold
		// this piece, and not its digest beside it.
		f.torn = true
		if err := f.put(p); err != nil {
			return err
		}
	}
	f.digest.Feed(p)
	if !last {
		return nil
	}
	if err := f.readDigest(); err != nil || f.writer != nil {
		return err
	}
	f.torn = true
	if err := f.put(p); err != nil {
		return err
	}
	f.torn = len(f.held) > 0
	return nil
}

// readDigest reads the event that passed.
func (f *follower) readDigest() error {
	d := f.digest
	f.digest = nil
	name, data, ok := d.Result()
	if f.writer != nil {
		if !ok {
			return fault.New(fault.UpstreamTooLarge, "", sse.ErrTooLarge)
		}
		return f.reader.(canon.DigestReader).ReadDigest(name, data, d.Dropped, f.seen)
	}
	if !ok {
		f.unread = true
		return nil
	}
	if f.deltas {
		f.textBytes += d.Delta
	} else {
		f.textBytes += d.Text
	}
	f.kinds = 0
	return f.reader.Read(name, data, f.seen)
}
