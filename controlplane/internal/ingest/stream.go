package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollgate/tollgate/proto/subject"
)

const (
	// maxBytes caps the stream: far below any disk, so that it is the
	// stream that says no and never the file system. Data planes keep what is
	// refused and send it again.
	maxBytes = 1 << 30

	// duplicateWindow forgets message ids before a data plane sends again what
	// the ledger does not have (10 s): the stream must not take that for a
	// repeat. The ledger knows repeats by itself, for ever.
	duplicateWindow = 5 * time.Second

	// ackWait is when an unconfirmed message goes out again: what a control
	// plane held when it died must be in the ledger ten seconds after the next
	// one started. A message that only waited long comes twice, which the
	// ledger sees.
	ackWait = 5 * time.Second

	// prefetch is how many messages wait in memory; a message is a batch of up
	// to 64 KiB, so all of them are written well within ackWait.
	prefetch = 64
)

// consumer makes the stream and the durable consumer, or finds them.
func (in *Ingester) consumer(ctx context.Context) (jetstream.Consumer, error) {
	js, err := jetstream.New(in.cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// A message leaves the stream once the ledger has it. When the stream is
	// full, data planes are told: the oldest message is never dropped.
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: subject.UsageStream, Description: "usage on its way to the ledger",
		Subjects: []string{subject.UsageAll()}, Storage: jetstream.FileStorage, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, MaxBytes: maxBytes, Duplicates: duplicateWindow,
	})
	if err != nil {
		return nil, fmt.Errorf("make stream %s: %w", subject.UsageStream, err)
	}
	c, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: subject.UsageConsumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 4 * prefetch,
	})
	if err != nil {
		return nil, fmt.Errorf("make consumer %s: %w", subject.UsageConsumer, err)
	}
	return c, nil
}

// read hands decoded messages to the writer until ctx ends. When the stream
// goes away, because NATS restarted or lost its disk, it makes it anew.
func (in *Ingester) read(ctx context.Context) error {
	pause := backoff{}
	for ctx.Err() == nil {
		err := in.readStream(ctx, pause.reset)
		if ctx.Err() != nil {
			break
		}
		in.log.Warn("usage stream interrupted; opening it again", "error", err)
		pause.wait(ctx)
	}
	return nil
}

func (in *Ingester) readStream(ctx context.Context, healthy func()) error {
	c, err := in.consumer(ctx)
	if err != nil {
		return err
	}
	// Short heartbeats show within two seconds that the consumer is gone.
	iter, err := c.Messages(jetstream.PullMaxMessages(prefetch), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return fmt.Errorf("read %s: %w", subject.UsageStream, err)
	}
	defer iter.Stop()
	defer context.AfterFunc(ctx, iter.Stop)()
	for {
		msg, err := iter.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", subject.UsageStream, err)
		}
		healthy()
		select {
		case in.messages <- in.arrived(msg):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
