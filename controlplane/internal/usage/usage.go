// Package usage owns what a request's usage means once it has arrived: the
// event as the ledger keeps it, its share of the rollups, the watermark of
// each data plane, and the questions that can be asked of them. It knows
// neither how events arrive (package ingest) nor SQL (package postgres).
//
// Three tables answer everything. The ledger holds each event once; usage by
// hour and usage by day are sums of it, written in the same transaction.
package usage

import (
	"time"

	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Tokens by class. Reasoning is part of Output; the others do not overlap.
type Tokens struct {
	Input, Output, CacheRead, CacheWrite, Reasoning int64
	AudioInput, AudioOutput, ImageInput             int64
	// CacheWriteHour is no part of CacheWrite, AudioCacheRead none of CacheRead.
	CacheWriteHour, ImageOutput, AudioCacheRead int64
}

// Units are what providers count besides tokens.
type Units struct{ Searches, Images, AudioMilliseconds, Characters int64 }

// Event is one request as the ledger keeps it.
type Event struct {
	// DataPlaneID, Epoch and Seq identify the event.
	DataPlaneID string
	Epoch       int64
	Seq         int64

	TenantID, ProjectID, APIKeyID string
	RequestID                     string
	Route, Operation              string
	Provider, ProviderModel       string
	StartedAt                     time.Time
	DurationUS, FirstTokenUS      int64
	Outcome                       usagev1.Outcome
	HTTPStatus                    int16
	ErrorCode                     string
	Streamed, Estimated           bool
	Tokens                        Tokens
	Units                         Units
	ServiceTier                   string
	CostReported                  bool
	CostNano, PriceNano           int64
	CostPriceID, SellPriceID      string
	ConfigRevision                int64
	Attempts                      []Attempt
	ClientIP, UserAgent           string
	IngestedAt                    time.Time
}

// RefusedByLedger is the error code of an event whose measurements the ledger
// does not have: Postgres refused them, or they could not be read. What was
// sent is kept aside.
const RefusedByLedger = "ledger_refused"

// Unmeasured is e without what was measured: who called what and when, and how
// it ended. Estimated says that its zeros are no count.
func (e Event) Unmeasured() Event {
	return Event{
		DataPlaneID: e.DataPlaneID, Epoch: e.Epoch, Seq: e.Seq, TenantID: e.TenantID, ProjectID: e.ProjectID, APIKeyID: e.APIKeyID,
		RequestID: e.RequestID, Route: e.Route, Operation: e.Operation, Provider: e.Provider, ProviderModel: e.ProviderModel,
		StartedAt: e.StartedAt, Outcome: e.Outcome, HTTPStatus: e.HTTPStatus, ErrorCode: RefusedByLedger,
		Streamed: e.Streamed, Estimated: true, ConfigRevision: e.ConfigRevision,
	}
}

// Bare is e with nothing left but whose it is and when it was: the last form
// that is tried, because a number without an event would hold back all that
// follow.
func (e Event) Bare() Event {
	return Event{DataPlaneID: e.DataPlaneID, Epoch: e.Epoch, Seq: e.Seq, TenantID: e.TenantID, StartedAt: e.StartedAt,
		ErrorCode: RefusedByLedger, Estimated: true}
}

// Attempt is one call of a provider, as the ledger keeps it in JSON.
type Attempt struct {
	Provider      string    `json:"provider"`
	CredentialID  string    `json:"credential_id"`
	ModelID       string    `json:"model_id"`
	ProviderModel string    `json:"provider_model"`
	Status        int32     `json:"status"`
	ErrorCode     string    `json:"error_code"`
	StartedAt     time.Time `json:"started_at"`
	DurationUS    int64     `json:"duration_us"`
	FirstByteUS   int64     `json:"first_byte_us"`
}

// IsError reports whether the request counts as an error: refused, failed at
// the provider, or interrupted.
func (e *Event) IsError() bool {
	switch e.Outcome {
	case usagev1.Outcome_OUTCOME_REFUSED, usagev1.Outcome_OUTCOME_UPSTREAM_ERROR, usagev1.Outcome_OUTCOME_INTERRUPTED:
		return true
	}
	return false
}

// Aside is something that a data plane sent and the ledger could not take as
// it was. It is kept, counted and shown, so that nothing vanishes in silence.
type Aside struct {
	Subject string
	Reason  string
	Payload []byte
}

// Batch is what one message held. Its events are of one data plane and epoch.
type Batch struct {
	DataPlaneID string
	Epoch       int64
	Events      []Event
	// Asides are events that were corrected before they could be kept, as they
	// were sent, by Seq.
	Asides map[int64]Aside
	// Strays are events without a number of their own: nothing but what was
	// sent can be kept of them.
	Strays []Aside
}

// Recorded says what a transaction of the ledger did.
type Recorded struct {
	Events     int // new in the ledger
	Duplicates int // were there before
	Refused    int // of the new ones, without their measurements
	Watermarks []Watermark
}
