// Command natsd is a NATS server with JetStream in a process of its own, for
// chaos runs and benchmarks that kill it or measure beside it. It is set up as
// the embedded one is: every write is synced before it is acknowledged.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:4222", "address to listen on")
	store := flag.String("store", "", "directory of JetStream's files")
	flag.Parse()
	if err := run(*addr, *store); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(addr, store string) error {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil || store == "" {
		return fmt.Errorf("need -addr host:port and -store directory")
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "natsd", Host: host, Port: port, NoSigs: true,
		JetStream: true, StoreDir: store, SyncAlways: true, JetStreamMaxStore: 4 << 30, JetStreamMaxMemory: 256 << 20,
	})
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return fmt.Errorf("not ready on %s", addr)
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
