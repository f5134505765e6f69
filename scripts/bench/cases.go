package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/proc"
	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// benchCase is one shape of request and answer.
type benchCase struct {
	name      string
	body      int
	directive string
	stream    bool
	// mark is the most that the ratio may be: to nginx, or to the case that
	// beside names, which is not translated.
	mark   float64
	route  string
	beside string
}

// The answers' sizes leave room for JSON around the text.
func benchCases() []benchCase {
	return []benchCase{
		{name: "1 KB / 1 KB", body: 1_000, directive: "size=600", mark: 2.2},
		{name: largeCase, body: 30_000, directive: "size=9800", mark: 1.6},
		{name: streamCase, body: 1_000, directive: "events=100,size=800", stream: true, mark: 1.8},
		{name: "30 KB, Anthropic", body: 30_000, directive: "size=9800", mark: translatedMark, route: "anthropic", beside: largeCase},
		{name: "30 KB, Gemini", body: 30_000, directive: "size=9800", mark: translatedMark, route: "gemini", beside: largeCase},
		{name: "stream, Anthropic", body: 1_000, directive: "events=100,size=800", stream: true, mark: translatedMark, route: "anthropic", beside: streamCase},
		{name: "stream, Gemini", body: 1_000, directive: "events=100,size=800", stream: true, mark: translatedMark, route: "gemini", beside: streamCase},
	}
}

// Names of the cases that translations are measured beside, and how much more
// than those they may cost.
const (
	largeCase      = "30 KB / 10 KB"
	streamCase     = "stream of 100 events"
	translatedMark = 1.5
)

// chosen are the cases of a run, and the one to profile.
func (s *settings) chosen() (cases []benchCase, profiled benchCase) {
	all := benchCases()
	if s.cases == "" {
		return all, all[0]
	}
	at := slices.IndexFunc(all, func(c benchCase) bool { return c.name == s.cases })
	if at < 0 {
		return nil, benchCase{}
	}
	for _, c := range all {
		if c.name == all[at].beside || c.name == all[at].name {
			cases = append(cases, c)
		}
	}
	return cases, all[at]
}

type gateway struct {
	name          string
	process       *proc.Process
	plain, stream string
}

// sample is one measurement.
type sample struct {
	cpuUS  float64 // per request
	rps    float64
	busy   float64 // share of its core
	p50    int64
	p99    int64
	rssMiB float64
}

// CaseReport has the medians of one case.
type CaseReport struct {
	Name     string                   `json:"name"`
	Gateways map[string]GatewayReport `json:"gateways"`
	// Ratio of Tollgate's processor time to nginx's, or to what it takes itself
	// for the case Beside, and what it may be.
	Ratio  float64 `json:"ratio"`
	Mark   float64 `json:"mark"`
	Beside string  `json:"beside,omitempty"`
}

// GatewayReport has one gateway's medians.
type GatewayReport struct {
	CPUPerRequestUS float64 `json:"cpu_us_per_request"`
	RPS             float64 `json:"rps"`
	Busy            float64 `json:"busy"`
	P50US           int64   `json:"p50_us"`
	P99US           int64   `json:"p99_us"`
	RSSMiB          float64 `json:"rss_mib"`
}

// saturated is the share of its core from which a gateway is at its limit:
// below it, idle wake-ups are most of what is measured.
const saturated = 0.75

type bencher struct {
	s        settings
	key      string
	gateways []gateway
	seed     uint64
}

// measure runs all cases on all gateways, in another order each round, so that
// a machine that slows down slows all of them.
func (b *bencher) measure(ctx context.Context, progress io.Writer) ([]CaseReport, error) {
	type cell struct{ c, g int }
	cases, _ := b.s.chosen()
	if cases == nil {
		return nil, fmt.Errorf("there is no case %q", b.s.cases)
	}
	samples := map[cell][]sample{}
	for round := range b.s.rounds {
		var cells []cell
		for c := range cases {
			for g := range b.gateways {
				if cases[c].beside == "" || b.gateways[g].name == "tollgate" {
					cells = append(cells, cell{c, g})
				}
			}
		}
		rand.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		for _, at := range cells {
			m, err := b.one(ctx, cases[at.c], b.gateways[at.g])
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", cases[at.c].name, b.gateways[at.g].name, err)
			}
			fmt.Fprintf(progress, "round %d/%d  %-22s %-9s %8.1f µs  %8.0f/s  busy %3.0f %%\n",
				round+1, b.s.rounds, cases[at.c].name, b.gateways[at.g].name, m.cpuUS, m.rps, 100*m.busy)
			samples[at] = append(samples[at], m)
		}
	}
	var out []CaseReport
	for c, bc := range cases {
		r := CaseReport{Name: bc.name, Mark: bc.mark, Beside: bc.beside, Gateways: map[string]GatewayReport{}}
		for g, gw := range b.gateways {
			if s := samples[cell{c, g}]; s != nil {
				r.Gateways[gw.name] = medians(s)
			}
		}
		r.Ratio = r.Gateways["tollgate"].CPUPerRequestUS / r.base(out).CPUPerRequestUS
		out = append(out, r)
	}
	return out, nil
}

// base is what a case is measured against: nginx, or Tollgate in the case
// beside it, which comes before it.
func (r *CaseReport) base(before []CaseReport) GatewayReport {
	for _, other := range before {
		if r.Beside != "" && other.Name == r.Beside {
			return other.Gateways["tollgate"]
		}
	}
	return r.Gateways["nginx"]
}

// load sends one case for a while.
func (b *bencher) load(ctx context.Context, c benchCase, g gateway, d time.Duration) (*loadgen.Result, error) {
	b.seed++
	target := g.plain
	if c.stream {
		target = g.stream
	}
	r, err := loadgen.Run(ctx, loadgen.Options{Targets: []string{target}, Key: b.key, Conns: b.s.conns, Duration: d, Seed: b.seed,
		Requests: []loadgen.Request{{Name: c.name, Stream: c.stream, Body: loadgen.ChatBody(cmp.Or(c.route, stand.Route), c.directive, c.stream, c.body)}}})
	if err != nil {
		return nil, err
	}
	if k := r.Kinds[c.name]; k.OK != k.Requests || k.OK == 0 {
		return nil, fmt.Errorf("%d of %d requests failed: status %v, failures %v, codes %v", k.Requests-k.OK, k.Requests, k.Status, k.Failures, k.Codes)
	}
	return r, nil
}

func (b *bencher) one(ctx context.Context, c benchCase, g gateway) (m sample, err error) {
	if _, err := b.load(ctx, c, g, 500*time.Millisecond); err != nil { // warm up
		return m, err
	}
	before, err1 := g.process.CPU()
	r, err2 := b.load(ctx, c, g, b.s.duration)
	after, err3 := g.process.CPU()
	rss, err4 := g.process.RSS()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return m, err
	}
	k := r.Kinds[c.name]
	used := after - before
	return sample{
		cpuUS: float64(used.Microseconds()) / float64(k.Requests), rps: r.RPS, busy: used.Seconds() / r.Seconds,
		p50: k.Latency.P50, p99: k.Latency.P99, rssMiB: float64(rss) / (1 << 20),
	}, nil
}

func medians(s []sample) GatewayReport {
	return GatewayReport{
		CPUPerRequestUS: median(s, func(m sample) float64 { return m.cpuUS }),
		RPS:             median(s, func(m sample) float64 { return m.rps }),
		Busy:            median(s, func(m sample) float64 { return m.busy }),
		P50US:           median(s, func(m sample) int64 { return m.p50 }),
		P99US:           median(s, func(m sample) int64 { return m.p99 }),
		RSSMiB:          median(s, func(m sample) float64 { return m.rssMiB }),
	}
}

func median[T int64 | float64](s []sample, of func(sample) T) T {
	var v []T
	for _, m := range s {
		v = append(v, of(m))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func printCases(w io.Writer, cases []CaseReport) {
	if len(cases) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%-22s %12s %12s %12s %8s %8s\n", "µs of CPU per request", "provider", "nginx", "tollgate", "ratio", "mark")
	for _, c := range cases {
		base, beside := c.base(cases), ""
		verdict := "ok"
		if c.Beside != "" {
			beside = ", ratio to " + c.Beside
		}
		switch {
		case c.Gateways["tollgate"].Busy < saturated || base.Busy < saturated:
			verdict = "NOT SATURATED: something else had the machine; the ratio says nothing"
		case c.Ratio > c.Mark:
			verdict = "ABOVE"
		}
		fmt.Fprintf(w, "%-22s %12s %12s %12s %7.2fx ≤%4.1fx %s%s\n", c.Name, c.took("provider"), c.took("nginx"), c.took("tollgate"),
			c.Ratio, c.Mark, verdict, beside)
	}
	for _, c := range cases {
		fmt.Fprintf(w, "%-22s %s", c.Name, c.pace("tollgate"))
		if c.Beside == "" {
			fmt.Fprintf(w, "; %s", c.pace("nginx"))
		}
		fmt.Fprintln(w)
	}
}

// took is a gateway's time per request, empty where it was not measured.
func (c *CaseReport) took(gateway string) string {
	if g, ok := c.Gateways[gateway]; ok {
		return strconv.FormatFloat(g.CPUPerRequestUS, 'f', 1, 64)
	}
	return ""
}

func (c *CaseReport) pace(gateway string) string {
	g := c.Gateways[gateway]
	return fmt.Sprintf("%s %.0f/s busy %.0f %% p50 %d µs p99 %d µs %.0f MiB", gateway, g.RPS, 100*g.Busy, g.P50US, g.P99US, g.RSSMiB)
}
