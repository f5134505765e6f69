package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/proc"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// product is the one product that all tests of this package use. Tests keep
// apart by making tenants of their own.
type product struct {
	dir string
	// settings is up.env.
	settings map[string]string
	gateway  string // URL
	api      *stand.API
	portal   string
	browser  browser
}

var up product

func TestMain(m *testing.M) {
	code, err := runWith(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		code = 1
	}
	os.Exit(code)
}

func runWith(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	defer up.browser.stop()
	// A product that runs already, by its up.env: for work on the tests.
	if file := os.Getenv("TOLLGATE_E2E_ENV"); file != "" {
		if up.settings, err = readEnv(file); err != nil {
			return 1, err
		}
		up.adopt()
		return m.Run(), nil
	}
	if up.dir, err = os.MkdirTemp("", "tollgate-e2e-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(up.dir)
	if err := os.Chmod(up.dir, 0o755); err != nil { // Postgres runs as somebody else
		return 1, err
	}
	bin := filepath.Join(up.dir, "tollgate")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "github.com/tollgate/tollgate/deploy/tollgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build: %w\n%s", err, out)
	}
	p, err := startUp(ctx, bin)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := p.Stop(20 * time.Second); stopErr != nil && err == nil {
			err = stopErr
		}
	}()
	code = m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "--- end of tollgate's log\n%s\n", p.LogTail(6000))
	}
	return code, nil
}

// startUp runs `tollgate up` on free ports and reads what it says of itself.
func startUp(ctx context.Context, bin string) (*proc.Process, error) {
	env := map[string]string{"TOLLGATE_DATA_DIR": filepath.Join(up.dir, "data"), "NO_COLOR": "1"}
	for _, name := range []string{"GATEWAY", "API", "PORTAL"} {
		addr, err := stand.FreeAddr()
		if err != nil {
			return nil, err
		}
		env["TOLLGATE_"+name+"_ADDR"] = addr
	}
	file := filepath.Join(env["TOLLGATE_DATA_DIR"], "up.env")
	p := proc.New(proc.Spec{Name: "tollgate", Path: bin, Args: []string{"up"}, Dir: up.dir, LogDir: up.dir, Env: proc.Clean(env),
		Ready: func(ctx context.Context) (err error) {
			up.settings, err = readEnv(file)
			return err
		}})
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	up.adopt()
	return p, nil
}

// adopt reads the settings.
func (p *product) adopt() {
	p.gateway, p.portal = p.settings["TOLLGATE_GATEWAY_URL"], p.settings["TOLLGATE_PORTAL_URL"]
	p.api = &stand.API{URL: p.settings["TOLLGATE_API_URL"], Key: p.settings["TOLLGATE_MANAGEMENT_KEY"]}
}

func readEnv(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if ok && !strings.HasPrefix(name, "#") {
			out[strings.TrimPrefix(name, "export ")] = strings.Trim(value, `"'`)
		}
	}
	for _, name := range []string{"GATEWAY_URL", "API_URL", "PORTAL_URL", "TENANT", "API_KEY", "MANAGEMENT_KEY",
		"DEMO_EMAIL", "DEMO_PASSWORD", "ADMIN_EMAIL", "ADMIN_PASSWORD"} {
		if out["TOLLGATE_"+name] == "" {
			return nil, fmt.Errorf("%s does not set TOLLGATE_%s", path, name)
		}
	}
	return out, nil
}

// account is a tenant with an owner, made by signing up.
type account struct {
	id, slug, email string
	key, keyID      string
	projectID       string
	api             *stand.API
}

const password = "a long enough password"

func signUp(t *testing.T, name string) *account {
	t.Helper()
	var made struct {
		Tenant  struct{ ID, Slug string }
		Project struct{ ID string }
		Session struct{ Token string }
		APIKey  struct {
			ID, Secret string
			ChangeID   int64 `json:"change_id"`
		} `json:"api_key"`
	}
	email := fmt.Sprintf("%s-%d@tollgate.test", strings.ToLower(name), time.Now().UnixNano())
	err := up.api.As("").Do(t.Context(), "POST", "/v1/signup", map[string]any{"tenant_name": name, "email": email, "password": password}, &made)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{id: made.Tenant.ID, slug: made.Tenant.Slug, email: email, key: made.APIKey.Secret, keyID: made.APIKey.ID,
		projectID: made.Project.ID, api: up.api.As(made.Session.Token)}
	a.live(t, made.APIKey.ChangeID)
	return a
}

// live waits until a change has reached the data plane.
func (a *account) live(t *testing.T, change int64) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		var status struct{ Live int }
		err := a.api.Do(t.Context(), "GET", a.path(fmt.Sprintf("/config/changes/%d", change)), nil, &status)
		if err == nil && status.Live == 0 {
			err = fmt.Errorf("change %d is not live", change)
		}
		return err
	})
}

// path is a path of the API below the tenant.
func (a *account) path(rest string) string { return "/v1/tenants/" + a.id + rest }

// eventually polls until ok answers nil.
func eventually(t *testing.T, limit time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// request is what the tests read of a request in the API.
type request struct {
	ID           string `json:"request_id"`
	Outcome      string `json:"outcome"`
	Status       int    `json:"http_status"`
	Streamed     bool   `json:"streamed"`
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	CostNano     int64  `json:"cost_nano"`
	Estimated    bool   `json:"estimated"`
}

// ledger waits until the tenant's newest requests satisfy ok.
func (a *account) ledger(t *testing.T, ok func([]request) error) {
	t.Helper()
	eventually(t, 15*time.Second, func() error {
		var page struct {
			Data []request `json:"data"`
		}
		if err := a.api.Do(t.Context(), "GET", a.path("/requests?limit=100"), nil, &page); err != nil {
			return err
		}
		return ok(page.Data)
	})
}
