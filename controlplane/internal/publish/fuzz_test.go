package publish

import (
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
)

// Whatever comes on the subjects of data planes, what is kept of it is fit for
// the database and speaks for the sender alone.
func FuzzWordsOfDataPlanes(f *testing.F) {
	add := func(m proto.Message) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("dp1", b)
	}
	add(&statusv1.Ack{DataPlaneId: "dp1", Epoch: 1, Revision: 2, Refused: []*statusv1.Refusal{{TenantId: "ten_a", Id: "x\x00", Message: strings.Repeat("é", 400)}}})
	add(&statusv1.Ack{DataPlaneId: "dp2", Epoch: 1 << 63, Revision: 2})
	add(&statusv1.Heartbeat{DataPlaneId: "dp1", Epoch: 1, Version: "v\x00", UsageLost: 1 << 63})
	f.Add("dp1", []byte("\xff\xff"))
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		f.Fatal(err)
	}
	p := &Publisher{log: slog.New(slog.DiscardHandler), metrics: m}
	f.Fuzz(func(t *testing.T, sender string, data []byte) {
		in := &inbox{beats: map[string]heard[rollout.DataPlane]{}, wake: make(chan struct{}, 1)}
		fit := func(id string, texts ...string) {
			if id != sender || id == "" || len(id) > maxID {
				t.Errorf("%q spoke for %q", sender, id)
			}
			for _, s := range texts {
				if len(s) > maxText || !utf8.ValidString(s) || strings.Contains(s, "\x00") {
					t.Errorf("text %q", s)
				}
			}
		}
		if p.takeAck(in, &nats.Msg{Subject: subject.Ack(sender), Data: data}) == nil {
			a := in.acks[0].what
			fit(a.DataPlaneID)
			if a.Epoch < 0 || a.Revision < 0 {
				t.Errorf("%+v", a)
			}
			for _, r := range a.Refused {
				fit(sender, r.TenantID, r.ResourceID, r.Path, r.Message)
			}
		}
		if takeHeartbeat(in, &nats.Msg{Subject: subject.Heartbeat(sender), Data: data}) == nil {
			d := in.beats[sender].what
			fit(d.ID, d.Version, d.Address)
			if d.UsageLost < 0 || d.LastSeq < 0 || d.SpoolBytes < 0 {
				t.Errorf("%+v", d)
			}
		}
	})
}
