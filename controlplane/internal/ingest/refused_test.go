package ingest_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// fillRow makes the hour of an event so long that no more time can be added:
// what Postgres refuses for ever.
func (b *bench) fillRow(e *usagev1.Event) {
	b.t.Helper()
	e.TenantId, e.Provider, e.ProviderModel, e.ErrorCode = "ten_full", "p", "m", ""
	e.CostNano, e.DurationNs = 1000, int64(time.Second)
	ctx := context.Background()
	err := b.db.InSystem(ctx, func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO usage_hour (tenant_id, hour, route, provider, provider_model, requests, errors, attempts, estimated, input, output,
			cache_read, cache_write, reasoning, audio_input, audio_output, image_input, cost_nano, price_nano, duration_us)
			VALUES ('ten_full', date_trunc('hour', $1::timestamptz), $2, 'p', 'm', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9223372036854775807)
			ON CONFLICT DO NOTHING`, time.Unix(0, e.StartedAtUnixNano), e.Route)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// unmeasured is what an event is reduced to, in SQL.
const unmeasured = `error_code = 'ledger_refused' AND estimated AND cost_nano = 0 AND price_nano = 0 AND input = 0 AND output = 0
	AND duration_us = 0 AND attempts = 0 AND cost_price_id = ''`

// asides gives the events that were set aside.
func (b *bench) asides() (out []*usagev1.Event) {
	b.t.Helper()
	ctx := context.Background()
	err := b.db.InSystem(ctx, func(tx postgres.Tx) error {
		rows, err := tx.Query(ctx, "SELECT payload FROM usage_aside ORDER BY first_at")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var raw []byte
			var m usagev1.Batch
			if err := rows.Scan(&raw); err != nil {
				return err
			}
			if err := proto.Unmarshal(raw, &m); err != nil {
				return err
			}
			out = append(out, m.Events...)
		}
		return rows.Err()
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// checkDoctor holds the books to be whole, but for what was set aside and the
// row that a test has filled.
func (b *bench) checkDoctor() {
	b.t.Helper()
	checks, err := doctor.Run(context.Background(), b.db, doctor.Everything())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range checks {
		if want := c.Name != "usage_aside"; c.OK != want && c.Name != "ledger_hour" {
			b.t.Errorf("%s: OK is %t: %s", c.Name, c.OK, c.Explanation)
		}
	}
}

func TestARefusedEventIsRecordedWithoutItsMeasurementsAndAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		bad  []int
	}{{"first", []int{0}}, {"in between", []int{41}}, {"some", []int{3, 4, 77, 99}}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			w := world(1)
			postgrestest.Prices(t, b.db, w)
			batch := w.Batch("dpl_a", 1, 1, 100)
			for _, i := range c.bad {
				b.fillRow(batch.Events[i])
			}
			marks := b.watermarks("dpl_a")
			in := b.run(b.db)
			others := w.Batch("dpl_b", 1, 1, 50)
			b.publish(others, batch)
			awaitWatermark(t, marks, 1, 100)
			b.publish(batch, w.Batch("dpl_a", 1, 101, 10)) // once more: nothing is added
			awaitWatermark(t, marks, 1, 110)
			b.eventually("all are there", func() bool { return b.count("SELECT count(*) FROM usage_event") == 160 })
			if n := b.count("SELECT count(*) FROM usage_event WHERE " + unmeasured + " AND tenant_id = 'ten_full' AND request_id <> '' AND provider = 'p'"); n != int64(len(c.bad)) {
				t.Errorf("%d events without measurements, want %d", n, len(c.bad))
			}
			if n := in.Stats().Refused.Load(); n != int64(len(c.bad)) {
				t.Errorf("%d refusals counted, want %d", n, len(c.bad))
			}
			if n := in.Stats().Asides.Load(); n != 0 {
				t.Errorf("%d messages set aside as a whole", n)
			}
			kept := b.asides()
			if len(kept) != len(c.bad) {
				t.Fatalf("%d events set aside, want %d", len(kept), len(c.bad))
			}
			for i, at := range c.bad {
				if !proto.Equal(kept[i], batch.Events[at]) {
					t.Errorf("set aside as %v, was sent as %v", kept[i], batch.Events[at])
				}
			}
			b.checkDoctor()
		})
	}
}

// rawBatch is a batch of events as bytes.
func rawBatch(planeID string, events ...[]byte) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), planeID)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), 1)
	for _, e := range events {
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), e)
	}
	return b
}

func TestAnEventThatCannotBeReadTakesNoneAlong(t *testing.T) {
	b := newBench(t)
	w := world(1)
	postgrestest.Prices(t, b.db, w)
	batch := w.Batch("dpl_a", 1, 1, 10)
	raw := make([][]byte, len(batch.Events))
	for i, e := range batch.Events {
		var err error
		if raw[i], err = proto.Marshal(e); err != nil {
			t.Fatal(err)
		}
	}
	torn := raw[6][:len(raw[6])-3]
	latin := []byte(strings.Replace(string(raw[3]), batch.Events[3].RequestId, "\xe4"+batch.Events[3].RequestId[1:], 1))
	raw[3], raw[6] = latin, torn
	nameless := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "ten_\xff")
	data := rawBatch("dpl_a", append(raw, nameless)...)
	if err := proto.Unmarshal(data, &usagev1.Batch{}); err == nil {
		t.Fatal("the message is valid")
	}
	marks := b.watermarks("dpl_a")
	in := b.run(b.db)
	js, err := jetstream.New(b.conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(context.Background(), subject.Usage("dpl_a"), data); err != nil {
		t.Fatal(err)
	}
	awaitWatermark(t, marks, 1, 10)
	b.settled(10)
	if n := b.count("SELECT count(*) FROM usage_event WHERE " + unmeasured + " AND seq IN (4, 7) AND tenant_id <> ''"); n != 2 {
		t.Errorf("%d events without measurements, want 2", n)
	}
	if n := b.count("SELECT count(*) FROM usage_aside"); n != 3 {
		t.Errorf("%d things set aside, want 2 events and the one without a number", n)
	}
	if r, a := in.Stats().Refused.Load(), in.Stats().Asides.Load(); r != 2 || a != 1 {
		t.Errorf("counted %d refused and %d set aside, want 2 and 1", r, a)
	}
	b.checkDoctor()
}

// stubborn refuses an event in every form that names its route.
type stubborn struct{ *postgres.DB }

var errStubborn = &refusal{}

type refusal struct{}

func (*refusal) Error() string { return "no" }

func (s stubborn) Unacceptable(err error) bool {
	return err == error(errStubborn) || s.DB.Unacceptable(err)
}

func (s stubborn) RecordUsage(ctx context.Context, batches []usage.Batch) (usage.Recorded, error) {
	for _, b := range batches {
		for i := range b.Events {
			if b.Events[i].Route == "poison" {
				return usage.Recorded{}, errStubborn
			}
		}
	}
	return s.DB.RecordUsage(ctx, batches)
}

func TestAnEventThatIsRefusedInEveryFormStillHasItsPlace(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	b.run(stubborn{b.db})
	batch := world(1).Batch("dpl_a", 1, 1, 20)
	batch.Events[7].Route = "poison"
	b.publish(batch)
	awaitWatermark(t, marks, 1, 20)
	b.settled(20)
	if n := b.count("SELECT count(*) FROM usage_event WHERE " + unmeasured + " AND seq = 8 AND tenant_id <> '' AND route = ''"); n != 1 {
		t.Errorf("%d bare events, want 1", n)
	}
}

// TestHugeAmountsAreExact goes up to where a bigint ends.
func TestHugeAmountsAreExact(t *testing.T) {
	b := newBench(t)
	w := world(1)
	postgrestest.Prices(t, b.db, w)
	marks := b.watermarks("dpl_a")
	in := b.run(b.db)
	batch := w.Batch("dpl_a", 1, 1, 4)
	price := &configv1.Price{Input: 1_000_000_000_000_000} // a million dollars per million tokens
	want := []int64{100_000_000_000_001, 5_000_000_000_000_000_000, math.MaxInt64 - 1, math.MaxInt64}
	for i, tokens := range []int64{0, 5_000_000_000, 0, 10_000_000_000} {
		e := batch.Events[i]
		e.TenantId, e.CostPriceId, e.SellPriceId = []string{"ten_a", "ten_b", "ten_c", "ten_d"}[i], "", ""
		e.CostNano = want[i]
		if tokens > 0 {
			e.Tokens = &usagev1.Tokens{Input: tokens}
			e.CostNano = int64(money.Cost(price, e.Tokens, nil))
		}
		e.PriceNano = e.CostNano
	}
	b.publish(batch)
	awaitWatermark(t, marks, 1, 4)
	b.settled(4)
	for i, v := range want {
		for _, table := range []string{"usage_event", "usage_hour", "usage_day"} {
			ctx, got := context.Background(), int64(0)
			err := b.db.InSystem(ctx, func(tx postgres.Tx) error {
				return tx.QueryRow(ctx, "SELECT price_nano FROM "+table+" WHERE tenant_id = $1", batch.Events[i].TenantId).Scan(&got)
			})
			if err != nil || got != v {
				t.Errorf("%s: %d (%v), want %d", table, got, err, v)
			}
		}
	}
	if n := in.Stats().Refused.Load() + in.Stats().Asides.Load(); n != 0 {
		t.Errorf("%d were refused", n)
	}
	// Only what may be higher in truth is told.
	kept := b.asides()
	if len(kept) != 1 || !proto.Equal(kept[0], batch.Events[3]) {
		t.Errorf("set aside: %v", kept)
	}
}

func TestDecodeKeepsTheTimeOfArrivalWhereNoneCanBeRead(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 5)
	b, err := ingest.Decode("s", rawBatch("dpl_a", append(e, 0x12)), now)
	if err != nil || len(b.Events) != 1 || !b.Events[0].StartedAt.Equal(now) || b.Events[0].Seq != 5 {
		t.Fatalf("%+v, %v", b, err)
	}
}
