package keyfile

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/seal"
)

func TestKeysAreMadeOnceAndFitTogether(t *testing.T) {
	f := In(t.TempDir()+"/control", t.TempDir()+"/dataplane")
	made, err := Ensure(f)
	if err != nil || len(made) != 3 {
		t.Fatalf("%v, %v", made, err)
	}
	content := map[string]string{}
	for _, name := range made {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[name] = strings.TrimSpace(string(b))
		if st, _ := os.Stat(name); st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, st.Mode().Perm())
		}
	}
	if key, err := base64.StdEncoding.DecodeString(content[f.Master]); err != nil || len(key) != 32 {
		t.Errorf("master key: %d bytes, %v", len(key), err)
	}
	public, err := seal.ParsePublic(content[f.Public])
	if err != nil {
		t.Fatal(err)
	}
	private, err := seal.ParsePrivate(content[f.Private])
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := public.Seal("ten_1", "crd_1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := private.Open("ten_1", "crd_1", sealed); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if made, err = Ensure(f); err != nil || len(made) != 0 {
		t.Errorf("the second run made %v, %v", made, err)
	}
}

func TestLostPublicKeyIsMadeFromThePrivateOne(t *testing.T) {
	f := In(t.TempDir(), t.TempDir())
	if _, err := Ensure(f); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(f.Public)
	if err := os.Remove(f.Public); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(f); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(f.Public); string(after) != string(before) || len(after) == 0 {
		t.Errorf("%s, then %s", before, after)
	}
}

func TestDamagedKeyIsNotReplaced(t *testing.T) {
	f := In(t.TempDir(), t.TempDir())
	if err := os.WriteFile(f.Private, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Ensure(f); err == nil || !strings.Contains(err.Error(), f.Private) {
		t.Errorf("got %v", err)
	}
	if b, _ := os.ReadFile(f.Private); string(b) != "rubbish" {
		t.Error("the damaged key was replaced")
	}
}
