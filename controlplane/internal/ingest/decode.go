package ingest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Bounds of what the ledger takes as it is. They are far above anything real;
// what is beyond them is held at the bound, and kept aside as it was sent.
const (
	maxText     = 256 // bytes; six of them must fit a key of an index
	maxTokens   = 1_000_000_000_000
	maxDuration = 30 * 24 * time.Hour
	maxAttempts = 100

	// ahead is how far a data plane's clock may be in front of ours; behind is
	// how old an event may be, which is longer than any data plane is cut off.
	ahead  = 5 * time.Minute
	behind = 35 * 24 * time.Hour
)

// Decode reads a usage batch. received is when it arrived: an event that
// started after it, by more than the clocks may differ, is moved back to that
// limit, and one that is older than 35 days forward to that limit, so that a
// wrong clock cannot put usage into a period that is not open. Anything in
// between is kept as reported: late events are late, not wrong.
//
// An event that cannot be read stands in the batch without its measurements, so
// that its number is not missing, or as a stray if it has no number. An error
// means that not even the message's frame can be read, and never will be.
func Decode(subject string, data []byte, received time.Time) (usage.Batch, error) {
	var in usagev1.Batch
	if err := proto.Unmarshal(data, &in); err != nil {
		return decodeParts(subject, data, received, err)
	}
	d, err := newDecoder(subject, in.DataPlaneId, in.Epoch, received, len(in.Events))
	if err != nil {
		return usage.Batch{}, err
	}
	for _, e := range in.Events {
		n := d.normaliser()
		if err := d.add(e, &n, func() ([]byte, error) { return proto.Marshal(e) }); err != nil {
			return usage.Batch{}, err
		}
	}
	return d.batch, nil
}

// decoder fills a batch.
type decoder struct {
	subject, planeID string
	epoch            uint64
	received         time.Time
	batch            usage.Batch
}

func newDecoder(subject, planeID string, epoch uint64, received time.Time, events int) (*decoder, error) {
	if planeID == "" || len(planeID) > maxText || strings.ContainsRune(planeID, 0) || !utf8.ValidString(planeID) {
		return nil, errors.New("read usage batch: it does not name its data plane")
	}
	if epoch > math.MaxInt64 {
		return nil, fmt.Errorf("read usage batch of %s: epoch %d is out of range", planeID, epoch)
	}
	return &decoder{subject: subject, planeID: planeID, epoch: epoch, received: received,
		batch: usage.Batch{DataPlaneID: planeID, Epoch: int64(epoch), Events: make([]usage.Event, 0, events)}}, nil
}

func (d *decoder) normaliser() normaliser {
	return normaliser{earliest: d.received.Add(-behind), latest: d.received.Add(ahead)}
}

// add takes one event. What it was sent as is only asked for when it has to be
// kept aside.
func (d *decoder) add(e *usagev1.Event, n *normaliser, sent func() ([]byte, error)) error {
	stray := e.Seq == 0 || e.Seq > math.MaxInt64
	if stray {
		n.reason = fmt.Sprintf("seq %d is out of range", e.Seq)
	} else {
		d.batch.Events = append(d.batch.Events, n.event(d, e))
	}
	if n.reason == "" {
		return nil
	}
	raw, err := sent()
	if err != nil {
		return fmt.Errorf("keep event %s/%d/%d aside: %w", d.planeID, d.epoch, e.Seq, err)
	}
	// With its identity, so that two that are alike are not taken for one.
	aside := usage.Aside{Subject: d.subject, Reason: n.reason, Payload: batchOf(d.planeID, d.epoch, raw)}
	if stray {
		d.batch.Strays = append(d.batch.Strays, aside)
		return nil
	}
	if d.batch.Asides == nil {
		d.batch.Asides = map[int64]usage.Aside{}
	}
	d.batch.Asides[int64(e.Seq)] = aside
	return nil
}

// normaliser turns a reported event into one that the ledger can hold, and
// remembers the first thing that it had to change.
type normaliser struct {
	earliest, latest time.Time
	reason           string
}

func (n *normaliser) event(d *decoder, e *usagev1.Event) usage.Event {
	t := e.Tokens
	if t == nil {
		t = &usagev1.Tokens{}
	}
	out := usage.Event{
		DataPlaneID: d.planeID, Epoch: int64(d.epoch), Seq: int64(e.Seq),
		TenantID: n.text("tenant_id", e.TenantId), ProjectID: n.text("project_id", e.ProjectId), APIKeyID: n.text("api_key_id", e.ApiKeyId),
		RequestID: n.text("request_id", e.RequestId), Route: n.text("route", e.Route), Operation: n.text("operation", e.Operation),
		Provider: n.text("provider", e.Provider), ProviderModel: n.text("provider_model", e.ProviderModel),
		StartedAt: n.started(e.StartedAtUnixNano), DurationUS: n.micros("duration_ns", e.DurationNs),
		FirstTokenUS: n.micros("time_to_first_token_ns", e.TimeToFirstTokenNs),
		Outcome:      usagev1.Outcome(n.number("outcome", int64(e.Outcome), math.MaxInt16)),
		HTTPStatus:   int16(n.number("http_status", int64(e.HttpStatus), math.MaxInt16)),
		ErrorCode:    n.text("error_code", e.ErrorCode), Streamed: e.Streamed, Estimated: e.Estimated,
		Tokens: usage.Tokens{
			Input: n.number("tokens.input", t.Input, maxTokens), Output: n.number("tokens.output", t.Output, maxTokens),
			CacheRead: n.number("tokens.cache_read", t.CacheRead, maxTokens), CacheWrite: n.number("tokens.cache_write", t.CacheWrite, maxTokens),
			Reasoning:  n.number("tokens.reasoning", t.Reasoning, maxTokens),
			AudioInput: n.number("tokens.audio_input", t.AudioInput, maxTokens), AudioOutput: n.number("tokens.audio_output", t.AudioOutput, maxTokens),
			ImageInput:     n.number("tokens.image_input", t.ImageInput, maxTokens),
			CacheWriteHour: n.number("tokens.cache_write_hour", t.CacheWriteHour, maxTokens),
			ImageOutput:    n.number("tokens.image_output", t.ImageOutput, maxTokens),
			AudioCacheRead: n.number("tokens.audio_cache_read", t.AudioCacheRead, maxTokens),
		},
		Units: n.units(e.Units), ServiceTier: n.text("service_tier", e.ServiceTier), CostReported: e.CostReported,
		CostNano: n.amount("cost_nano", e.CostNano), PriceNano: n.amount("price_nano", e.PriceNano),
		CostPriceID: n.text("cost_price_id", e.CostPriceId), SellPriceID: n.text("sell_price_id", e.SellPriceId),
		ConfigRevision: int64(min(e.ConfigRevision, math.MaxInt64)), ClientIP: n.text("client_ip", e.ClientIp),
	}
	// What people's programs call themselves is no defect, however long.
	out.UserAgent = clean(e.UserAgent)
	out.Attempts = n.attempts(e.Attempts)
	return out
}

func (n *normaliser) units(u *usagev1.Units) usage.Units {
	if u == nil {
		return usage.Units{}
	}
	return usage.Units{
		Searches: n.number("units.searches", u.Searches, maxTokens), Images: n.number("units.images", u.Images, maxTokens),
		AudioMilliseconds: n.number("units.audio_milliseconds", u.AudioMilliseconds, maxTokens),
		Characters:        n.number("units.characters", u.Characters, maxTokens),
	}
}

func (n *normaliser) attempts(in []*usagev1.Attempt) []usage.Attempt {
	if len(in) > maxAttempts {
		n.changed("attempts")
		in = in[:maxAttempts]
	}
	out := make([]usage.Attempt, len(in))
	for i, a := range in {
		out[i] = usage.Attempt{
			Provider: n.text("attempts.provider", a.Provider), CredentialID: n.text("attempts.credential_id", a.CredentialId),
			ModelID: n.text("attempts.model_id", a.ModelId), ProviderModel: n.text("attempts.provider_model", a.ProviderModel),
			Status: int32(n.number("attempts.status", int64(a.Status), math.MaxInt16)), ErrorCode: n.text("attempts.error_code", a.ErrorCode),
			StartedAt: n.started(a.StartedAtUnixNano), DurationUS: n.micros("attempts.duration_ns", a.DurationNs),
			FirstByteUS: n.micros("attempts.time_to_first_byte_ns", a.TimeToFirstByteNs),
		}
	}
	return out
}

// started is a time within bounds, in the microseconds that Postgres keeps. A
// wrong clock is no defect of the event: nothing is set aside for it.
func (n *normaliser) started(unixNano int64) time.Time {
	at := time.Unix(0, unixNano).UTC().Truncate(time.Microsecond)
	switch {
	case at.After(n.latest):
		return n.latest.UTC().Truncate(time.Microsecond)
	case at.Before(n.earliest):
		return n.earliest.UTC().Truncate(time.Microsecond)
	}
	return at
}

func (n *normaliser) micros(field string, ns int64) int64 {
	return n.number(field, ns, int64(maxDuration)) / 1000
}

// number holds v between 0 and bound.
func (n *normaliser) number(field string, v, bound int64) int64 {
	if v < 0 || v > bound {
		n.changed(field)
		return max(0, min(v, bound))
	}
	return v
}

// amount is any number of nano-dollars that a bigint holds. One at the very end
// is where money.Cost stops counting: the true amount is higher, so it is told.
func (n *normaliser) amount(field string, v int64) int64 {
	if v == math.MaxInt64 && n.reason == "" {
		n.reason = field + " is at the end of its range"
	}
	return n.number(field, v, math.MaxInt64)
}

func (n *normaliser) text(field, s string) string {
	c := clean(s)
	if c != s {
		n.changed(field)
	}
	return c
}

func (n *normaliser) changed(field string) {
	if n.reason == "" {
		n.reason = field + " was out of bounds"
	}
}

// clean makes s fit a text column: no NUL, which Postgres refuses, valid
// UTF-8, and not too long for an index.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "?")
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return s
}
