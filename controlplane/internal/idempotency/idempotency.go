// Package idempotency owns the promise of the Idempotency-Key header: the same
// request sent twice is carried out once, and answered twice with the same
// words. Answers rest sealed, because some of them hold secrets that are shown
// once. It knows neither HTTP servers nor rows.
package idempotency

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/proto/fault"
)

const (
	// Keep is how long answers are kept, at least.
	Keep = 24 * time.Hour
	// patience is how long a request may plausibly still be running.
	patience = time.Minute
)

// Claim names one request of somebody: scope is who asked.
type Claim struct {
	Scope       string
	Key         string
	Fingerprint []byte
}

// Answer is what is sent again.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Row is a claim as it is stored; Sealed is nil while the request runs.
type Row struct {
	Fingerprint []byte
	Status      int
	Header      http.Header
	Sealed      []byte
	Age         time.Duration
}

// Store keeps rows. They are no tenant's: the scope is unguessable or an
// address, and the key is the caller's.
type Store interface {
	// ClaimIdempotency makes the row, or returns the one that exists.
	ClaimIdempotency(ctx context.Context, c Claim) (*Row, error)
	FinishIdempotency(ctx context.Context, c Claim, status int, header http.Header, sealed []byte) error
	ReleaseIdempotency(ctx context.Context, c Claim) error
}

// Keeper keeps answers.
type Keeper struct {
	store Store
	box   *seal.Box
}

// New keeps answers in store, sealed in box.
func New(store Store, box *seal.Box) *Keeper { return &Keeper{store, box} }

// Begin claims a request. It returns nil when the caller must carry the
// request out, and the answer of the first time otherwise.
func (k *Keeper) Begin(ctx context.Context, c Claim) (*Answer, error) {
	row, err := k.store.ClaimIdempotency(ctx, c)
	if err != nil || row == nil {
		return nil, err
	}
	if string(row.Fingerprint) != string(c.Fingerprint) {
		return nil, fault.New(fault.IdempotencyMismatch, "", nil)
	}
	if row.Sealed == nil {
		if row.Age < patience {
			return nil, fault.New(fault.IdempotencyBusy, "", nil)
		}
		// Whoever ran it ended without a word, perhaps after the commit:
		// running it again could do it twice.
		return nil, fault.New(fault.IdempotencyBusy, "A request with this Idempotency-Key was cut off, and what it did is not known. Look whether it took effect before you repeat it with a new key.", nil)
	}
	body, err := k.open(ctx, c, row.Sealed)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: row.Status, Header: row.Header, Body: body}, nil
}

// Finish keeps the answer of a request that was carried out.
func (k *Keeper) Finish(ctx context.Context, c Claim, a Answer) error {
	s, err := k.box.Seal(ctx, c.Scope, c.Key, a.Body)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	sealed, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return k.store.FinishIdempotency(ctx, c, a.Status, a.Header, sealed)
}

// Release forgets a request that did nothing, so that it may be sent again.
func (k *Keeper) Release(ctx context.Context, c Claim) error {
	return k.store.ReleaseIdempotency(ctx, c)
}

func (k *Keeper) open(ctx context.Context, c Claim, sealed []byte) ([]byte, error) {
	var s seal.Sealed
	if err := json.Unmarshal(sealed, &s); err != nil {
		return nil, fmt.Errorf("read kept answer: %w", err)
	}
	return k.box.Open(ctx, c.Scope, c.Key, s)
}
