// Command bench measures what a request costs the data plane, beside nginx as
// a plain reverse proxy, in one run on one machine with the same fake
// provider. The gateway is pinned to one core; load generator, provider and
// everything else run on the other. Absolute figures drift from machine to
// machine and from run to run: the ratio to nginx is the figure that counts.
//
// It also measures how fast the ledger takes usage events, and how soon and in
// how much memory a data plane holds a million keys.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// settings of a run.
type settings struct {
	rounds   int
	duration time.Duration
	conns    int
	only     string
	cases    string
	root     string // of the checkout
	dir      string
	profile  time.Duration
	keep     string // file for the raw profile; empty for none
	keys     int
	tenants  int
	stock    bool // nginx with the buffers it comes with
}

// Cores of a run: one for the gateway, one for all else.
const (
	gatewayCPU = "0"
	restCPU    = "1"
)

// Report is what a run found.
type Report struct {
	At      time.Time      `json:"at"`
	Cases   []CaseReport   `json:"cases,omitempty"`
	Profile []ProfileShare `json:"profile,omitempty"`
	Ingest  *IngestReport  `json:"ingest,omitempty"`
	Scale   *ScaleReport   `json:"scale,omitempty"`
}

func main() {
	if err := repin(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// pinned is in the environment of a bench that sits on its core already.
const pinned = "TOLLGATE_BENCH_PINNED"

// repin starts the program again on the core for all but the gateway: a
// running program cannot move the threads that it has.
func repin() error {
	if os.Getenv(pinned) != "" {
		return nil
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return fmt.Errorf("taskset is needed to pin processes (package util-linux): %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"taskset", "-c", restCPU, self}, os.Args[1:]...)
	return syscall.Exec(taskset, args, append(os.Environ(), pinned+"=1"))
}

func run() (err error) {
	var s settings
	out := flag.String("out", "", "file for the report as JSON")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds; medians of them are reported")
	flag.DurationVar(&s.duration, "duration", 4*time.Second, "time of one measurement")
	flag.IntVar(&s.conns, "conns", 32, "connections")
	flag.StringVar(&s.only, "only", "requests,ingest,scale", "parts to run")
	flag.StringVar(&s.cases, "case", "", "the one case to measure, beside what it is held against, and to profile; empty for all, with a profile of the first")
	flag.StringVar(&s.root, "root", ".", "root of the checkout")
	flag.DurationVar(&s.profile, "profile", 5*time.Second, "time of the processor profile; 0 for none")
	flag.StringVar(&s.keep, "profile-out", "", "file for the raw profile, for go tool pprof")
	flag.BoolVar(&s.stock, "stock", false, "leave nginx the buffers it comes with, which spill bodies of 30 KB to a file")
	flag.IntVar(&s.tenants, "tenants", 100_000, "tenants in the scale part")
	flag.IntVar(&s.keys, "keys", 1_000_000, "API keys in the scale part")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.dir, err = os.MkdirTemp("", "tollgate-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	report := Report{At: time.Now().UTC()}
	parts := map[string]func(context.Context, settings, *Report) error{"requests": requests, "ingest": ingest, "scale": scale}
	for _, name := range strings.Split(s.only, ",") {
		part, ok := parts[name]
		if !ok {
			return fmt.Errorf("there is no part %q", name)
		}
		if err := part(ctx, s, &report); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	report.print(os.Stdout)
	if *out == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*out, append(text, '\n'), 0o644)
}

// requests measures proxied chat requests.
func requests(ctx context.Context, s settings, r *Report) error {
	bin, err := stand.Build(ctx, s.dir)
	if err != nil {
		return err
	}
	provider, err := startProvider(ctx, s)
	if err != nil {
		return err
	}
	defer provider.stop()
	product, err := stand.Start(ctx, stand.Config{Dir: filepath.Join(s.dir, "product"), Binaries: bin, DataPlanes: 1,
		GatewayCPU: gatewayCPU, RestCPU: restCPU, Provider: provider.url, Durable: true})
	if err != nil {
		return err
	}
	defer product.Stop()
	tenant, err := product.NewTenant(ctx, "bench")
	if err != nil {
		return err
	}
	if err := addRoutes(ctx, product, tenant, provider.addr); err != nil {
		return err
	}
	nginx, err := startNginx(ctx, s, provider.addr)
	if err != nil {
		return err
	}
	defer nginx.process.Stop(5 * time.Second)
	b := &bencher{s: s, key: tenant.Key, gateways: []gateway{
		{name: "provider", process: provider.process, plain: provider.addr, stream: provider.addr},
		{name: "nginx", process: nginx.process, plain: nginx.plain, stream: nginx.stream},
		{name: "tollgate", process: product.Planes[0].Process, plain: product.Planes[0].Addr, stream: product.Planes[0].Addr},
	}}
	if r.Cases, err = b.measure(ctx, os.Stderr); err != nil {
		return err
	}
	if s.profile > 0 {
		r.Profile, err = b.profile(ctx, product.Planes[0])
	}
	return err
}

func (r *Report) print(w io.Writer) {
	printCases(w, r.Cases)
	printProfile(w, r.Profile)
	r.Ingest.print(w)
	r.Scale.print(w)
}
