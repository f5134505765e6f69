package tenantconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tollgate/tollgate/proto/subject"
)

const (
	// maxRun is how many changes are applied and acknowledged together.
	maxRun = 512
	// callTimeout bounds each question to NATS.
	callTimeout = 5 * time.Second
	// stuckAfter is how long a consumer may stand still behind the stream
	// before it is made anew.
	stuckAfter = 10 * time.Second
)

var errStreamReplaced = errors.New("the config stream was made anew or cut back")

// runSync keeps the state in step with the config stream, whatever happens to
// the link, the stream or the server.
func (s *Store) runSync(ctx context.Context) error {
	js, err := jetstream.New(s.cfg.NATS)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	ready := make(chan struct{}, 1)
	sub, err := s.cfg.NATS.Subscribe(subject.SnapshotReady(), func(*nats.Msg) {
		select {
		case ready <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to snapshot announcements: %w", err)
	}
	defer sub.Unsubscribe()
	status := s.cfg.NATS.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer s.cfg.NATS.RemoveStatusListener(status)

	wait := backoff{min: s.cfg.RetryMin, max: s.cfg.RetryMax}
	for ctx.Err() == nil {
		err := s.syncOnce(ctx, js, status, &wait)
		s.link.lost(s.cfg.Now())
		if ctx.Err() != nil {
			return nil
		}
		s.log.Warn("config stream is not followed", "error", err)
		pause := time.NewTimer(wait.next())
		select {
		case <-ctx.Done():
		case <-pause.C:
		case <-ready:
		case <-status:
		}
		pause.Stop()
	}
	return nil
}

// syncOnce finds out whether the state continues the stream, fetches a
// snapshot if not, and follows.
func (s *Store) syncOnce(ctx context.Context, js jetstream.JetStream, status <-chan nats.Status, wait *backoff) error {
	stream, info, err := s.stream(ctx, js)
	if err != nil {
		return err
	}
	at := identity{created: info.Created.UnixNano(), last: info.State.LastSeq}
	if !s.continues(at) {
		s.link.apart()
		if err := s.fetchObject(ctx, js, at); err != nil {
			return fmt.Errorf("fetch config snapshot: %w", err)
		}
	}
	return s.follow(ctx, stream, at, status, wait)
}

func (s *Store) stream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, *jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, subject.ConfigStream)
	if err != nil {
		return nil, nil, fmt.Errorf("find config stream: %w", err)
	}
	return stream, stream.CachedInfo(), nil
}

// continues reports whether changes after the state's place in its stream are
// to be had from this one.
func (s *Store) continues(at identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Loaded() && s.created == at.created && s.created != 0 && s.seq <= at.last
}

func (s *Store) place() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// fetchObject gets the snapshot that belongs to the stream from the object
// store.
func (s *Store) fetchObject(ctx context.Context, js jetstream.JetStream, at identity) error {
	opening, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bucket, err := js.ObjectStore(opening, subject.SnapshotBucket)
	if err != nil {
		return err
	}
	// Without a deadline of its own the client gives up a read that stands
	// still for five seconds, as one does whose object was replaced meanwhile.
	obj, err := bucket.Get(ctx, subject.SnapshotObject)
	if err != nil {
		return err
	}
	// The client does not look at ctx while it waits; a stop must not wait for
	// it.
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, obj)
		in.CloseWithError(errors.Join(err, obj.Close()))
	}()
	defer out.Close()
	defer context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })()
	return s.adopt(out, &at)
}

// follow applies changes until the stream or the link to it is lost.
func (s *Store) follow(ctx context.Context, stream jetstream.Stream, at identity, status <-chan nats.Status, wait *backoff) error {
	opening, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	consumer, err := stream.OrderedConsumer(opening, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.place() + 1,
	})
	if err != nil {
		return fmt.Errorf("consume config stream: %w", err)
	}
	f := follower{store: s, target: at.last, created: at.created, moved: s.cfg.Now()}
	if consumer.CachedInfo().NumPending == 0 {
		f.target = s.place()
	}
	done, stop := context.WithCancel(ctx)
	defer stop()
	messages, failed := make(chan jetstream.Msg, maxRun), make(chan error, 1)
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		select {
		case messages <- m:
		case <-done.Done():
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, nats.ErrConnectionClosed) {
			select {
			case failed <- err:
			default:
			}
		}
	}))
	if err != nil {
		return fmt.Errorf("consume config stream: %w", err)
	}
	defer consuming.Stop()
	f.caughtUp()
	check := time.NewTicker(s.cfg.CheckEvery)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-messages:
			f.take(m, messages)
			wait.reset()
		case err := <-failed:
			return err
		case st := <-status:
			if st != nats.CONNECTED {
				s.link.lost(s.cfg.Now())
				continue
			}
			if err := f.check(ctx, stream); err != nil {
				return err
			}
		case <-check.C:
			if err := f.check(ctx, stream); err != nil {
				return err
			}
		}
	}
}

// follower is one consumer's progress.
type follower struct {
	store   *Store
	created int64
	// target is the sequence at which the state has caught up.
	target uint64
	// moved is when a message last came while behind the target.
	moved time.Time
}

// take applies a message and those that wait behind it.
func (f *follower) take(m jetstream.Msg, more <-chan jetstream.Msg) {
	s := f.store
	run := make([]delta, 0, 16)
	for {
		d, err := deltaOf(m)
		if err != nil {
			s.log.Error("message on the config stream cannot be read", "subject", m.Subject(), "error", err)
		} else {
			run = append(run, d)
		}
		if len(run) == maxRun {
			break
		}
		select {
		case m = <-more:
			continue
		default:
		}
		break
	}
	s.apply(run)
	f.moved = s.cfg.Now()
	f.caughtUp()
	s.acks.wake()
}

func deltaOf(m jetstream.Msg) (delta, error) {
	meta, err := m.Metadata()
	if err != nil {
		return delta{}, err
	}
	env, err := parseEnvelope(m.Data())
	if err != nil {
		return delta{}, err
	}
	return delta{env: env, raw: m.Data(), seq: meta.Sequence.Stream}, nil
}

func (f *follower) caughtUp() {
	if f.store.place() >= f.target {
		f.store.link.up()
	}
}

// check asks the stream who it is and how far it is.
func (f *follower) check(ctx context.Context, stream jetstream.Stream) error {
	s := f.store
	asking, cancel := context.WithTimeout(ctx, s.cfg.CheckEvery)
	defer cancel()
	info, err := stream.Info(asking)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return err
	case err != nil:
		s.link.lost(s.cfg.Now())
		return nil
	case info.Created.UnixNano() != f.created || info.State.LastSeq < s.place():
		return errStreamReplaced
	}
	if info.State.LastSeq > f.target {
		if s.place() >= f.target {
			f.moved = s.cfg.Now()
		}
		f.target = info.State.LastSeq
	}
	f.caughtUp()
	if s.place() < f.target && s.cfg.Now().Sub(f.moved) > stuckAfter {
		return fmt.Errorf("the consumer stands still at %d of %d", s.place(), f.target)
	}
	return nil
}

// runRevocations applies what comes on the priority subject at once, ahead of
// the stream.
func (s *Store) runRevocations(ctx context.Context) error {
	sub, err := s.cfg.NATS.Subscribe(subject.RevokeAll(), func(m *nats.Msg) {
		env, err := parseEnvelope(m.Data)
		if err != nil {
			s.log.Error("revocation cannot be read", "subject", m.Subject, "error", err)
			return
		}
		s.apply([]delta{{env: env, raw: m.Data}})
		s.acks.wake()
	})
	if err != nil {
		return fmt.Errorf("subscribe to revocations: %w", err)
	}
	<-ctx.Done()
	return sub.Unsubscribe()
}

// runBootstrap fetches the snapshot URL until there is a config.
func (s *Store) runBootstrap(ctx context.Context) error {
	wait := backoff{min: s.cfg.RetryMin, max: s.cfg.RetryMax}
	for !s.Loaded() {
		err := s.fetchURL(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		s.log.Warn("config snapshot cannot be fetched", "error", err)
		if !sleep(ctx, wait.next()) {
			return nil
		}
	}
	return nil
}

func (s *Store) fetchURL(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.Snapshot, nil)
	if err != nil {
		// The URL may hold a password.
		return errors.New("the snapshot URL is not valid")
	}
	if s.cfg.SnapshotToken != "" {
		req.Header.Set("Authorization", "Bearer "+s.cfg.SnapshotToken)
	}
	resp, err := s.cfg.HTTPClient.Do(req)
	if err != nil {
		return fmt.Errorf("get snapshot from %s: %w", req.URL.Host, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get snapshot from %s: %s", req.URL.Host, resp.Status)
	}
	s.loadMu.Lock()
	defer s.loadMu.Unlock()
	if s.Loaded() {
		return nil
	}
	return s.adopt(resp.Body, nil)
}

// backoff waits with full jitter: many data planes that start together do not
// come back together.
type backoff struct{ min, max, cur time.Duration }

func (b *backoff) next() time.Duration {
	b.cur = min(max(2*b.cur, b.min), b.max)
	return rand.N(b.cur)
}

func (b *backoff) reset() { b.cur = 0 }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
