package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/snapshot"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func TestChangesAreNumberedAndPublishedInOrder(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.commit("ten_a", fmt.Sprint("before", i), "x", false)
	}
	w.run(w.publisher())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				w.commit(fmt.Sprint("ten_", g), fmt.Sprint("r", i%10), fmt.Sprint(i), false)
			}
		})
	}
	wg.Wait()
	w.commit("ten_a", "before0", "", false)
	w.published(121)
	if n := w.count(`SELECT count(*) FROM config_outbox WHERE revision BETWEEN 1 AND 121`); n != 121 {
		t.Errorf("%d of 121 changes have a revision without gaps", n)
	}
	envs := w.messages(0)
	// 19 of the first, 4 tenants with 10 resources, one tombstone.
	if len(envs) != 60 {
		t.Errorf("the stream keeps %d messages, want 60", len(envs))
	}
	if !slices.IsSortedFunc(envs, func(a, b *configv1.Envelope) int { return int(a.Revision) - int(b.Revision) }) {
		t.Error("the stream is not in order of revision")
	}
	last := envs[len(envs)-1]
	if !last.Deleted || last.Id != "before0" || last.Payload != nil || last.CommittedAtUnixNano == 0 || last.PublisherEpoch == 0 {
		t.Errorf("the tombstone is %v", last)
	}
	for _, e := range envs {
		if e.TenantId == "ten_3" && string(e.Payload) < "15" {
			t.Errorf("%s has an old payload %s", e.Id, e.Payload)
		}
	}
}

func TestOnlyOneOfTwoPublishesAndTheOtherTakesOver(t *testing.T) {
	w := newWorld(t)
	stopFirst := w.run(w.publisher())
	w.commit("ten_a", "r", "1", false)
	w.published(1)
	w.run(w.publisher())
	for i := range 30 {
		w.commit("ten_a", fmt.Sprint("r", i), "x", false)
	}
	w.published(31)
	for _, e := range w.messages(0) {
		if e.PublisherEpoch != 1 {
			t.Errorf("revision %d has epoch %d, want 1", e.Revision, e.PublisherEpoch)
		}
	}
	stopFirst()
	w.commit("ten_a", "after", "x", false)
	w.published(32)
	envs := w.messages(0)
	if last := envs[len(envs)-1]; last.Revision != 32 || last.PublisherEpoch != 2 {
		t.Errorf("after the change of publisher came revision %d of epoch %d, want 32 of 2", last.Revision, last.PublisherEpoch)
	}
}

// office gives a term by hand, joined to the stream.
func (w *world) office(p *Publisher) *term {
	w.t.Helper()
	ctx := context.Background()
	lead, err := w.db.LeadPublisher(ctx, time.Minute)
	if err != nil || lead == nil {
		w.t.Fatalf("no lead: %v, %v", lead, err)
	}
	tm := &term{Publisher: p, lead: lead, want: make(chan struct{}, 1)}
	if err := tm.join(ctx); err != nil {
		w.t.Fatal(err)
	}
	tm.joined = true
	return tm
}

// A publisher that was paused, lost its lock meanwhile and wakes up in the
// middle of its work must change nothing.
func TestAZombieIsFenced(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	zombie := w.office(w.publisher())
	w.commit("ten_a", "r", "old", false)
	stale, err := zombie.lead.Step(ctx, 0, 0, batch)
	if err != nil || len(stale) != 1 {
		t.Fatalf("step: %v, %v", stale, err)
	}
	zombie.lead.Close() // Postgres ended the session; the zombie does not know.

	w.run(w.publisher())
	w.commit("ten_a", "r", "new", false)
	w.published(2)
	before := w.streamInfo().State.LastSeq

	if err := zombie.publish(ctx, stale); err == nil {
		t.Error("the zombie published")
	}
	if after := w.streamInfo().State.LastSeq; after != before {
		t.Errorf("the stream moved from %d to %d", before, after)
	}
	if envs := w.messages(0); len(envs) != 1 || string(envs[0].Payload) != "new" {
		t.Errorf("the stream holds %v", envs)
	}
	if _, err := zombie.lead.Step(ctx, 0, 0, batch); err == nil {
		t.Error("the zombie numbered")
	}
}

// A paused process keeps its connection, and with it the lock, until Postgres
// loses patience.
func TestAPausedPublisherIsReplaced(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	paused, err := w.db.LeadPublisher(ctx, 300*time.Millisecond)
	if err != nil || paused == nil {
		t.Fatal(paused, err)
	}
	defer paused.Close()
	w.run(w.publisher())
	w.commit("ten_a", "r", "x", false)
	w.published(1)
	if _, err := paused.Step(ctx, 0, 0, batch); err == nil {
		t.Error("the paused publisher went on")
	}
}

func TestAnOldEpochChangesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	lead, err := w.db.LeadPublisher(ctx, time.Minute)
	if err != nil || lead == nil {
		t.Fatal(lead, err)
	}
	defer lead.Close()
	w.commit("ten_a", "r", "x", false)
	w.exec(`UPDATE publisher SET epoch = epoch + 1`)
	if _, err := lead.Step(ctx, 5, 5, batch); !errors.Is(err, postgres.ErrFenced) {
		t.Errorf("Step: %v, want ErrFenced", err)
	}
	if n := w.count(`SELECT count(*) FROM config_outbox WHERE revision IS NOT NULL OR published_at IS NOT NULL`); n != 0 {
		t.Error("an old epoch numbered or marked")
	}
	for name, err := range map[string]error{"AdoptStream": lead.AdoptStream(ctx, 1, 1), "Rewind": lead.Rewind(ctx, 9)} {
		if !errors.Is(err, postgres.ErrFenced) {
			t.Errorf("%s: %v, want ErrFenced", name, err)
		}
	}
}

func TestACrashAnywhereLosesAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	// Numbered, not published.
	tm := w.office(w.publisher())
	w.commit("ten_a", "a", "1", false)
	if _, err := tm.lead.Step(ctx, 0, 0, batch); err != nil {
		t.Fatal(err)
	}
	tm.lead.Close()
	// Published, not marked.
	tm = w.office(w.publisher())
	w.commit("ten_a", "b", "1", false)
	out, err := tm.lead.Step(ctx, 0, 0, batch)
	if err != nil || len(out) != 2 {
		t.Fatalf("step: %d changes, %v", len(out), err)
	}
	if err := tm.publish(ctx, out); err != nil {
		t.Fatal(err)
	}
	tm.lead.Close()
	// Committed while nobody publishes.
	w.commit("ten_a", "c", "1", false)
	w.run(w.publisher())
	w.published(3)
	if s := w.streamInfo().State; s.LastSeq != 3 || s.Msgs != 3 {
		t.Errorf("the stream has %d messages up to sequence %d, want 3 and 3", s.Msgs, s.LastSeq)
	}
}

func TestUrgentChangesGoAhead(t *testing.T) {
	w := newWorld(t)
	nc := w.connect()
	urgent := make(chan *nats.Msg, 10)
	if _, err := nc.ChanSubscribe(subject.RevokeAll(), urgent); err != nil {
		t.Fatal(err)
	}
	nc.Flush()
	w.run(w.publisher())
	w.commit("ten_a", "calm", "x", false)
	w.commit("ten_a", "hot", "x", true)
	w.published(2)
	select {
	case m := <-urgent:
		env := &configv1.Envelope{}
		if err := proto.Unmarshal(m.Data, env); err != nil {
			t.Fatal(err)
		}
		if env.Id != "hot" || env.Revision == 0 || m.Subject != subject.Revoke("ten_a") {
			t.Errorf("got %v on %s", env, m.Subject)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nothing came on the priority subject")
	}
}

// stored reads the snapshot in the object store.
func (w *world) stored() (*configv1.SnapshotHeader, map[string]string, error) {
	if _, err := w.stream(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	bucket, err := w.js.ObjectStore(ctx, subject.SnapshotBucket)
	if err != nil {
		return nil, nil, err
	}
	obj, err := bucket.Get(ctx, subject.SnapshotObject)
	if err != nil {
		return nil, nil, err
	}
	defer obj.Close()
	r, err := snapshot.NewReader(obj)
	if err != nil {
		return nil, nil, err
	}
	state, err := contents(r)
	return r.Header(), state, err
}

func TestAWipedStoreComesBackWithASnapshot(t *testing.T) {
	w := newWorld(t)
	w.run(w.publisher())
	for i := range 10 {
		w.commit("ten_a", fmt.Sprint("r", i), "x", false)
	}
	w.commit("ten_a", "r0", "", false)
	w.published(11)
	before := w.streamInfo()

	w.stopNATS()
	if err := os.RemoveAll(w.dir); err != nil {
		t.Fatal(err)
	}
	w.commit("ten_a", "meanwhile", "x", false)
	w.startNATS()

	w.published(12)
	after := w.streamInfo()
	if after.Created.Equal(before.Created) {
		t.Fatal("the stream is the old one")
	}
	if after.State.FirstSeq <= before.State.LastSeq {
		t.Errorf("sequences begin at %d, inside those of the old stream (up to %d)", after.State.FirstSeq, before.State.LastSeq)
	}
	eventually(t, func() error {
		h, state, err := w.stored()
		if err != nil {
			return err
		}
		if h.StreamCreatedUnixNano != after.Created.UnixNano() {
			return errors.New("the stored snapshot is of another stream")
		}
		if h.StreamSequence > after.State.LastSeq {
			t.Errorf("the snapshot is complete up to %d, the stream up to %d", h.StreamSequence, after.State.LastSeq)
		}
		for _, e := range w.messages(h.StreamSequence + 1) {
			apply(state, e)
		}
		if len(state) != 10 || state["ten_a/meanwhile"] == "" || state["ten_a/r0"] != "" {
			t.Errorf("snapshot and changes make %v", state)
		}
		return nil
	})
}

func TestADatabaseFromThePastMakesDataPlanesStartOver(t *testing.T) {
	w := newWorld(t)
	stop := w.run(w.publisher())
	for i := range 5 {
		w.commit("ten_a", fmt.Sprint("r", i), "x", false)
	}
	w.published(5)
	stop()
	before := w.streamInfo()
	// A restore that lacks the last two changes.
	w.exec(`DELETE FROM config_outbox WHERE revision > 3`)
	w.exec(`DELETE FROM config_resource WHERE revision > 3`)
	w.exec(`UPDATE publisher SET last_revision = 3, stream_sequence = 3`)
	w.run(w.publisher())
	w.commit("ten_a", "new", "x", false)
	eventually(t, func() error {
		h, state, err := w.stored()
		if err != nil {
			return err
		}
		s, err := w.stream()
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		if info.Created.Equal(before.Created) || h.StreamCreatedUnixNano != info.Created.UnixNano() {
			return errors.New("no new stream with its snapshot yet")
		}
		for _, e := range w.messages(h.StreamSequence + 1) {
			apply(state, e)
		}
		if len(state) != 4 || state["ten_a/new"] == "" {
			return fmt.Errorf("snapshot and changes make %v", state)
		}
		return nil
	})
	if n := w.count(`SELECT min(revision) FROM config_resource`); n <= 5 {
		t.Errorf("revision %d was seen by data planes as something else", n)
	}
	// A change is marked as published a moment after the stream has it.
	eventually(t, func() error {
		if n := w.count(`SELECT count(*) FROM config_resource c WHERE NOT EXISTS (SELECT FROM config_outbox o
			WHERE o.resource_id = c.resource_id AND o.revision = c.revision AND o.published_at IS NOT NULL)`); n != 0 {
			return fmt.Errorf("%d resources have a revision that no change has", n)
		}
		return nil
	})
}

func TestAStreamThatForgotIsReplaced(t *testing.T) {
	w := newWorld(t)
	stop := w.run(w.publisher())
	w.commit("ten_a", "r", "x", false)
	w.published(1)
	stop()
	before := w.streamInfo()
	w.exec(`UPDATE publisher SET stream_sequence = 4`) // Four were taken; NATS has one.
	w.run(w.publisher())
	eventually(t, func() error {
		h, state, err := w.stored()
		if err != nil {
			return err
		}
		if h.StreamCreatedUnixNano == before.Created.UnixNano() || len(state) != 1 {
			return errors.New("the stream is still the old one")
		}
		return nil
	})
}

func TestPublishingGoesOnAfterNATSWasAway(t *testing.T) {
	w := newWorld(t)
	w.run(w.publisher())
	w.commit("ten_a", "r0", "x", false)
	w.published(1)
	w.stopNATS()
	for i := range 5 {
		w.commit("ten_a", fmt.Sprint("away", i), "x", false)
	}
	eventually(t, func() error {
		if n := w.count(`SELECT count(*) FROM config_outbox WHERE revision IS NOT NULL`); n != 6 {
			return fmt.Errorf("%d changes are numbered while NATS is away, want 6", n)
		}
		return nil
	})
	w.startNATS()
	w.published(6)
	if s := w.streamInfo().State; s.LastSeq != 6 {
		t.Errorf("the stream stands at %d, want 6", s.LastSeq)
	}
}

// A full stream refuses, loses nothing, and takes up again when the operator
// gives it more room.
func TestAFullStreamLosesNothing(t *testing.T) {
	w := newWorld(t)
	small := w.publisher()
	small.cfg.StreamMaxBytes = 16 << 10
	stop := w.run(small)
	for i := range 30 {
		w.commit("ten_a", fmt.Sprint("r", i), strings.Repeat("x", 1024), false)
	}
	eventually(t, func() error {
		if n := w.count(`SELECT count(*) FROM config_outbox WHERE published_at IS NOT NULL`); n == 0 || w.count(`SELECT last_revision FROM publisher`) < 30 {
			return fmt.Errorf("%d changes are published", n)
		}
		return nil
	})
	if s := w.streamInfo().State; s.Bytes > 16<<10 || s.Msgs >= 30 {
		t.Errorf("the stream took %d messages, %d bytes", s.Msgs, s.Bytes)
	}
	stop()
	w.run(w.publisher())
	w.published(30)
	if n := len(w.messages(0)); n != 30 {
		t.Errorf("the stream holds %d messages, want 30", n)
	}
}
