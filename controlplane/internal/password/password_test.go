package password_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/password"
)

var cheap = password.Cost{MemoryKiB: 64, Passes: 1}

func TestVerifyTakesTheRightPasswordAlone(t *testing.T) {
	ctx, h := context.Background(), password.New(cheap, 2)
	hash, err := h.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(hash, "correct") || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash is %q", hash)
	}
	for _, c := range []struct {
		hash, password string
		want           bool
	}{
		{hash, "correct horse", true},
		{hash, "correct horsf", false},
		{hash, "", false},
		{"", "correct horse", false},
		{"", "", false},
	} {
		got, err := h.Verify(ctx, c.hash, c.password)
		if err != nil || got != c.want {
			t.Errorf("Verify(%.20q, %q) = %v, %v, want %v", c.hash, c.password, got, err, c.want)
		}
	}
	other, _ := h.Hash(ctx, "correct horse")
	if other == hash {
		t.Error("two hashes of one password are equal: there is no salt")
	}
}

func TestAHashOfAnotherCostStillVerifies(t *testing.T) {
	ctx := context.Background()
	old, err := password.New(password.Cost{MemoryKiB: 32, Passes: 2}, 1).Hash(ctx, "pw")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := password.New(cheap, 1).Verify(ctx, old, "pw"); !ok || err != nil {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

func TestDamagedHashesAreErrors(t *testing.T) {
	h := password.New(cheap, 1)
	for _, s := range []string{"x", "$argon2id$v=19$", "$argon2id$v=19$m=64,t=1,p=1$!!$!!",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAA", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA"} {
		if ok, err := h.Verify(context.Background(), s, "pw"); ok || err == nil {
			t.Errorf("Verify(%q) = %v, %v", s, ok, err)
		}
	}
}

func TestACallerWhoLeftGetsNoHash(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := password.New(cheap, 1).Hash(ctx, "pw"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash = %v, want context.Canceled", err)
	}
}
