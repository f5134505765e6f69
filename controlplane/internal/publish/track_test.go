package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
)

// dataPlane speaks the protocol of one: it follows the stream and acknowledges
// each change, refusing resources that are called "bad".
type dataPlane struct {
	w     *world
	id    string
	epoch uint64
	start time.Time
	nc    *nats.Conn
}

func (w *world) dataPlane(id string) *dataPlane {
	w.t.Helper()
	d := &dataPlane{w: w, id: id, epoch: uint64(time.Now().UnixNano()), start: time.Now(), nc: w.connect()}
	d.beat(0, false)
	js, err := jetstream.New(d.nc)
	if err != nil {
		w.t.Fatal(err)
	}
	var c jetstream.Consumer
	eventually(w.t, func() error {
		s, err := js.Stream(context.Background(), subject.ConfigStream)
		if err != nil {
			return err
		}
		c, err = s.OrderedConsumer(context.Background(), jetstream.OrderedConsumerConfig{})
		return err
	})
	cc, err := c.Consume(func(m jetstream.Msg) {
		env := &configv1.Envelope{}
		if err := proto.Unmarshal(m.Data(), env); err != nil {
			w.t.Error(err)
			return
		}
		ack := &statusv1.Ack{DataPlaneId: d.id, Epoch: d.epoch, Revision: env.Revision}
		if string(env.Payload) == "bad" {
			ack.Refused = []*statusv1.Refusal{{TenantId: env.TenantId, Kind: env.Kind, Id: env.Id, Revision: env.Revision, Path: "targets[0]", Message: "is bad\x00"}}
		}
		d.send(subject.Ack(d.id), ack)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cc.Stop)
	return d
}

func (d *dataPlane) beat(revision uint64, stopping bool) {
	d.send(subject.Heartbeat(d.id), &statusv1.Heartbeat{DataPlaneId: d.id, Epoch: d.epoch, Version: "test", Address: "127.0.0.1:1",
		StartedAtUnixNano: d.start.UnixNano(), Revision: revision, ApiKeys: 7, Stopping: stopping})
}

func (d *dataPlane) send(subj string, m proto.Message) {
	b, err := proto.Marshal(m)
	if err == nil {
		err = d.nc.Publish(subj, b)
	}
	if err != nil {
		d.w.t.Error(err)
	}
}

func (w *world) fleet(n int) []*dataPlane {
	var out []*dataPlane
	for i := range n {
		out = append(out, w.dataPlane(fmt.Sprint("dp", i)))
	}
	eventually(w.t, func() error {
		if have := w.count(`SELECT count(*) FROM data_plane WHERE version <> ''`); have != int64(n) {
			for _, d := range out { // The publisher may have begun to listen after the first ones.
				d.beat(0, false)
			}
			return fmt.Errorf("%d data planes are known, want %d", have, n)
		}
		return nil
	})
	return out
}

// live waits until all connected data planes have a change.
func (w *world) live(changeID int64) rollout.Change {
	w.t.Helper()
	var c rollout.Change
	eventually(w.t, func() (err error) {
		if c, err = w.db.ChangeStatus(context.Background(), "ten_a", changeID); err != nil {
			return err
		}
		if live, _ := c.Live(); live != len(c.DataPlanes) || live == 0 {
			return fmt.Errorf("change %d (revision %d) is live on %d of %d", changeID, c.Revision, live, len(c.DataPlanes))
		}
		return nil
	})
	return c
}

// 500 changes, one after the other, each until it is live on three data
// planes. The bound is loose, because the machine may be busy with other
// tests; the figures are in the log.
func TestFiveHundredChangesBecomeLive(t *testing.T) {
	w := newWorld(t)
	p := w.publisher()
	w.run(p)
	w.fleet(3)
	n := 500
	if testing.Short() {
		n = 50
	}
	var last int64
	for i := range n {
		last = w.commit("ten_a", fmt.Sprint("r", i%50), fmt.Sprint(i), false)
	}
	w.live(last)
	var all []time.Duration
	err := w.db.InSystem(context.Background(), func(tx postgres.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT extract(epoch FROM max(f.at) - o.committed_at)::double precision
			FROM config_outbox o CROSS JOIN data_plane d
			CROSS JOIN LATERAL (SELECT min(received_at) AS at FROM config_ack a WHERE a.data_plane_id = d.data_plane_id AND a.revision >= o.revision) f
			GROUP BY o.outbox_id, o.committed_at`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s float64
			if err := rows.Scan(&s); err != nil {
				return err
			}
			all = append(all, time.Duration(s*float64(time.Second)))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	t.Logf("%d changes, commit to live on 3 data planes: p50 %v, p99 %v, max %v", len(all), p50, p99, all[len(all)-1])
	// How soon is a figure of the chaos program, which has the machine to itself.
	if len(all) != n {
		t.Errorf("%d of %d changes became live", len(all), n)
	}
}

// nacks reads the counter of refusals.
func nacks(t *testing.T, p *Publisher) (out string) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(p.metrics.refusals)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		out += fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetCounter().GetValue(), " ")
	}
	return out
}

func TestARefusalIsShownWithItsPathUntilANewerVersionIsTaken(t *testing.T) {
	w := newWorld(t)
	p := w.publisher()
	w.run(p)
	w.fleet(2)
	w.live(w.commit("ten_a", "r", "good", false))
	bad := w.commit("ten_a", "r", "bad", false)
	eventually(t, func() error {
		c, err := w.db.ChangeStatus(context.Background(), "ten_a", bad)
		if err != nil {
			return err
		}
		for _, p := range c.DataPlanes {
			if p.Refused == nil {
				return errors.New("no refusal yet")
			}
			if p.Live || p.Refused.Path != "targets[0]" || p.Refused.Message != "is bad" {
				t.Fatalf("the change is shown as %+v, %+v", p, p.Refused)
			}
		}
		return nil
	})
	if got := nacks(t, p); got != "envelope 0 field 2 payload 0 secret 0 " {
		t.Errorf("counted by reason: %s", got)
	}
	list, err := w.db.Refusals(context.Background(), "ten_a", 10)
	if err != nil || len(list) != 2 || list[0].ResourceID != "r" || list[0].Revision != 2 {
		t.Fatalf("refusals: %+v, %v", list, err)
	}
	if other, err := w.db.Refusals(context.Background(), "ten_b", 10); err != nil || len(other) != 0 {
		t.Errorf("another tenant sees %+v, %v", other, err)
	}
	if _, err := w.db.ChangeStatus(context.Background(), "ten_b", bad); err == nil {
		t.Error("another tenant sees the change")
	}
	w.live(w.commit("ten_a", "r", "good", false))
	eventually(t, func() error {
		if n := w.count(`SELECT count(*) FROM config_refusal`); n != 0 {
			return fmt.Errorf("%d refusals are left", n)
		}
		return nil
	})
}

// While the database is away, what data planes say waits, and nothing of it is
// lost.
func TestEverythingGoesOnAfterTheDatabaseWasAway(t *testing.T) {
	w := newWorld(t)
	w.run(w.publisher())
	planes := w.fleet(2)
	w.live(w.commit("ten_a", "r", "1", false))
	w.cut()
	for i, d := range planes {
		d.send(subject.Ack(d.id), &statusv1.Ack{DataPlaneId: d.id, Epoch: d.epoch, Revision: 1, Refused: []*statusv1.Refusal{
			{TenantId: "ten_a", Kind: configv1.Kind_KIND_ROUTE, Id: fmt.Sprint("late", i), Revision: 1, Path: "name", Message: "is bad"}}})
		d.nc.Flush()
	}
	eventually(t, func() error {
		list, err := w.db.Refusals(context.Background(), "ten_a", 10)
		if err != nil {
			return err
		}
		if len(list) != 2 {
			return fmt.Errorf("%d of 2 refusals are kept", len(list))
		}
		return nil
	})
	w.live(w.commit("ten_a", "r", "2", false))
	if n := w.count(`SELECT epoch FROM publisher`); n < 2 {
		t.Errorf("the epoch is %d: the session was not lost", n)
	}
}

func TestDataPlanesComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.run(w.publisher())
	planes := w.fleet(2)
	id := w.commit("ten_a", "r", "x", false)
	w.live(id)
	state := func(id string) (string, rollout.DataPlane) {
		_, list, err := w.db.DataPlanes(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if d.ID == id {
				return d.State, d
			}
		}
		return "", rollout.DataPlane{}
	}
	if s, d := state("dp0"); s != rollout.Live || d.APIKeys != 7 || d.Version != "test" || d.Revision != 1 || d.Lag == nil || *d.Lag < 0 {
		t.Errorf("dp0 is %s, %+v", s, d)
	}
	planes[0].beat(1, true)
	eventually(t, func() error {
		if s, _ := state("dp0"); s != rollout.Stopped {
			return fmt.Errorf("dp0 is %s", s)
		}
		return nil
	})
	w.exec(`UPDATE data_plane SET last_seen_at = now() - interval '20 seconds' WHERE data_plane_id = 'dp1'`)
	if s, _ := state("dp1"); s != rollout.Lost {
		t.Errorf("a silent data plane is %s", s)
	}
	if c, err := w.db.ChangeStatus(context.Background(), "ten_a", id); err != nil || len(c.DataPlanes) != 0 {
		t.Errorf("data planes that are away count: %+v, %v", c.DataPlanes, err)
	}
	// One that starts later has the change, but took no time over it.
	w.dataPlane("dp2")
	c := w.live(id)
	if len(c.DataPlanes) != 1 || c.DataPlanes[0].After != nil {
		t.Errorf("a data plane that came later: %+v", c.DataPlanes)
	}
	// An older boot's last words change nothing.
	planes[1].epoch--
	planes[1].beat(0, true)
	planes[1].send(subject.Ack("dp0"), &statusv1.Ack{DataPlaneId: "dp1", Epoch: planes[1].epoch + 5, Revision: 99})
	planes[1].nc.Flush()
	planes[1].epoch++
	planes[1].beat(1, false)
	eventually(t, func() error {
		if s, d := state("dp1"); s != rollout.Live || d.Revision != 1 {
			return fmt.Errorf("dp1 is %s at revision %d", s, d.Revision)
		}
		return nil
	})
}

func TestOldHistoryIsForgottenAndTheNewestStateStays(t *testing.T) {
	w := newWorld(t)
	stop := w.run(w.publisher())
	w.fleet(1)
	w.live(w.commit("ten_a", "r", "x", false))
	stop()
	w.exec(`UPDATE config_outbox SET published_at = now() - interval '8 days'`)
	w.exec(`UPDATE config_ack SET received_at = now() - interval '8 days'`)
	w.exec(`INSERT INTO data_plane (data_plane_id, epoch, version, address, started_at, last_seen_at, revision, stopped)
		VALUES ('old', 1, '', '', now(), now() - interval '8 days', 0, false), ('done', 1, '', '', now(), now() - interval '2 days', 0, true)`)
	w.exec(`INSERT INTO config_outbox (tenant_id, kind, resource_id, payload) VALUES ('ten_a', 5, 'waiting', 'x')`)
	n, err := w.db.PruneRollout(context.Background())
	if err != nil || n != 4 {
		t.Errorf("pruned %d rows, %v; want 4", n, err)
	}
	if n := w.count(`SELECT count(*) FROM config_outbox`); n != 1 {
		t.Errorf("%d changes are left, want the one that waits", n)
	}
	if n := w.count(`SELECT count(*) FROM config_resource`); n != 1 {
		t.Errorf("%d resources are left, want 1", n)
	}
	if _, err := w.db.ChangeStatus(context.Background(), "ten_a", 1); err == nil {
		t.Error("a pruned change still has a status")
	}
}
