// Package rollout owns what is known of config on its way: which data planes
// there are, what they have, and what they refused. It is the vocabulary
// between the tracker that hears data planes, the store and the API.
package rollout

import (
	"context"
	"time"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Intervals of data planes. They send a heartbeat every 5 s.
const (
	// LostAfter is the silence after which a data plane no longer counts.
	LostAfter = 15 * time.Second
	// Kept is how long changes, acknowledgements and lost data planes are told of.
	Kept = 7 * 24 * time.Hour
	// StoppedKept is how long data planes that stopped in order are told of.
	StoppedKept = 24 * time.Hour
)

// Ack is one data plane's word that it has everything up to a revision.
type Ack struct {
	DataPlaneID string
	Epoch       int64
	Revision    int64
	Refused     []Refusal
	// Age is how long ago it arrived, by this process's clock; the database's
	// clock tells the rest, so that one clock has both ends of a duration.
	Age time.Duration
}

// Refusal is one resource that a data plane did not take.
type Refusal struct {
	DataPlaneID string
	TenantID    string
	Kind        configv1.Kind
	ResourceID  string
	Revision    int64
	Path        string
	Message     string
	ReceivedAt  time.Time
}

// States of a data plane.
const (
	Live    = "live"
	Stopped = "stopped"
	Lost    = "lost"
)

// DataPlane is one of them, as its last heartbeat told.
type DataPlane struct {
	ID               string
	Epoch            int64
	Version          string
	Address          string
	StartedAt        time.Time
	LastSeenAt       time.Time
	State            string
	Revision         int64
	Tenants          int64
	APIKeys          int64
	InFlight         int64
	SpoolBytes       int64
	SpoolUnconfirmed int64
	UsageLost        int64
	LastSeq          int64
	Stopping         bool
	// Lag is from commit to live of the newest revision that it has; nil when
	// it started later than that.
	Lag *time.Duration
	// Age as in Ack.
	Age time.Duration
}

// Change is how far one change has come.
type Change struct {
	ChangeID    int64
	Revision    int64 // 0 until numbered
	Kind        configv1.Kind
	ResourceID  string
	CommittedAt time.Time
	PublishedAt time.Time // zero until published
	DataPlanes  []Place
}

// Place is how far a change has come on one data plane.
type Place struct {
	DataPlaneID string
	Live        bool
	// After is from commit to live; nil when not live, or when the data plane
	// started later than the change.
	After   *time.Duration
	Refused *Refusal
}

// Live counts the data planes that have the change, and slowest is the time of
// the last one once all have it.
func (c *Change) Live() (live int, slowest *time.Duration) {
	for i := range c.DataPlanes {
		p := &c.DataPlanes[i]
		if p.Live {
			live++
		}
		if p.After != nil && (slowest == nil || *p.After > *slowest) {
			slowest = p.After
		}
	}
	if live < len(c.DataPlanes) {
		slowest = nil
	}
	return live, slowest
}

// Store tells how far changes are. A tenant sees its own changes alone.
type Store interface {
	ChangeStatus(ctx context.Context, tenantID string, changeID int64) (Change, error)
	RevisionStatus(ctx context.Context, tenantID string, revision int64) (Change, error)
	Refusals(ctx context.Context, tenantID string, limit int) ([]Refusal, error)
	DataPlanes(ctx context.Context) (newest int64, all []DataPlane, err error)
}
