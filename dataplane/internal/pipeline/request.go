package pipeline

import (
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// Operation is what is asked for.
type Operation string

// Operations.
const (
	Chat        Operation = "chat"
	CountTokens Operation = "count_tokens"
	Models      Operation = "models"
	Model       Operation = "model"
	Completions Operation = providerkind.Completions
	Embeddings  Operation = providerkind.Embeddings
	Moderations Operation = providerkind.Moderations
	Rerank      Operation = providerkind.Rerank
	// Unknown is what a path of a known form asks for in vain.
	Unknown Operation = "unknown"
)

// Request is what the front knows of a request before its body is read, and
// what the pipeline learns of it.
type Request struct {
	ID        string
	Operation Operation
	// Dialect is the one that the caller speaks.
	Dialect canon.Dialect
	// URL holds what a dialect keeps in its path and query in place of the
	// body.
	URL URLFields
	// Pass is set for operations that are carried.
	Pass *Pass
	// Version and Beta are the headers of Anthropic's dialect.
	Version, Beta string
	// TenantSlug is the tenant that the path names; empty when it names none.
	TenantSlug string
	// Secret is the caller's key, wherever it stood.
	Secret string
	// ModelID is what GET /models/{model} asks for.
	ModelID     string
	ClientIP    string
	UserAgent   string
	Traceparent string
	// Demo is what the demo provider is asked to do.
	Demo    string
	Started time.Time
	// Cancel ends the request from another goroutine.
	Cancel provider.Cancel

	// Facts are filled in as they are learned; the front puts them into
	// headers, of errors too, and into the access log.
	Facts Facts
}

// URLFields are the parts of a request that Gemini's dialect has in its URL.
type URLFields struct {
	Model  string
	Stream bool
	// Array says that a stream is written as a JSON array, not as events.
	Array bool
	// Batch says that several texts are to be embedded.
	Batch bool
}

// Facts are what a gateway adds to an answer.
type Facts struct {
	TenantID string
	KeyID    string
	Route    string
	Provider string
	// Model is the provider's name of it.
	Model    string
	Attempts int
	// Cost is what the tenant pays; known only after settlement.
	Cost      money.Nano
	CostKnown bool
	Revision  uint64
	// Lost are the fields of the request that its provider was not told.
	Lost []string
	// Parameters says what rules did to the call's parameters.
	Parameters string
	// PriceUnknown warns that the call counts as free for want of a price.
	PriceUnknown bool
	// Status, Code and Took are for the access log; Status is 0 when nothing
	// was sent.
	Status int
	Code   string
	Took   time.Duration
	// RetryAfter and RetryAfterMS are the provider's own words on a refusal.
	RetryAfter   string
	RetryAfterMS string
}

// Body kinds of an answer.
const (
	JSON        = "application/json"
	EventStream = "text/event-stream; charset=utf-8"
)

// Caller is the way back to who called. Its methods are called by one
// goroutine, the one of Serve.
type Caller interface {
	// Body reads the request's whole body, which stays valid until Serve
	// returns. Its errors are faults, or ErrCallerLeft.
	Body() ([]byte, error)
	// Begin sends the head of the answer with the facts of the request. The
	// length of the body is -1 for a stream.
	Begin(status int, contentType string, length int)
	// Write sends a piece of the body. Pieces may wait for Flush.
	Write(p []byte) error
	// Flush sends what waits.
	Flush() error
	// Stream gives the body to be read as it arrives, and its length: -1 when
	// that is not known, 0 when there is none. It must be read by one goroutine
	// at a time, and not after Serve has returned. Body may be called after it
	// as long as nothing was read.
	Stream() (provider.Source, int64, error)
	// Pass is Begin for a carried answer, with headers of the provider's.
	Pass(status int, fields []provider.Field, length int64)
	// Break ends an answer in a way that cannot be taken for its end.
	Break()
}
