package stand

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestKilledServersComeBackWithTheirData kills Postgres and NATS and starts
// them again on the same addresses.
func TestKilledServersComeBackWithTheirData(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	natsd := filepath.Join(dir, "natsd")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", natsd, "../../natsd").CombinedOutput(); err != nil {
		t.Fatalf("build natsd: %v\n%s", err, out)
	}
	s := &Stand{cfg: Config{Dir: dir, Binaries: Binaries{NATSD: natsd}}}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.mkdirs(); err != nil {
		t.Fatal(err)
	}
	for _, start := range []func(context.Context) error{s.startPostgres, s.startNATS} {
		if err := start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	write(ctx, t, s)
	s.Postgres.KillAlone()
	s.NATS.Kill()
	if err := s.RestartPostgres(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.NATS.Start(ctx); err != nil {
		t.Fatal(err)
	}
	check(ctx, t, s)
}

func write(ctx context.Context, t *testing.T, s *Stand) {
	t.Helper()
	c, err := s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS n"); err != nil {
		t.Fatal(err)
	}
	js := connectNATS(t, s)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "kept", Subjects: []string{"kept"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "kept", []byte("42")); err != nil {
		t.Fatal(err)
	}
}

func check(ctx context.Context, t *testing.T, s *Stand) {
	t.Helper()
	c, err := s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var n int
	if err := c.QueryRow(ctx, "SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
		t.Errorf("table holds %d, %v", n, err)
	}
	stream, err := connectNATS(t, s).Stream(ctx, "kept")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.GetMsg(ctx, 1); err != nil || string(m.Data) != "42" {
		t.Errorf("stream holds %v, %v", m, err)
	}
}

func connectNATS(t *testing.T, s *Stand) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.NATSURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
