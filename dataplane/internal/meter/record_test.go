package meter

import (
	"bytes"
	"strings"
	"testing"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fill sets every field of a message to something that is not zero, so that a
// field which the encoder forgets is noticed.
func fill(m protoreflect.Message, n *int64) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		*n++
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range 3 {
				fill(list.AppendMutable().Message(), n)
			}
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message(), n)
		default:
			m.Set(fd, value(fd, *n))
		}
	}
}

func value(fd protoreflect.FieldDescriptor, n int64) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("é", int(n%7)+1))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(-n))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(3)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(n) << 40)
	}
	return protoreflect.ValueOfInt64(n << 35 * (1 - 2*(n&1)))
}

func TestEncoderKnowsEveryField(t *testing.T) {
	want, n := &usagev1.Event{}, int64(0)
	fill(want.ProtoReflect(), &n)
	want.Seq = 0
	got := &usagev1.Event{}
	if err := proto.Unmarshal(appendEvent(nil, want), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
	// What is cut to size keeps everything that is not text or an attempt.
	small := fit(want)
	if !proto.Equal(small, want) {
		t.Fatalf("fit changed an event that fits:\n%v\n%v", small, want)
	}
	if len(appendEvent(nil, &usagev1.Event{})) != 0 {
		t.Fatal("an empty event is not empty")
	}
}

func TestLargestEventFitsARecord(t *testing.T) {
	e, n := &usagev1.Event{}, int64(0)
	fill(e.ProtoReflect(), &n)
	var stretch func(m protoreflect.Message)
	stretch = func(m protoreflect.Message) {
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case fd.IsList():
				for i := range v.List().Len() {
					stretch(v.List().Get(i).Message())
				}
			case fd.Message() != nil:
				stretch(v.Message())
			case fd.Kind() == protoreflect.StringKind:
				m.Set(fd, protoreflect.ValueOfString(strings.Repeat("\xff\u2028", 50_000)))
			case fd.Kind() == protoreflect.Int64Kind:
				m.Set(fd, protoreflect.ValueOfInt64(-1))
			case fd.Kind() == protoreflect.Int32Kind:
				m.Set(fd, protoreflect.ValueOfInt32(-1))
			case fd.Kind() == protoreflect.Uint64Kind:
				m.Set(fd, protoreflect.ValueOfUint64(1<<64-1))
			}
			return true
		})
	}
	stretch(e.ProtoReflect())
	for range 10 {
		e.Attempts = append(e.Attempts, e.Attempts[0])
	}
	b := appendEvent(nil, fit(e))
	if len(b) > maxEvent {
		t.Fatalf("%d bytes, more than %d", len(b), maxEvent)
	}
	if err := proto.Unmarshal(b, &usagev1.Event{}); err != nil {
		t.Fatal(err)
	}
}

func TestAdmitRoundTrip(t *testing.T) {
	want := AdmitInfo{
		TenantID: "t", ProjectID: "p", APIKeyID: "k", RequestID: "r", Route: "ro", Operation: "chat", Provider: "pr", ProviderModel: "pm",
		CredentialID: "c", ModelID: "m", Cost: &configv1.Price{Id: "prc_1", Input: 1, Output: 2, PerRequest: 3},
		InputTokens: 9, StartedAtUnixNano: 1 << 60, ConfigRevision: 1 << 63, Streamed: true,
	}
	body := appendAdmit(nil, &want)
	got, ok := parseAdmit(body)
	if !ok || !proto.Equal(got.Cost, want.Cost) || got.Sell != nil {
		t.Fatalf("got %+v, %v", got, ok)
	}
	got.Cost, want.Cost = nil, nil
	if got != want {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	for i := range body {
		if _, ok := parseAdmit(body[:i]); ok {
			t.Fatalf("a body cut at %d of %d passes", i, len(body))
		}
	}
	long := AdmitInfo{Route: strings.Repeat("é", 5000), TenantID: "t"}
	if got, ok := parseAdmit(appendAdmit(nil, &long)); !ok || len(got.Route) != maxText || got.TenantID != "t" {
		t.Fatalf("long text: %d bytes, %v", len(got.Route), ok)
	}
}

// segmentBytes makes a segment of some records and says where each ends.
func segmentBytes() (seg []byte, ends []int) {
	seg = make([]byte, segmentHeader)
	for i := range 6 {
		var f []byte
		kind := byte(kindAdmit)
		if i%2 == 0 {
			f = appendAdmit(make([]byte, admitBody), &AdmitInfo{TenantID: "ten", Route: strings.Repeat("x", i*9)})
		} else {
			f = appendEvent(make([]byte, settleEvent), &usagev1.Event{TenantId: "ten", Route: strings.Repeat("x", i*9)})
			f[settleSeq] = byte(i)
			kind = kindSettle
		}
		sealFrame(f, kind, place{9, int64(len(seg))})
		ends = append(ends, len(seg)+len(f))
		seg = append(seg, f...)
		seg = append(seg, make([]byte, padded(len(f))-len(f))...)
	}
	return seg, ends
}

// Cut or damaged at any byte, a segment gives exactly the records before.
func TestScanStopsAtTheTear(t *testing.T) {
	seg, ends := segmentBytes()
	count := func(b []byte) (n int) {
		scanFrames(b, 9, func(frame) { n++ })
		return n
	}
	for i := range len(seg) + 1 {
		whole := 0
		for _, e := range ends {
			if e <= i {
				whole++
			}
		}
		if got := count(seg[:i]); got != whole {
			t.Fatalf("cut at %d: %d records, want %d", i, got, whole)
		}
		zeros := append(bytes.Clone(seg[:i]), make([]byte, 4096)...)
		if got := count(zeros); got < whole || got > whole+1 {
			t.Fatalf("zeros from %d: %d records, want %d", i, got, whole)
		}
	}
}

func FuzzScan(f *testing.F) {
	seg, _ := segmentBytes()
	f.Add(seg)
	f.Add(seg[:len(seg)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		end := scanFrames(data, 9, func(fr frame) {
			switch fr.kind {
			case kindAdmit:
				fr.u64(admitNumber)
				if a, ok := parseAdmit(fr.data[admitBody:]); ok {
					appendEvent(nil, interrupted(&a, fr.u64(admitWord)))
				}
			case kindSettle:
				fr.u64(settleTime)
			default:
				t.Fatalf("kind %d", fr.kind)
			}
		})
		if end > len(data) && end != segmentHeader {
			t.Fatalf("ends at %d of %d", end, len(data))
		}
		parseHeader(data)
	})
}

func benchEvent() *usagev1.Event {
	return &usagev1.Event{
		TenantId: "ten_01k9v6f3q8x2m4n5p6r7s8t9v0", ProjectId: "prj_01k9v6f3q8x2m4n5p6r7s8t9v0", ApiKeyId: "key_01k9v6f3q8x2m4n5p6r7s8t9v0",
		RequestId: "req_01k9v6f3q8x2m4n5p6r7s8t9v0", Route: "gpt-4o-mini", Operation: "chat", StartedAtUnixNano: 1_763_800_000_000_000_000,
		DurationNs: 812_000_000, TimeToFirstTokenNs: 120_000_000, Outcome: usagev1.Outcome_OUTCOME_OK, HttpStatus: 200, Streamed: true,
		Tokens: &usagev1.Tokens{Input: 812, Output: 400, CacheRead: 128}, CostNano: 361_800, PriceNano: 400_000,
		CostPriceId: "prc_01k9v6f3q8x2m4n5p6r7s8t9v0", SellPriceId: "prc_01k9v6f3q8x2m4n5p6r7s8t9v1", ConfigRevision: 90_210,
		Attempts: []*usagev1.Attempt{{
			Provider: "openai", CredentialId: "crd_01k9v6f3q8x2m4n5p6r7s8t9v0", ModelId: "mdl_01k9v6f3q8x2m4n5p6r7s8t9v0", ProviderModel: "gpt-4o-mini",
			Status: 200, StartedAtUnixNano: 1_763_800_000_000_100_000, DurationNs: 811_000_000, TimeToFirstByteNs: 119_000_000,
		}},
		ClientIp: "203.0.113.9", UserAgent: "OpenAI/Python 2.3.0", Provider: "openai", ProviderModel: "gpt-4o-mini",
	}
}

func BenchmarkEncode(b *testing.B) {
	ev, buf := benchEvent(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendEvent(buf[:0], ev)
	}
	b.ReportMetric(float64(len(buf)), "bytes/event")
}

func BenchmarkAdmitAndSettle(b *testing.B) {
	m, err := Open(Config{Dir: b.TempDir(), MaxBytes: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	ev := benchEvent()
	info := AdmitInfo{
		TenantID: ev.TenantId, ProjectID: ev.ProjectId, APIKeyID: ev.ApiKeyId, RequestID: ev.RequestId, Route: ev.Route, Operation: "chat",
		Provider: "openai", ProviderModel: ev.ProviderModel, CredentialID: ev.Attempts[0].CredentialId, ModelID: ev.Attempts[0].ModelId,
		Cost: &configv1.Price{Id: ev.CostPriceId, Input: 1, Output: 2}, Sell: &configv1.Price{Id: ev.SellPriceId, Input: 1, Output: 2},
		InputTokens: 800, StartedAtUnixNano: ev.StartedAtUnixNano, ConfigRevision: 90_210, Streamed: true,
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		a, err := m.Admit(info)
		if err != nil {
			b.Fatal(err)
		}
		a.Sent()
		a.Progress(100)
		if err := a.Settle(ev); err != nil {
			b.Fatal(err)
		}
		// What the keeper does every 20 ms, at 10,000 requests a second.
		if n++; n%200 == 0 {
			m.syncAll()
			m.prepare()
		}
	}
}
