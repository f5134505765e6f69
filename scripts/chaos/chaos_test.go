package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// TestShort plays each scenario in a short form; the long one is `make chaos`.
func TestShort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	dir := t.TempDir()
	bin, err := stand.Build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(ctx, Options{
		Seed: uint64(time.Now().UnixNano()), Scenarios: Scenarios(), PlaneKills: 3, OtherKills: 1, Changes: 20, Revocations: 10,
		Slack: 10, RPS: 100, MinPause: 200 * time.Millisecond, MaxPause: time.Second, Dir: dir, Binaries: bin, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK {
		text, _ := json.MarshalIndent(report, "", "  ")
		t.Errorf("%s", text)
	}
}
