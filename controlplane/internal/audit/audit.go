// Package audit owns how the audit trail is read and proven: entries of a
// tenant form a chain, in which each holds the hash of the one before, so that
// a change, a gap or a cut in the middle shows. Entries are written by the
// changes themselves.
package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
)

// Entry is one link of a chain.
type Entry struct {
	TenantID string // "" is the operator's own chain
	Seq      int64
	At       time.Time
	Actor    change.Actor
	change.Entry
	PrevHash, Hash []byte
}

// Head is where a chain ends.
type Head struct {
	Seq  int64
	Hash []byte
}

// Store reads chains.
type Store interface {
	// AuditEntries lists a chain, newest first, from below before; 0 is the
	// newest.
	AuditEntries(ctx context.Context, tenantID string, before int64, limit int) ([]Entry, error)
}

// Service answers questions about the trail.
type Service struct{ Store }

// NewService reads from the store.
func NewService(s Store) *Service { return &Service{s} }

// Broken says where a chain breaks.
type Broken struct {
	TenantID string
	Seq      int64
	Reason   string
}

func (b *Broken) Error() string {
	return fmt.Sprintf("audit chain of %q breaks at entry %d: %s", b.TenantID, b.Seq, b.Reason)
}

// Verifier checks a chain, entry by entry, oldest first.
type Verifier struct {
	tenantID string
	// Hash computes an entry's hash from the one before.
	hash func(prev []byte, e Entry) ([]byte, error)
	seq  int64
	prev []byte
}

// NewVerifier begins at the start of a tenant's chain.
func NewVerifier(tenantID string, hash func(prev []byte, e Entry) ([]byte, error)) *Verifier {
	return &Verifier{tenantID: tenantID, hash: hash, prev: []byte{}}
}

// Next takes the next entry; a break is a *Broken.
func (v *Verifier) Next(e Entry) error {
	v.seq++
	if e.Seq != v.seq {
		return &Broken{v.tenantID, v.seq, "the entry is missing"}
	}
	if !bytes.Equal(e.PrevHash, v.prev) {
		return &Broken{v.tenantID, e.Seq, "it does not follow from the entry before"}
	}
	want, err := v.hash(v.prev, e)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, e.Hash) {
		return &Broken{v.tenantID, e.Seq, "its hash is not that of its content"}
	}
	v.prev = e.Hash
	return nil
}

// End compares the end of the chain with its head: entries cut off at the end
// leave no other trace.
func (v *Verifier) End(h Head) error {
	if h.Seq != v.seq || !bytes.Equal(h.Hash, v.prev) {
		return &Broken{v.tenantID, v.seq + 1, fmt.Sprintf("the chain ends here, and should at entry %d", h.Seq)}
	}
	return nil
}
