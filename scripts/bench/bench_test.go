package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/proto/snapshot"
)

func TestAreas(t *testing.T) {
	top := `File: tollgate
Type: cpu
      flat  flat%   sum%        cum   cum%
     1.25s 25.00% 25.00%      1.25s 25.00%  internal/runtime/syscall.Syscall6
     0.50s 10.00% 35.00%      0.90s 18.00%  net/http.(*conn).serve
     0.25s  5.00% 40.00%      0.25s  5.00%  github.com/tollgate/tollgate/dataplane/internal/pipeline.(*Pipeline).Do
     0.25s  5.00% 45.00%      0.25s  5.00%  runtime.mallocgc
     0.10s  2.00% 47.00%      0.10s  2.00%  runtime.futex
         0     0% 47.00%      0.10s  2.00%  main.main`
	got := map[string]float64{}
	for _, s := range areas(top) {
		got[s.Area] = s.Percent
	}
	want := map[string]float64{"system calls": 25, "HTTP server": 10, "dataplane/pipeline": 5, "memory and garbage": 5, "scheduler and poller": 2}
	if len(got) != len(want) {
		t.Errorf("areas %v, want %v", got, want)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v %%, want %v", k, got[k], v)
		}
	}
}

func TestParseIngest(t *testing.T) {
	r, err := parseIngest("goos: linux\nBenchmarkIngest/one-2  100  2345 ns/op  41234 events/s  12 B/op\nBenchmarkIngest/two-2 1 2 ns/op 1.5e+04 events/s\nPASS\n")
	if err != nil || r.EventsPerSecond != 41234 || r.Benchmark != "BenchmarkIngest/one-2" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := parseIngest("PASS"); err == nil {
		t.Error("no figure and no error")
	}
}

// TestWriteLarge checks that what the scale part loads is valid config.
func TestWriteLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	secret, err := writeLarge(path, 7, 30)
	if err != nil {
		t.Fatal(err)
	}
	if !secretkey.WellFormed(secretkey.API, secret) {
		t.Errorf("secret %q", secretkey.Hint(secret))
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := snapshot.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		env, err := r.NextEnvelope()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := configcheck.Check(env); err != nil {
			t.Errorf("%s %s: %v", env.Kind, env.Id, err)
		}
	}
	if n != 38 {
		t.Errorf("%d resources, want 38", n)
	}
}

func TestPrintShowsWhatIsAboveItsMark(t *testing.T) {
	var b strings.Builder
	r := Report{Cases: []CaseReport{{Name: "1 KB / 1 KB", Ratio: 2.5, Mark: 2.2, Gateways: map[string]GatewayReport{
		"tollgate": {Busy: .9}, "nginx": {Busy: .9}}}, {Name: "idle", Gateways: map[string]GatewayReport{}}},
		Ingest: &IngestReport{EventsPerSecond: 1, Mark: 2}, Scale: &ScaleReport{ReadySeconds: 9}}
	r.print(&b)
	for _, want := range []string{"ABOVE", "BELOW", "2.50x", "NOT SATURATED"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
