// Command fakeprovider runs the fake provider until it is told to stop.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fakeprovider:", err)
		os.Exit(1)
	}
}

func run() error {
	var o fakeprovider.Options
	flag.StringVar(&o.Addr, "addr", "127.0.0.1:9099", "loopback address to listen on")
	flag.StringVar(&o.Default, "default", "", "directive for requests that have none, for example size=1000,events=100")
	flag.StringVar(&o.LogFile, "log", "", "file to append a JSON line to for each request")
	flag.BoolVar(&o.NoLog, "nolog", false, "keep counts only")
	flag.BoolVar(&o.Hasty, "hasty", false, "do not read conversations whose directive was answered before")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := fakeprovider.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	<-ctx.Done()
	return s.Close()
}
