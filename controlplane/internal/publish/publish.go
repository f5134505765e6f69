// Package publish owns the way of config from the outbox to the data planes
// and their answers back. One publisher at a time, whoever holds Postgres's
// advisory lock, numbers the changes and sends them to the JetStream stream
// that keeps the newest of each resource; it builds the snapshots that data
// planes start from; and it writes down what data planes acknowledge.
//
// How one change goes:
//
//	commit ──NOTIFY──► Step: number it, keep its payload (one transaction)
//	                     │
//	                     ├──► urgent ones at once on the priority subject
//	                     └──► stream, expecting the sequence of our last message
//	                              │
//	                   next Step: mark it published
//
// Two fences keep a publisher that was replaced from doing harm: its epoch, in
// every statement, and the expected sequence, in every message: whatever came
// between makes the stream refuse it. A publisher that was refused looks where
// the stream stands and goes on from there.
//
// It knows nothing of what resources hold.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/configcheck"
)

// Config is what publishing needs. Zero values of the limits mean the default.
type Config struct {
	Logger  *slog.Logger
	DB      *postgres.DB
	NATS    *nats.Conn
	Metrics prometheus.Registerer
	// Snapshots are stored for data planes, and served to those who ask.
	Snapshots *Snapshots
	// StreamMaxBytes caps the config stream, and the object store of snapshots;
	// 1 GiB.
	StreamMaxBytes int64
	// SnapshotEvery is how many revisions later a new snapshot is stored; 5,000.
	SnapshotEvery int64
	// Poll is how often the outbox and the stream are looked at without being
	// told; 1 s.
	Poll time.Duration
	// DatabaseTimeout bounds each call of Postgres; 10 s.
	DatabaseTimeout time.Duration
}

// natsTimeout bounds each call of NATS.
const natsTimeout = 3 * time.Second

// patience is how long a publisher may be silent before another takes over. A
// living one speaks every second, and is busy with NATS for a few at most.
const patience = 15 * time.Second

// batch is how many changes are numbered, or are in flight to the stream, at
// once.
const batch = 500

// Publisher publishes and tracks.
type Publisher struct {
	cfg     Config
	log     *slog.Logger
	js      jetstream.JetStream
	metrics *metrics
}

// New prepares; Run does.
func New(cfg Config) (*Publisher, error) {
	if cfg.StreamMaxBytes == 0 {
		cfg.StreamMaxBytes = 1 << 30
	}
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = 5000
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.DatabaseTimeout == 0 {
		cfg.DatabaseTimeout = 10 * time.Second
	}
	js, err := jetstream.New(cfg.NATS, jetstream.WithPublishAsyncTimeout(natsTimeout),
		jetstream.WithPublishAsyncMaxPending(2*batch), jetstream.WithDefaultTimeout(natsTimeout))
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	return &Publisher{cfg: cfg, log: cfg.Logger.With("part", "publish"), js: js, metrics: m}, nil
}

// Run publishes whenever no other control plane does, and writes down what
// data planes say, until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.campaign(ctx) })
	g.Go(func() error { return p.track(ctx) })
	g.Go(func() error { return p.prune(ctx) })
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// campaign takes every chance to become the publisher.
func (p *Publisher) campaign(ctx context.Context) error {
	var again seldom
	for ctx.Err() == nil {
		var lead *postgres.Publisher
		err := p.attempt(ctx, func(ctx context.Context) (err error) {
			lead, err = p.cfg.DB.LeadPublisher(ctx, patience)
			return err
		})
		if err != nil && ctx.Err() == nil && again.may() {
			p.log.Warn("cannot ask for the right to publish", "error", err)
		}
		if lead != nil {
			err := p.lead(ctx, lead)
			if err != nil && ctx.Err() == nil {
				p.log.Warn("no longer the publisher", "epoch", lead.Epoch, "error", err)
			}
		}
		sleep(ctx, p.cfg.Poll/2)
	}
	return nil
}

func (p *Publisher) lead(ctx context.Context, lead *postgres.Publisher) error {
	defer lead.Close()
	p.log.Info("publishing config", "epoch", lead.Epoch)
	p.metrics.leading.Set(1)
	defer p.metrics.leading.Set(0)
	t := &term{Publisher: p, lead: lead, want: make(chan struct{}, 1)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.run(ctx) })
	g.Go(func() error { return t.storeSnapshots(ctx) })
	return g.Wait()
}

// prune forgets old history, slowly. Several control planes may do it at once.
func (p *Publisher) prune(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := p.pruneOnce(ctx)
		if err != nil && ctx.Err() == nil {
			p.log.Warn("cannot prune config history", "error", err)
		} else if n > 0 {
			p.log.Info("pruned config history", "rows", n)
		}
		sleep(ctx, time.Hour)
	}
	return nil
}

func (p *Publisher) pruneOnce(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, longWork)
	defer cancel()
	return p.cfg.DB.PruneRollout(ctx)
}

// longWork bounds what reads or forgets much in Postgres.
const longWork = 2 * time.Minute

// attempt bounds one call of Postgres. Postgres bounds statements itself, but
// one that has stopped without a word, or sits behind a dead network, would
// hold the only publisher for many minutes.
func (p *Publisher) attempt(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.DatabaseTimeout)
	defer cancel()
	return fn(ctx)
}

// seldom keeps a message that repeats out of the log: once in ten seconds.
type seldom struct{ last time.Time }

func (s *seldom) may() bool {
	if time.Since(s.last) < 10*time.Second {
		return false
	}
	s.last = time.Now()
	return true
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

type metrics struct {
	leading   prometheus.Gauge
	revision  prometheus.Gauge
	published prometheus.Counter
	failures  prometheus.Counter
	refusals  *prometheus.CounterVec
	dropped   prometheus.Counter
	snapshots prometheus.Counter
	delay     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		leading:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_config_publisher", Help: "1 while this control plane publishes config."}),
		revision:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_config_revision", Help: "Newest published revision."}),
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_config_published_total", Help: "Config changes sent to the stream."}),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_config_publish_failures_total", Help: "Batches of changes that the stream did not take at once."}),
		refusals:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_config_nack_total", Help: "Resources that a data plane refused, by reason."}, []string{"reason"}),
		dropped:   prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_config_status_dropped_total", Help: "Messages of data planes that could not be read, or waited too long for Postgres."}),
		snapshots: prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_config_snapshots_total", Help: "Snapshots put into the object store."}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tollgate_config_publish_seconds",
			Help: "From commit to the stream's word that it has the change.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	for _, c := range []prometheus.Collector{m.leading, m.revision, m.published, m.failures, m.refusals, m.dropped, m.snapshots, m.delay} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of publishing: %w", err)
		}
	}
	for _, reason := range configcheck.Reasons() {
		m.refusals.WithLabelValues(reason) // there from the start
	}
	return m, nil
}
