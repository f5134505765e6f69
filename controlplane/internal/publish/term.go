package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// term is one publisher's time in office.
type term struct {
	*Publisher
	lead *postgres.Publisher
	want chan struct{} // a snapshot is due

	// joined says that the stream is known to stand at sequence; after any
	// doubt it is found out anew.
	joined   bool
	created  int64
	sequence uint64
	// revision is the newest one that the stream has, marked what was told to
	// Postgres of it.
	revision, marked int64
	// urged is the newest revision that went through the priority subject.
	urged int64
	// snapshotted is the revision of the newest stored snapshot.
	snapshotted int64
	// asked is when the object store was last asked for it.
	asked      time.Time
	checked    time.Time
	reconnects uint64
	failures   int // in a row
	warn       seldom
}

// run numbers and publishes until the lock is lost or ctx ends.
func (t *term) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := t.check(ctx); err != nil {
			return err
		}
		mark, seq := t.unmarked()
		var out []postgres.Outgoing
		err := t.attempt(ctx, func(ctx context.Context) (err error) {
			out, err = t.lead.Step(ctx, mark, int64(seq), batch)
			return err
		})
		if err != nil {
			return err
		}
		t.marked = max(t.marked, mark)
		t.urge(out)
		if len(out) == 0 {
			if err := t.lead.Wait(ctx, t.cfg.Poll); err != nil {
				return err
			}
			continue
		}
		if !t.joined {
			// They stay numbered and wait; /v1/operator/config/snapshot has them.
			sleep(ctx, t.cfg.Poll/5)
			continue
		}
		if err := t.publish(ctx, out); err != nil {
			t.metrics.failures.Inc()
			t.joined = false
			if t.warn.may() {
				t.log.Warn("the stream did not take config changes; looking where it stands", "error", err)
			}
			// The first time the fence may have held: look again at once. A full
			// stream, say, needs people.
			sleep(ctx, min(time.Duration(t.failures)*t.cfg.Poll/5, t.cfg.Poll))
			t.failures++
		} else {
			t.failures = 0
		}
		t.dueSnapshot()
	}
	return nil
}

func (t *term) unmarked() (int64, uint64) {
	if !t.joined || t.revision <= t.marked {
		return 0, 0
	}
	return t.revision, t.sequence
}

// check joins the stream when that is not done, and looks from time to time
// whether it is still the same: a NATS that lost its disk comes back without.
func (t *term) check(ctx context.Context) error {
	if !t.cfg.NATS.IsConnected() {
		t.joined = false
		return nil
	}
	reconnects := t.cfg.NATS.Stats().Reconnects
	if t.joined && reconnects == t.reconnects {
		if time.Since(t.checked) < 2*t.cfg.Poll {
			return nil
		}
		t.checked = time.Now()
		if t.same(ctx) {
			return nil
		}
	}
	err := t.join(ctx)
	t.joined, t.checked, t.reconnects = err == nil, time.Now(), reconnects
	if errors.Is(err, postgres.ErrFenced) || ctx.Err() != nil {
		return err
	}
	if err != nil && t.warn.may() {
		t.log.Warn("cannot join the config stream", "error", err)
	}
	return nil
}

// urge sends urgent changes on the priority subject, once in a term. After a
// crash they may go out twice, which does no harm.
func (t *term) urge(out []postgres.Outgoing) {
	for _, o := range out {
		if o.Revision <= t.urged {
			continue
		}
		if o.Urgent {
			if err := t.urgent(o); err != nil {
				if t.warn.may() {
					t.log.Error("cannot send an urgent change; trying again", "tenant", o.TenantID, "resource", o.ResourceID, "error", err)
				}
				return
			}
		}
		t.urged = o.Revision
	}
}

func (t *term) urgent(o postgres.Outgoing) error {
	msg, err := t.message(o)
	if err != nil {
		return err
	}
	msg.Subject = subject.Revoke(o.TenantID)
	return t.cfg.NATS.PublishMsg(msg)
}

// publish sends changes in order, all in flight at once. Each expects the
// sequence of the one before, so what follows a refused one is refused too.
func (t *term) publish(ctx context.Context, out []postgres.Outgoing) error {
	futures := make([]jetstream.PubAckFuture, 0, len(out))
	for i, o := range out {
		if o.Revision <= t.revision {
			return fmt.Errorf("revision %d is in the stream already, which stands at %d", o.Revision, t.revision)
		}
		msg, err := t.message(o)
		if err != nil {
			return err
		}
		f, err := t.js.PublishMsgAsync(msg, jetstream.WithExpectLastSequence(t.sequence+uint64(i)), jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("publish revision %d: %w", o.Revision, err)
		}
		futures = append(futures, f)
	}
	for i, f := range futures {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.Err():
			return fmt.Errorf("publish revision %d: %w", out[i].Revision, err)
		case ack := <-f.Ok():
			if ack.Stream != subject.ConfigStream {
				return fmt.Errorf("publish revision %d: it went to stream %q", out[i].Revision, ack.Stream)
			}
			t.sequence, t.revision = ack.Sequence, out[i].Revision
			t.metrics.published.Inc()
			t.metrics.delay.Observe(max(0, time.Since(out[i].CommittedAt).Seconds()))
		}
	}
	t.metrics.revision.Set(float64(t.revision))
	return nil
}

func (t *term) message(o postgres.Outgoing) (*nats.Msg, error) {
	data, err := proto.Marshal(envelope(o, t.lead.Epoch))
	if err != nil {
		return nil, fmt.Errorf("marshal %s %s: %w", o.Kind, o.ResourceID, err)
	}
	return &nats.Msg{Subject: subject.Config(o.TenantID, o.Kind, o.ResourceID), Data: data}, nil
}

func envelope(o postgres.Outgoing, epoch int64) *configv1.Envelope {
	return &configv1.Envelope{
		Revision: uint64(o.Revision), TenantId: o.TenantID, Kind: o.Kind, Id: o.ResourceID, Deleted: o.Payload == nil,
		CommittedAtUnixNano: o.CommittedAt.UnixNano(), PublisherEpoch: uint64(epoch), Payload: o.Payload,
	}
}

// dueSnapshot asks for a snapshot after many revisions.
func (t *term) dueSnapshot() {
	if t.revision-t.snapshotted >= t.cfg.SnapshotEvery {
		t.snapshotted = t.revision
		t.wantSnapshot()
	}
}

func (t *term) wantSnapshot() {
	select {
	case t.want <- struct{}{}:
	default:
	}
}
