package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

func main() {
	ok, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run() (ok bool, err error) {
	o := Options{Progress: os.Stderr, Slack: 1}
	names := flag.String("scenarios", strings.Join(Scenarios(), ","), "what to play, in this order")
	flag.Uint64Var(&o.Seed, "seed", uint64(time.Now().UnixNano()), "seed of everything random")
	flag.IntVar(&o.PlaneKills, "plane-kills", 20, "kills of data planes")
	flag.IntVar(&o.OtherKills, "other-kills", 5, "kills of each of NATS, Postgres and the control plane")
	flag.IntVar(&o.Changes, "changes", 500, "config changes")
	flag.IntVar(&o.Revocations, "revocations", 100, "revoked keys")
	flag.Float64Var(&o.RPS, "rps", 200, "requests per second, half of them streams")
	flag.DurationVar(&o.MinPause, "min-pause", 500*time.Millisecond, "least time between kills")
	flag.DurationVar(&o.MaxPause, "max-pause", 2*time.Second, "most time between kills")
	keep := flag.String("keep", "", "directory for state and logs; a temporary one when empty")
	out := flag.String("out", "", "file for the verdict; printed too")
	flag.Parse()
	o.Scenarios = strings.Split(*names, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.Dir = *keep; o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "tollgate-chaos-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(o.Dir)
	} else if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return false, err
	}
	if o.Binaries, err = stand.Build(ctx, o.Dir); err != nil {
		return false, err
	}
	report, err := Run(ctx, o)
	if err != nil {
		return false, err
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return false, err
	}
	text = append(text, '\n')
	os.Stdout.Write(text)
	if *out != "" {
		err = os.WriteFile(*out, text, 0o644)
	}
	return report.OK, err
}
