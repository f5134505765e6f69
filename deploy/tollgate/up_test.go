package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMain makes this test binary be the real one: signals and exit codes need a
// process of their own.
const asMain = "TOLLGATE_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// running is a whole product in a process of its own.
type running struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	done   chan error
	output *bytes.Buffer
	env    map[string]string
}

// reachableDir can be entered by the account that runs Postgres for root.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-up-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

func startUp(t *testing.T, dir string, extra ...string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, output: new(bytes.Buffer), done: make(chan error, 1), env: map[string]string{}}
	if err := os.Remove(filepath.Join(dir, "up.env")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	r.cmd = exec.Command(os.Args[0], "up")
	r.cmd.Env = append([]string{asMain + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TOLLGATE_DATA_DIR=" + dir,
		"TOLLGATE_GATEWAY_ADDR=127.0.0.1:0", "TOLLGATE_API_ADDR=127.0.0.1:0", "TOLLGATE_PORTAL_ADDR=127.0.0.1:0"}, extra...)
	r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- r.cmd.Wait() }()
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			<-r.done
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(dir, "up.env")); err == nil {
			for line := range strings.Lines(string(b)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				r.env[name] = strings.Trim(value, "'")
			}
			return r
		}
		select {
		case err := <-r.done:
			t.Fatalf("up ended: %v\n%s\n%s", err, r.output, r.log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("up is not ready\n%s", r.log())
		}
	}
}

// log gives the end of the log file, for failures.
func (r *running) log() string {
	b, err := os.ReadFile(filepath.Join(r.dir, "tollgate.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4000):])
}

// postgres is the process id of the private Postgres.
func (r *running) postgres() int {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		r.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// interrupt is Ctrl-C; it returns the exit code and how long it took.
func (r *running) interrupt(sig syscall.Signal) (int, time.Duration) {
	r.t.Helper()
	begin := time.Now()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		r.t.Fatalf("up did not stop\n%s", r.log())
	}
	return r.cmd.ProcessState.ExitCode(), time.Since(begin)
}

func (r *running) chat() (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.env["TOLLGATE_GATEWAY_URL"]+"/v1/chat/completions",
		strings.NewReader(`{"model":"demo","messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.env["TOLLGATE_API_KEY"])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// requests tells what the ledger has for the demo tenant, by the API: an
// operation for each.
func (r *running) requests() []string {
	r.t.Helper()
	var me struct {
		Memberships []struct {
			TenantID string `json:"tenant_id"`
		}
	}
	session := r.signIn()
	r.api("GET", "/v1/me", session, nil, &me)
	var page struct{ Data []struct{ Operation string } }
	r.api("GET", "/v1/tenants/"+me.Memberships[0].TenantID+"/requests", session, nil, &page)
	var out []string
	for _, d := range page.Data {
		out = append(out, d.Operation)
	}
	return out
}

// signIn gives a session of the demo tenant's owner.
func (r *running) signIn() string {
	r.t.Helper()
	var session struct{ Token string }
	r.api("POST", "/v1/sessions", "", map[string]string{"email": r.env["TOLLGATE_DEMO_EMAIL"], "password": r.env["TOLLGATE_DEMO_PASSWORD"]}, &session)
	return session.Token
}

// clientOf is the address that the control plane saw behind a request, by its
// log.
func (r *running) clientOf(requestID string) string {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(r.dir, "tollgate.log"))
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var l struct {
				Program   string
				RequestID string `json:"request_id"`
				ClientIP  string `json:"client_ip"`
			}
			if json.Unmarshal([]byte(line), &l) == nil && l.Program == "controlplane" && l.RequestID == requestID {
				return l.ClientIP
			}
		}
	}
	r.t.Fatalf("the control plane did not see %s\n%s", requestID, r.log())
	return ""
}

// get calls from a local address, as a visitor with a session.
func (r *running) get(url, from, session, requestID string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "__Host-tollgate", Value: session})
	req.Header.Set("Authorization", "Bearer "+session)
	req.Header.Set("X-Request-Id", requestID)
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	res.Body.Close()
}

// The control plane believes the portal, and no other program on the machine.
func TestVisitorsAddresses(t *testing.T) {
	t.Parallel()
	r := startUp(t, reachableDir(t))
	session := r.signIn()
	r.get(r.env["TOLLGATE_PORTAL_URL"]+"/t/demo/keys", "127.0.0.2", session, "by-portal")
	if got := r.clientOf("by-portal"); got != "127.0.0.2" {
		t.Errorf("a visitor of the portal at 127.0.0.2 is %s to the control plane", got)
	}
	r.get(r.env["TOLLGATE_API_URL"]+"/v1/me", "127.0.0.3", session, "direct")
	if got := r.clientOf("direct"); got != "127.0.0.3" {
		t.Errorf("a program at 127.0.0.3 is %s to the control plane", got)
	}
	if code, _ := r.interrupt(syscall.SIGINT); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func (r *running) api(method, path, token string, in, out any) {
	r.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			r.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, r.env["TOLLGATE_API_URL"]+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		r.t.Fatalf("%s %s: %s, %v: %s", method, path, res.Status, err, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func TestUpFromNothingToKeptData(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	first := startUp(t, dir)
	if status, body := first.chat(); status != 200 {
		t.Fatalf("the first call answered %d: %s", status, body)
	}
	for name, file := range map[string]os.FileMode{"up.env": 0o600, "database.url": 0o600, "tollgate.log": 0o600, "secrets": 0o700 | os.ModeDir} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode() != file {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if !strings.Contains(first.output.String(), first.env["TOLLGATE_API_KEY"]) {
		t.Error("the start page does not show the key")
	}
	pid := first.postgres()
	code, took := first.interrupt(syscall.SIGINT)
	if code != exitOK || took > 5*time.Second {
		t.Errorf("stop: exit code %d after %v\n%s", code, took, first.output)
	}
	if syscall.Kill(pid, 0) == nil {
		t.Error("Postgres is left behind")
	}

	second := startUp(t, dir)
	for _, v := range []string{"TOLLGATE_API_KEY", "TOLLGATE_MANAGEMENT_KEY", "TOLLGATE_DEMO_PASSWORD", "TOLLGATE_ADMIN_PASSWORD"} {
		if first.env[v] != second.env[v] {
			t.Errorf("%s changed between the runs", v)
		}
	}
	if status, body := second.chat(); status != 200 {
		t.Fatalf("the second run answered %d: %s", status, body)
	}
	// What came before the second call is in the ledger before it.
	var have []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		have = second.requests()
		if chats := slices.DeleteFunc(slices.Clone(have), func(op string) bool { return op != "chat" }); len(chats) == 2 {
			break
		}
	}
	if !slices.Equal(have, []string{"chat", "chat"}) {
		t.Errorf("the ledger has %q of two calls\n%s", have, second.log())
	}
	doctor := exec.Command(os.Args[0], "doctor", "-o", "json")
	doctor.Env = []string{asMain + "=1", "TOLLGATE_DATA_DIR=" + dir}
	if out, err := doctor.CombinedOutput(); err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if code, took := second.interrupt(syscall.SIGTERM); code != exitOK || took > 5*time.Second {
		t.Errorf("stop: exit code %d after %v", code, took)
	}
}

func TestKilledUpLeavesNothingAndComesBack(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	first := startUp(t, dir)
	pid := first.postgres()
	first.interrupt(syscall.SIGKILL)
	gone := false
	for deadline := time.Now().Add(10 * time.Second); !gone && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		gone = syscall.Kill(pid, 0) != nil
	}
	if !gone {
		t.Error("Postgres outlives a killed parent")
	}
	second := startUp(t, dir)
	if status, body := second.chat(); status != 200 {
		t.Fatalf("after the kill: %d: %s", status, body)
	}
	if code, _ := second.interrupt(syscall.SIGINT); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

func TestDatabaseOfANewerVersion(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	host := startUp(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, "database.url"))
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(b))
	exec1(t, url, fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", 999999))
	code, _, stderr := invoke(t, map[string]string{"TOLLGATE_DATABASE_URL": url}, "migrate")
	if code != exitConflict || !strings.Contains(stderr, "newer") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	code, _, stderr = invoke(t, map[string]string{"TOLLGATE_DATABASE_URL": url, "TOLLGATE_DATA_DIR": t.TempDir(),
		"TOLLGATE_GATEWAY_ADDR": "127.0.0.1:0", "TOLLGATE_API_ADDR": "127.0.0.1:0", "TOLLGATE_PORTAL_ADDR": "127.0.0.1:0"}, "up")
	if code != exitConflict || !strings.Contains(stderr, "newer") {
		t.Errorf("up: exit code %d: %s", code, stderr)
	}
	host.interrupt(syscall.SIGINT)
}

func TestInterruptedWhileStarting(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	cmd := exec.Command(os.Args[0], "up")
	cmd.Env = []string{asMain + "=1", "PATH=" + os.Getenv("PATH"), "TOLLGATE_DATA_DIR=" + dir,
		"TOLLGATE_GATEWAY_ADDR=127.0.0.1:0", "TOLLGATE_API_ADDR=127.0.0.1:0", "TOLLGATE_PORTAL_ADDR=127.0.0.1:0"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The first line says that the database is being made.
	first := make([]byte, 64)
	if _, err := stderr.Read(first); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := io.ReadAll(stderr); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || time.Since(begin) > 5*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
	// What was half made does not stand in the way.
	r := startUp(t, dir)
	if code, _ := r.interrupt(syscall.SIGINT); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
