package idempotency_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/proto/fault"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestAnAnswerIsKeptForItsRequest(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	key, err := seal.NewLocal(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	k := idempotency.New(db, seal.NewBox(key))
	c := idempotency.Claim{Scope: "usr_a", Key: "k", Fingerprint: []byte("f")}
	begin := func(c idempotency.Claim) (*idempotency.Answer, *fault.Fault) {
		t.Helper()
		a, err := k.Begin(ctx, c)
		if err != nil {
			return a, fault.From(err)
		}
		return a, nil
	}
	if a, f := begin(c); a != nil || f != nil {
		t.Fatalf("a new request: %v, %v", a, f)
	}
	if _, f := begin(c); f == nil || f.Kind != fault.IdempotencyBusy {
		t.Errorf("while it runs: %v", f)
	}
	other := c
	other.Fingerprint = []byte("g")
	if _, f := begin(other); f == nil || f.Kind != fault.IdempotencyMismatch {
		t.Errorf("another request with the key: %v", f)
	}

	// A program that died in the middle leaves a request of unknown outcome:
	// it is never carried out again, and the caller reads why.
	age(t, db, 2*time.Minute)
	if _, f := begin(c); f == nil || f.Kind != fault.IdempotencyBusy || !strings.Contains(f.Public(), "cut off") {
		t.Errorf("after it was cut off: %v", f)
	}

	if err := k.Release(ctx, c); err != nil {
		t.Fatal(err)
	}
	if a, f := begin(c); a != nil || f != nil {
		t.Fatalf("after a release: %v, %v", a, f)
	}
	want := idempotency.Answer{Status: 201, Header: http.Header{"Etag": {`"1"`}}, Body: []byte(`{"secret":"tgk_x"}`)}
	if err := k.Finish(ctx, c, want); err != nil {
		t.Fatal(err)
	}
	got, f := begin(c)
	if f != nil || got == nil || got.Status != want.Status || string(got.Body) != string(want.Body) || got.Header.Get("Etag") != `"1"` {
		t.Errorf("the repeat gets %+v, %v", got, f)
	}
	// A finished answer is not released by a late failure.
	if err := k.Release(ctx, c); err != nil {
		t.Fatal(err)
	}
	if a, _ := begin(c); a == nil {
		t.Error("a kept answer was forgotten")
	}
	age(t, db, 25*time.Hour)
	if err := db.PruneIdempotency(ctx, idempotency.Keep); err != nil {
		t.Fatal(err)
	}
	if a, f := begin(c); a != nil || f != nil {
		t.Errorf("a day later: %v, %v", a, f)
	}
}

func age(t *testing.T, db *postgres.DB, by time.Duration) {
	t.Helper()
	ctx := context.Background()
	err := db.InSystem(ctx, func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE idempotency SET created_at = created_at - make_interval(secs => $1)`, by.Seconds())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
