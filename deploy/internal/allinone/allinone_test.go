package allinone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/secretkey"
)

func noEnv(string) string { return "" }

func TestSecretsAreMadeOnceAndPrivate(t *testing.T) {
	dir := t.TempDir()
	first, err := loadSecrets(dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	keys := func() string {
		var all strings.Builder
		for _, f := range []string{first.keys.Master, first.keys.Private, first.keys.Public} {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
		return all.String()
	}
	before := keys()
	second, err := loadSecrets(dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if first.kept != second.kept || keys() != before {
		t.Error("the second start made new secrets")
	}
	if !secretkey.WellFormed(secretkey.Management, first.kept.ManagementKey) {
		t.Errorf("management key %q is not well formed", first.kept.ManagementKey)
	}
	if len(first.kept.DemoPassword) < 10 || first.kept.DemoPassword == first.kept.AdminPassword {
		t.Error("weak or equal passwords")
	}
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, st.Mode(), err)
		}
	}
}

func TestEnvironmentWinsOverKeptSecrets(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadSecrets(dir, noEnv); err != nil {
		t.Fatal(err)
	}
	s, err := loadSecrets(dir, func(k string) string {
		if k == "TOLLGATE_ADMIN_EMAIL" {
			return "boss@example.com"
		}
		return ""
	})
	if err != nil || s.kept.AdminEmail != "boss@example.com" {
		t.Errorf("%q, %v", s.kept.AdminEmail, err)
	}
}

func TestDamagedSecretsAreNotReplaced(t *testing.T) {
	dir := t.TempDir()
	s, err := loadSecrets(dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSecrets(dir, noEnv); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("got %v", err)
	}
}

func TestEnvFileIsSafeToSource(t *testing.T) {
	dir := t.TempDir()
	i := Info{GatewayURL: "http://x", AdminPassword: `it's "$(touch evil)"`, Tenant: "demo"}
	if err := writeEnv(dir, &i); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `. "$1"; printf '%s' "$TOLLGATE_ADMIN_PASSWORD"`, "sh", i.EnvFile)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil || string(out) != i.AdminPassword {
		t.Errorf("%q, %v", out, err)
	}
	if st, _ := os.Stat(i.EnvFile); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("a value was executed")
	}
}

func TestAddressesThatCallersCanReach(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80", "0.0.0.0:81": "127.0.0.1:81", "[::]:82": "127.0.0.1:82", ":83": "127.0.0.1:83", "10.1.2.3:84": "10.1.2.3:84",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// A control plane that answers as the real one does in the rare cases that a
// whole run does not meet. The common case runs against the real one.
func TestDemoTenantThatWasMadeButNotNoted(t *testing.T) {
	mux := http.NewServeMux()
	answer := func(pattern string, status int, body any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(body)
		})
	}
	answer("POST /v1/tenants", 409, map[string]any{"code": "already_exists"})
	answer("POST /v1/sessions", 201, map[string]any{"token": "tgs_x", "expires_at": "2030-01-01T00:00:00Z"})
	answer("GET /v1/me", 200, map[string]any{"memberships": []map[string]any{{"tenant_id": "ten_1", "slug": "demo"}}})
	answer("POST /v1/tenants/ten_1/api-keys", 201, map[string]any{"id": "key_1", "secret": "tgk_made", "change_id": 7})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	dir := t.TempDir()
	s, err := loadSecrets(dir, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := ensureDemo(t.Context(), srv.URL, s); err != nil {
		t.Fatal(err)
	}
	again, err := loadSecrets(dir, noEnv)
	if err != nil || again.kept.DemoAPIKey != "tgk_made" || again.kept.DemoChange != 7 {
		t.Errorf("kept %q, %v", again.kept.DemoAPIKey, err)
	}
}

// A control plane and a data plane that become live a step at a time.
func TestTheDemoKeyIsWaitedForByRevision(t *testing.T) {
	for name, c := range map[string]struct {
		change int64
		steps  []string // what the change's status answers, one after another
		wanted int
	}{
		"a new key":             {7, []string{`{"change_id":7}`, `{"change_id":7,"revision":4}`}, 4},
		"a change long ago":     {7, []string{`{"code":"not_found"}`}, 9},
		"made by an older self": {0, nil, 9},
	} {
		mux := http.NewServeMux()
		asked, live := 0, 0
		mux.HandleFunc("GET /v1/tenants/demo/config/changes/7", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer tgm_x" {
				t.Errorf("%s: asked as %q", name, r.Header.Get("Authorization"))
			}
			step := c.steps[min(asked, len(c.steps)-1)]
			asked++
			w.Header().Set("Content-Type", "application/json")
			if step == `{"code":"not_found"}` {
				w.WriteHeader(http.StatusNotFound)
			}
			io.WriteString(w, step)
		})
		mux.HandleFunc("GET /v1/operator/data-planes", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"newest_revision":9,"data":[]}`)
		})
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
			if live++; live == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, `{"status":"unavailable","reason":"no valid config yet"}`)
				return
			}
			fmt.Fprintf(w, `{"status":"ok","config_revision":%d}`, live)
		})
		srv := httptest.NewServer(mux)
		defer srv.Close()
		s := &secrets{kept: kept{ManagementKey: "tgm_x", DemoChange: c.change}}
		if err := waitUntilLive(t.Context(), srv.URL, srv.URL, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if live != c.wanted {
			t.Errorf("%s: it was live at revision %d, want %d", name, live, c.wanted)
		}
	}
}

func TestWaitingEndsWithTheReason(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := poll(ctx, func() (bool, error) { cancel(); return false, errors.New("no valid config yet") })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no valid config yet") {
		t.Errorf("got %v", err)
	}
}

func TestProgramThatFailsAtOnceIsReported(t *testing.T) {
	boom := errors.New("boom")
	p := launch("portal", func(context.Context, func(string)) error { return boom })
	if _, err := p.wait(t.Context()); !errors.Is(err, boom) || !strings.Contains(err.Error(), "portal") {
		t.Errorf("got %v", err)
	}
}
