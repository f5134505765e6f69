package publish

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Many changes at once, such as an import, must not take long, and an urgent
// one among them must not wait for the others.
func TestABulkOfChangesGoesThrough(t *testing.T) {
	w := newWorld(t)
	w.run(w.publisher())
	w.commit("ten_a", "first", "x", false)
	w.published(1)
	urgent := make(chan *nats.Msg, 10)
	nc := w.connect()
	if _, err := nc.ChanSubscribe(subject.RevokeAll(), urgent); err != nil {
		t.Fatal(err)
	}
	nc.Flush()
	const n = 20_000
	begin := time.Now()
	w.exec(`INSERT INTO config_outbox (tenant_id, kind, resource_id, payload, urgent)
		SELECT 'ten_b', 5, 'r' || i, 'x'::bytea, false FROM generate_series(1, $1::int) i
		UNION ALL SELECT 'ten_b', 5, 'r' || $1::int, 'revoked'::bytea, true`, n)
	select {
	case m := <-urgent:
		env := &configv1.Envelope{}
		if err := proto.Unmarshal(m.Data, env); err != nil || env.Revision != 3 || string(env.Payload) != "revoked" {
			t.Errorf("first came %v, %v; want the revocation as revision 3", env, err)
		}
		t.Logf("the urgent one of %d after %v", n, time.Since(begin))
	case <-time.After(5 * time.Second):
		t.Error("the urgent change did not come")
	}
	for w.count(`SELECT count(*) FROM config_outbox WHERE published_at IS NULL`) > 0 && time.Since(begin) < time.Minute {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d changes in %v", n, time.Since(begin))
	if s := w.streamInfo().State; s.LastSeq != n+2 || s.Msgs != n+1 {
		t.Errorf("the stream holds %d messages up to %d", s.Msgs, s.LastSeq)
	}
	if got := w.count(`SELECT revision FROM config_resource WHERE resource_id = 'r20000' AND payload = 'revoked'`); got != 3 {
		t.Errorf("the revoked resource is at revision %d", got)
	}
}
