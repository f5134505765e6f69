package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tollgate/tollgate/scripts/internal/proc"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// TestNewcomer does what somebody does who has just started the product: the
// call with the key that was printed answers and streams, and stands in the
// portal with tokens and cost.
func TestNewcomer(t *testing.T) {
	key := up.settings["TOLLGATE_API_KEY"]
	body := `{"model":"demo","messages":[{"role":"user","content":"Hello!"}]}`
	resp, err := stand.Post(t.Context(), up.gateway+"/v1/chat/completions", key, []byte(body))
	must(t, err)
	defer resp.Body.Close()
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			Total int `json:"total_tokens"`
		}
	}
	must(t, json.NewDecoder(resp.Body).Decode(&answer))
	if resp.StatusCode != 200 || answer.Choices[0].Message.Content == "" || answer.Usage.Total == 0 {
		t.Fatalf("status %d, answer %+v", resp.StatusCode, answer)
	}
	streams(t, key)

	id := resp.Header.Get("X-Request-Id")
	b := open(t)
	b.signIn(up.settings["TOLLGATE_DEMO_EMAIL"], up.settings["TOLLGATE_DEMO_PASSWORD"])
	b.visit("/t/" + up.settings["TOLLGATE_TENANT"] + "/requests")
	row := fmt.Sprintf("tr[data-request-id=%q]", id)
	eventually(t, 10*time.Second, func() error {
		if err := b.try(time.Second, chromedp.WaitVisible(row, chromedp.ByQuery)); err != nil {
			b.visit("/t/" + up.settings["TOLLGATE_TENANT"] + "/requests")
			return err
		}
		return nil
	})
	if got := b.text(row); !strings.Contains(got, "demo") || !strings.Contains(got, "$0.") {
		t.Errorf("the row says %q", got)
	}
	b.press(row + " a")
	if got := b.text("main"); !strings.Contains(got, id) {
		t.Errorf("the request's page says %q", got)
	}
}

func streams(t *testing.T, key string) {
	t.Helper()
	resp, err := stand.Post(t.Context(), up.gateway+"/v1/chat/completions", key, []byte(`{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`))
	must(t, err)
	defer resp.Body.Close()
	last, n := "", 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			last = lines.Text()
			n++
		}
	}
	if resp.StatusCode != 200 || n < 3 || last != "data: [DONE]" {
		t.Errorf("status %d, %d events, the last %q", resp.StatusCode, n, last)
	}
}

// TestSignUpToFirstCall: one form, then a page with the key, snippets that
// work as they stand, and a line that ticks when the first call has arrived.
func TestSignUpToFirstCall(t *testing.T) {
	begin := time.Now()
	b := open(t)
	b.visit("/signup")
	form := sel("sign-up-form")
	email := fmt.Sprintf("first-%d@tollgate.test", time.Now().UnixNano())
	b.fill(form, "tenant_name", "First & <Call>")
	b.fill(form, "email", email)
	b.fill(form, "password", password)
	b.press(form + " button[type=submit]")
	at, _, _ := strings.Cut(b.location(), "?")
	if !strings.HasPrefix(at, "/t/") || !strings.HasSuffix(at, "/start") {
		t.Fatalf("signing up leads to %s", b.where())
	}
	key := b.text(sel("secret-value"))
	if !strings.HasPrefix(key, "tgk_") {
		t.Fatalf("the key is %q", key)
	}
	var state string
	b.do(chromedp.AttributeValue(sel("first-request"), "data-state", &state, nil, chromedp.ByQuery))
	if state != "waiting" {
		t.Errorf("before any call the line says %q", state)
	}
	snippets := map[string]string{}
	for _, id := range []string{"curl", "python", "typescript", "anthropic", "gemini", "go"} {
		var code string
		b.do(chromedp.TextContent(sel("code-"+id), &code, chromedp.ByQuery))
		if !strings.Contains(code, key) || !strings.Contains(code, up.gateway) {
			t.Errorf("the %s snippet lacks key or address:\n%s", id, code)
		}
		snippets[id] = code
	}
	shell(t, snippets["curl"])
	called := time.Now()
	b.do(chromedp.WaitVisible(sel("first-request")+"[data-state=arrived]", chromedp.ByQuery))
	t.Logf("sign-up to first call %.1f s, tick %.1f s after it", called.Sub(begin).Seconds(), time.Since(called).Seconds())
	if late := time.Since(called); late > 5*time.Second {
		t.Errorf("the tick came %v after the call", late)
	}
	if got := b.text(sel("first-request")); !strings.Contains(got, "$0.") || !strings.Contains(got, " in, ") {
		t.Errorf("the line says %q", got)
	}
	b.press(sel("first-request-link"))
	if !strings.Contains(b.location(), "/requests/") {
		t.Errorf("the link leads to %s", b.location())
	}
	t.Run("TypeScript", func(t *testing.T) { typescript(t, snippets["typescript"]) })
	t.Run("Go", func(t *testing.T) { goProgram(t, snippets["go"]) })
	// The key is shown once.
	b.visit(at)
	if strings.Contains(b.text("main"), key) {
		t.Error("the key is shown again")
	}
}

func shell(t *testing.T, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Env = proc.Clean(nil)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), `"choices"`) {
		t.Fatalf("the snippet answers %s, %v", out, err)
	}
}

func typescript(t *testing.T, code string) {
	dir := npmPackages(t)
	file := filepath.Join(dir, fmt.Sprintf("snippet-%d.mjs", os.Getpid()))
	must(t, os.WriteFile(file, []byte(code), 0o600))
	defer os.Remove(file)
	cmd := exec.CommandContext(t.Context(), "node", file)
	cmd.Env = proc.Clean(nil)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Hello") {
		t.Errorf("the snippet says %s, %v", out, err)
	}
}

// goProgram runs a program with the libraries of this module.
func goProgram(t *testing.T, code string) {
	file := filepath.Join(t.TempDir(), "main.go")
	must(t, os.WriteFile(file, []byte(code), 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "run", file)
	cmd.Env = proc.Clean(nil)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Hello") {
		t.Errorf("the snippet says %s, %v", out, err)
	}
}
