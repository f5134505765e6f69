package seal_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/seal"
)

func TestSealedSecretsOpenForTheirResourceAlone(t *testing.T) {
	key, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.ParsePrivate(key.String() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := seal.ParsePublic(key.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := pub.Seal("ten_1", "crd_1", []byte("sk-secret"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Open("ten_1", "crd_1", sealed)
	if err != nil || string(got) != "sk-secret" {
		t.Fatalf("opened %q, %v", got, err)
	}
	flipped := append([]byte(nil), sealed...)
	flipped[len(flipped)-1] ^= 1
	other, _ := seal.Generate()
	for name, open := range map[string]func() ([]byte, error){
		"another tenant":     func() ([]byte, error) { return key.Open("ten_2", "crd_1", sealed) },
		"another credential": func() ([]byte, error) { return key.Open("ten_1", "crd_2", sealed) },
		"moved separator":    func() ([]byte, error) { return key.Open("ten_1\x00crd_1", "", sealed) },
		"a changed byte":     func() ([]byte, error) { return key.Open("ten_1", "crd_1", flipped) },
		"another key":        func() ([]byte, error) { return other.Open("ten_1", "crd_1", sealed) },
		"nothing":            func() ([]byte, error) { return key.Open("ten_1", "crd_1", nil) },
	} {
		if b, err := open(); err == nil {
			t.Errorf("%s: opened %q", name, b)
		} else if strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestKeysOfTheWrongKindAreRefused(t *testing.T) {
	key, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "x", key.Public().String(), "tgdp_private_!!", "tgdp_private_AAAA"} {
		if _, err := seal.ParsePrivate(s); err == nil {
			t.Errorf("ParsePrivate(%q) went through", s)
		} else if strings.Contains(err.Error(), "AAAA") {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	if _, err := seal.ParsePublic(key.String()); err == nil {
		t.Error("a private key was read as a public one")
	}
}
