package natsembed

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func connect(t *testing.T, s *Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect("", s.Option())
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func TestInProcessKeepsStreamsBetweenRuns(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(Config{StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	nc, js := connect(t, s)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s.a", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	s.Stop()

	if s, err = Start(Config{StoreDir: dir}); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	nc, js = connect(t, s)
	defer nc.Close()
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "s.a")
	if err != nil || string(msg.Data) != "kept" {
		t.Fatalf("got %v, %v", msg, err)
	}
}

func TestNoListener(t *testing.T) {
	s, err := Start(Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if a := s.s.Addr(); a != nil {
		t.Errorf("listens on %v", a)
	}
}

func TestEveryWriteIsSynced(t *testing.T) {
	opts := options(Config{StoreDir: t.TempDir()})
	if !opts.SyncAlways || opts.JetStreamMaxStore != maxStore {
		t.Errorf("sync always %v, cap %d", opts.SyncAlways, opts.JetStreamMaxStore)
	}
}
