package ingest_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestClocksThatAreWrongMoveNoUsageOutOfReach(t *testing.T) {
	received := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name           string
		reported, want time.Duration
	}{
		{"now", 0, 0},
		{"a little ahead", 4 * time.Minute, 4 * time.Minute},
		{"an hour ahead", time.Hour, 5 * time.Minute},
		{"late by a week", -7 * 24 * time.Hour, -7 * 24 * time.Hour},
		{"late by a year", -365 * 24 * time.Hour, -35 * 24 * time.Hour},
	} {
		raw, err := proto.Marshal(&usagev1.Batch{DataPlaneId: "d", Epoch: 1, Events: []*usagev1.Event{
			{Seq: 1, StartedAtUnixNano: received.Add(c.reported).UnixNano()}}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := ingest.Decode("s", raw, received)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Events[0].StartedAt.Sub(received); got != c.want {
			t.Errorf("%s: kept as %s, want %s", c.name, got, c.want)
		}
		if len(b.Asides) != 0 {
			t.Errorf("%s: set aside", c.name)
		}
	}
}

// FuzzDecode feeds anything to Decode: what it lets through must fit the
// ledger's columns.
func FuzzDecode(f *testing.F) {
	good, err := proto.Marshal(world(1).Batch("dpl_a", 1, 1, 3))
	if err != nil {
		f.Fatal(err)
	}
	odd, err := proto.Marshal(&usagev1.Batch{DataPlaneId: "d", Epoch: 2, Events: []*usagev1.Event{{
		Seq: 5, TenantId: "a\x00b", RequestId: strings.Repeat("é", 500), CostNano: math.MinInt64, PriceNano: math.MaxInt64,
		DurationNs: -1, Tokens: &usagev1.Tokens{Input: -1}, Outcome: 99999, HttpStatus: -7, StartedAtUnixNano: math.MinInt64}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(odd)
	f.Add([]byte("garbage"))
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ingest.Decode("s", raw, now)
		if err != nil {
			return
		}
		if b.DataPlaneID == "" || b.Epoch < 0 {
			t.Fatalf("batch of %q, epoch %d", b.DataPlaneID, b.Epoch)
		}
		for _, e := range b.Events {
			if e.Seq < 1 || e.CostNano < 0 || e.PriceNano < 0 || e.DurationUS < 0 || e.Tokens.Input < 0 || e.HTTPStatus < 0 || e.Outcome < 0 {
				t.Fatalf("negative: %+v", e)
			}
			for _, s := range []string{e.TenantID, e.ProjectID, e.APIKeyID, e.RequestID, e.Route, e.Provider, e.ProviderModel, e.UserAgent, e.ErrorCode} {
				if len(s) > 256 || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
					t.Fatalf("text %q", s)
				}
			}
			if e.StartedAt.After(now.Add(5*time.Minute)) || e.StartedAt.Before(now.AddDate(0, 0, -36)) {
				t.Fatalf("started at %s", e.StartedAt)
			}
		}
	})
}
