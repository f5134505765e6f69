package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// leap is how far a stream made anew begins beyond the sequence of the one
// before: a message that was meant for the old one cannot fit the new one by
// chance.
const leap = 1 << 20

// join finds out where the stream stands, makes it when it is not there, and
// settles with Postgres what of the outbox it has.
func (t *term) join(ctx context.Context) error {
	var known postgres.Publication
	err := t.attempt(ctx, func(ctx context.Context) (err error) {
		known, err = t.lead.Publication(ctx)
		return err
	})
	if err != nil {
		return err
	}
	calling, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	stream, err := t.stream(calling, known)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	created, sequence := info.Created.UnixNano(), info.State.LastSeq
	revision := int64(0)
	if info.State.Msgs > 0 {
		if revision, err = lastRevision(calling, stream, sequence); err != nil {
			return err
		}
	}
	// The stream is ahead of this database, or another database filled it: data
	// planes may hold what was never here. They must start over.
	if revision > known.LastRevision || (created != known.StreamCreated && info.State.Msgs > 0) {
		return t.startOver(ctx, known, revision, sequence)
	}
	if created == known.StreamCreated && int64(sequence) < known.StreamSequence {
		return t.lostTail(ctx, sequence, known)
	}
	if created != known.StreamCreated || int64(sequence) > known.StreamSequence {
		err := t.attempt(ctx, func(ctx context.Context) error { return t.lead.AdoptStream(ctx, created, int64(sequence)) })
		if err != nil {
			return fmt.Errorf("note stream: %w", err)
		}
	}
	if created != known.StreamCreated {
		t.log.Info("the config stream is new", "sequence", sequence)
	}
	t.created, t.sequence, t.revision, t.marked, t.asked = created, sequence, revision, 0, time.Time{}
	t.metrics.revision.Set(float64(t.revision))
	return t.checkSnapshot(ctx, known)
}

// same reports whether the stream is where we left it.
func (t *term) same(ctx context.Context) bool {
	calling, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	stream, err := t.js.Stream(calling, subject.ConfigStream)
	if err != nil {
		return false
	}
	info := stream.CachedInfo()
	if info.Created.UnixNano() != t.created || info.State.LastSeq != t.sequence {
		return false
	}
	if time.Since(t.asked) < time.Minute {
		return true
	}
	return t.checkSnapshot(ctx, postgres.Publication{LastRevision: t.revision}) == nil
}

// stream finds the stream or makes it.
func (t *term) stream(ctx context.Context, known postgres.Publication) (jetstream.Stream, error) {
	want := jetstream.StreamConfig{
		Name: subject.ConfigStream, Description: "newest envelope of each config resource",
		Subjects: []string{subject.ConfigAll()}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxMsgsPerSubject: 1, MaxBytes: t.cfg.StreamMaxBytes, AllowDirect: true,
	}
	s, err := t.js.Stream(ctx, subject.ConfigStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if before := max(uint64(known.StreamSequence), t.sequence); before > 0 {
			want.FirstSeq = before + leap
		}
		s, err = t.js.CreateStream(ctx, want)
		if err != nil {
			return nil, fmt.Errorf("make stream %s: %w", subject.ConfigStream, err)
		}
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", subject.ConfigStream, err)
	}
	have := s.CachedInfo().Config
	// Replicas stay as whoever runs NATS has set them.
	if have.MaxBytes == want.MaxBytes && have.Discard == want.Discard && have.MaxMsgsPerSubject == 1 {
		return s, nil
	}
	have.MaxBytes, have.Discard, have.MaxMsgsPerSubject = want.MaxBytes, want.Discard, 1
	if s, err = t.js.UpdateStream(ctx, have); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", subject.ConfigStream, err)
	}
	return s, nil
}

// lastRevision reads the newest message. Revisions rise in the order of
// publication, so the stream has everything up to it.
func lastRevision(ctx context.Context, s jetstream.Stream, sequence uint64) (int64, error) {
	msg, err := s.GetMsg(ctx, sequence)
	if err != nil {
		return 0, fmt.Errorf("read message %d of %s: %w", sequence, subject.ConfigStream, err)
	}
	var env configv1.Envelope
	if err := proto.Unmarshal(msg.Data, &env); err != nil {
		return 0, fmt.Errorf("message %d of %s is no envelope: %w", sequence, subject.ConfigStream, err)
	}
	return int64(env.GetRevision()), nil
}

// startOver numbers everything anew above what data planes may have seen, and
// replaces the stream, upon which they load a snapshot and drop what is not in
// it.
func (t *term) startOver(ctx context.Context, known postgres.Publication, revision int64, sequence uint64) error {
	t.log.Error("the config stream holds what this database does not: was it restored from an older state? Data planes will start over from a snapshot",
		"stream_revision", revision, "database_revision", known.LastRevision)
	if err := t.attempt(ctx, func(ctx context.Context) error { return t.lead.Rewind(ctx, revision) }); err != nil {
		return fmt.Errorf("number everything anew above %d: %w", revision, err)
	}
	return t.replace(ctx, sequence)
}

// lostTail replaces a stream that forgot its newest messages, as a crash of
// the machine below NATS can make it do: some data planes have them, some
// never will, and a snapshot has them all.
func (t *term) lostTail(ctx context.Context, sequence uint64, known postgres.Publication) error {
	t.log.Error("the config stream lost its newest messages. Data planes will start over from a snapshot",
		"sequence", sequence, "published_sequence", known.StreamSequence)
	return t.replace(ctx, max(sequence, uint64(known.StreamSequence)))
}

func (t *term) replace(ctx context.Context, sequence uint64) error {
	calling, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	if err := t.js.DeleteStream(calling, subject.ConfigStream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete stream %s: %w", subject.ConfigStream, err)
	}
	t.sequence = max(t.sequence, sequence)
	return errors.New("the stream was removed, to be made anew")
}
