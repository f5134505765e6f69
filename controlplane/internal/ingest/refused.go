package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// This file is about single events that cannot be taken: they must neither
// take their neighbours along nor leave a hole in the sequence, behind which
// the watermark would stand still and the data plane send for ever.

// divide records what it can of a part of a message that the ledger refused:
// halves, until the refused event stands alone. False says that ctx ended
// before.
func (in *Ingester) divide(ctx context.Context, m message, part usage.Batch, cause error) bool {
	if len(part.Events) <= 1 {
		return in.reduce(ctx, m, part, cause)
	}
	left, right := part, part
	left.Events, right.Events = part.Events[:len(part.Events)/2], part.Events[len(part.Events)/2:]
	right.Strays = nil
	for _, half := range []usage.Batch{left, right} {
		_ = m.msg.InProgress() // at worst it comes again
		err := in.record(ctx, []usage.Batch{half}, m)
		if ctx.Err() != nil || err != nil && !in.divide(ctx, m, half, err) {
			return false
		}
	}
	return true
}

// reduce records an event that is refused in a form that is not, and keeps
// aside what was sent.
func (in *Ingester) reduce(ctx context.Context, m message, part usage.Batch, cause error) bool {
	if len(part.Events) == 0 {
		return in.keepAside(ctx, m, m.msg.Data(), cause)
	}
	e := part.Events[0]
	sent := eventAsSent(m.msg.Data(), e.Seq)
	part.Asides = map[int64]usage.Aside{e.Seq: {Subject: m.msg.Subject(), Reason: clean("the ledger refused it: " + cause.Error()), Payload: sent}}
	for _, kept := range []usage.Event{e.Unmeasured(), e.Bare()} {
		part.Events = []usage.Event{kept}
		err := in.record(ctx, []usage.Batch{part}, m)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			in.log.Error("the ledger refused an event; it is recorded without its measurements", "data_plane", e.DataPlaneID,
				"epoch", e.Epoch, "seq", e.Seq, "tenant", e.TenantID, "request_id", e.RequestID, "cause", cause)
			return true
		}
	}
	return in.keepAside(ctx, m, sent, cause)
}

// Field numbers of the messages that are read by hand here.
const (
	batchPlaneID, batchEpoch, batchEvents = 1, 2, 3
	eventSeq                              = 1
)

// batchOf is a batch of one serialised event.
func batchOf(planeID string, epoch uint64, event []byte) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, batchPlaneID, protowire.BytesType), planeID)
	b = protowire.AppendVarint(protowire.AppendTag(b, batchEpoch, protowire.VarintType), epoch)
	return protowire.AppendBytes(protowire.AppendTag(b, batchEvents, protowire.BytesType), event)
}

// eventAsSent takes the event with a number out of a message; the whole message
// when it is not found.
func eventAsSent(data []byte, seq int64) []byte {
	p, err := split(data)
	if err != nil {
		return data
	}
	for _, raw := range p.events {
		if rest(raw).Seq == uint64(seq) {
			return batchOf(p.planeID, p.epoch, raw)
		}
	}
	return data
}

// decodeParts reads a batch event by event, because as a whole it is not a
// valid message.
func decodeParts(subject string, data []byte, received time.Time, cause error) (usage.Batch, error) {
	p, err := split(data)
	if err != nil {
		return usage.Batch{}, fmt.Errorf("read usage batch: %w", cause)
	}
	d, err := newDecoder(subject, p.planeID, p.epoch, received, len(p.events))
	if err != nil {
		return usage.Batch{}, err
	}
	for _, raw := range p.events {
		n, e := d.normaliser(), &usagev1.Event{}
		broken := proto.Unmarshal(raw, e)
		if broken != nil {
			e = rest(raw)
			n.reason = clean("it cannot be read: " + broken.Error())
			if e.StartedAtUnixNano == 0 {
				e.StartedAtUnixNano = received.UnixNano()
			}
		}
		if err := d.add(e, &n, func() ([]byte, error) { return raw, nil }); err != nil {
			return usage.Batch{}, err
		}
		if last := len(d.batch.Events) - 1; broken != nil && last >= 0 && d.batch.Events[last].Seq == int64(e.Seq) {
			d.batch.Events[last] = d.batch.Events[last].Unmeasured()
		}
	}
	return d.batch, nil
}

// parts is a batch with its events unread.
type parts struct {
	planeID string
	epoch   uint64
	events  [][]byte
}

func split(data []byte) (p parts, err error) {
	err = fields(data, func(num protowire.Number, bytes []byte, number uint64) {
		switch {
		case num == batchPlaneID:
			p.planeID = string(bytes)
		case num == batchEpoch:
			p.epoch = number
		case num == batchEvents && bytes != nil:
			p.events = append(p.events, bytes)
		}
	})
	return p, err
}

// rest reads as much as can be read of an event that is no valid message: what
// says whose it is and when it was, up to where it breaks off.
func rest(raw []byte) *usagev1.Event {
	e := &usagev1.Event{}
	texts := map[protowire.Number]*string{2: &e.TenantId, 3: &e.ProjectId, 4: &e.ApiKeyId, 5: &e.RequestId, 6: &e.Route, 7: &e.Operation,
		25: &e.Provider, 26: &e.ProviderModel}
	// Where it breaks off, the rest is not known.
	_ = fields(raw, func(num protowire.Number, bytes []byte, number uint64) {
		if t := texts[num]; t != nil {
			*t = strings.ToValidUTF8(string(bytes), "?")
			return
		}
		switch num {
		case eventSeq:
			e.Seq = number
		case 8:
			e.StartedAtUnixNano = int64(number)
		case 11:
			e.Outcome = usagev1.Outcome(number)
		case 12:
			e.HttpStatus = int32(number)
		case 14:
			e.Streamed = number != 0
		case 21:
			e.ConfigRevision = number
		}
	})
	return e
}

// fields calls f for each field of a message: with its bytes, which are never
// nil then, or its number. Fields of other types are passed over.
func fields(data []byte, f func(num protowire.Number, bytes []byte, number uint64)) error {
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
		switch typ {
		case protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(data); n >= 0 {
				f(num, nil, v)
			}
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(data); n >= 0 {
				f(num, append([]byte{}, v...), 0)
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, data)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
	}
	return nil
}
