// Command loadgen loads a gateway on this machine and prints what became of
// the requests as JSON.
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

	"github.com/tollgate/tollgate/scripts/loadgen"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run() error {
	var o loadgen.Options
	targets := flag.String("targets", "127.0.0.1:8080", "host:port of gateways, separated by commas; loopback only")
	model := flag.String("model", "fake", "model to call")
	plain := flag.Int("plain", 1, "weight of plain requests; 0 for none")
	stream := flag.Int("stream", 0, "weight of streamed requests; 0 for none")
	leave := flag.Int("leave", 0, "weight of streamed requests that hang up after the first bytes")
	size := flag.Int("size", 1000, "bytes of a request's body")
	directive := flag.String("directive", "", "directive for the fake provider, for example events=100,size=1000")
	flag.IntVar(&o.Conns, "conns", 32, "requests open at once, at most")
	flag.Float64Var(&o.RPS, "rps", 0, "requests started each second; 0 sends the next when one ends")
	flag.IntVar(&o.Count, "count", 0, "requests in all; 0 for no bound")
	flag.DurationVar(&o.Duration, "duration", 0, "time in all; 0 for no bound")
	flag.Uint64Var(&o.Seed, "seed", 1, "part of each request's id")
	flag.BoolVar(&o.Records, "records", false, "print a record for each request")
	flag.Parse()
	o.Targets = strings.Split(*targets, ",")
	o.Key = os.Getenv("TOLLGATE_API_KEY")
	for _, q := range []loadgen.Request{
		{Name: "plain", Weight: *plain},
		{Name: "stream", Weight: *stream, Stream: true},
		{Name: "leave", Weight: *leave, Stream: true, Leave: true},
	} {
		if q.Weight > 0 {
			q.Body = loadgen.ChatBody(*model, *directive, q.Stream, *size)
			o.Requests = append(o.Requests, q)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(result)
}
