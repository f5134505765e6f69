package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/deploy/internal/allinone"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// invoke runs the binary's main function with an environment of its own.
func invoke(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{getenv: func(k string) string { return env[k] }, stdout: &out, stderr: &errs}
	code = a.main(t.Context(), args)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says string
	}{
		"no verb":            {nil, nil, exitUsage, "Usage"},
		"unknown verb":       {nil, []string{"launch"}, exitUsage, `unknown verb "launch"`},
		"argument to up":     {nil, []string{"up", "now"}, exitUsage, "takes no arguments"},
		"bad format":         {nil, []string{"version", "-o", "xml"}, exitUsage, "table, json or yaml"},
		"migrate without db": {nil, []string{"migrate"}, exitUsage, "TOLLGATE_DATABASE_URL"},
		"malformed db url":   {map[string]string{"TOLLGATE_DATABASE_URL": "mysql://u:hunter2@x"}, []string{"migrate"}, exitUsage, "postgres://user:password@host"},
		"db down": {map[string]string{"TOLLGATE_DATABASE_URL": "postgres://u:hunter2@127.0.0.1:1/x"}, []string{"migrate"},
			exitUnavailable, "cannot be reached at 127.0.0.1:1"},
		"doctor with db down": {map[string]string{"TOLLGATE_DATABASE_URL": "postgres://u:hunter2@127.0.0.1:1/x"}, []string{"doctor"},
			exitUnavailable, "cannot be reached at 127.0.0.1:1"},
		"doctor's flag":     {nil, []string{"doctor", "--all"}, exitUsage, "Usage: tollgate doctor"},
		"help and more":     {nil, []string{"doctor", "--help", "x"}, exitUsage, "Usage: tollgate doctor"},
		"help of nothing":   {nil, []string{"help", "launch"}, exitUsage, `unknown verb "launch"`},
		"keygen's flag":     {nil, []string{"keygen", "--force", "a"}, exitUsage, "Usage: tollgate keygen"},
		"log level":         {map[string]string{"TOLLGATE_LOG_LEVEL": "loud"}, []string{"portal"}, exitUsage, "must be debug, info, warn or error"},
		"log level of up":   {map[string]string{"TOLLGATE_LOG_LEVEL": "loud"}, []string{"up"}, exitUsage, "TOLLGATE_LOG_LEVEL"},
		"empty dataplane":   {map[string]string{"TOLLGATE_DATA_DIR": filepath.Join(t.TempDir(), "x")}, []string{"dataplane"}, exitUsage, "TOLLGATE_NATS_URL is not set"},
		"empty control":     {nil, []string{"controlplane"}, exitUsage, "TOLLGATE_MASTER_KEY_FILE is not set"},
		"number of up":      {map[string]string{"TOLLGATE_DATA_DIR": t.TempDir(), "TOLLGATE_MAX_IN_FLIGHT": "many"}, []string{"up"}, exitUsage, "TOLLGATE_MAX_IN_FLIGHT must be"},
		"address of up":     {map[string]string{"TOLLGATE_DATA_DIR": t.TempDir(), "TOLLGATE_GATEWAY_ADDR": "8080"}, []string{"up"}, exitUsage, "TOLLGATE_GATEWAY_ADDR"},
		"doctor without up": {map[string]string{"TOLLGATE_DATA_DIR": t.TempDir()}, []string{"doctor"}, exitUnavailable, "tollgate up"},
		"port in use": {map[string]string{"TOLLGATE_DATA_DIR": t.TempDir(), "TOLLGATE_GATEWAY_ADDR": taken.Addr().String()},
			[]string{"up"}, exitConflict, "set TOLLGATE_GATEWAY_ADDR"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, c.env, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(stderr, c.says) {
				t.Errorf("stderr lacks %q:\n%s", c.says, stderr)
			}
			if stdout != "" {
				t.Errorf("an error wrote to stdout: %s", stdout)
			}
			if strings.Contains(stderr, ": in use\n") || strings.Count(stderr, "connection refused") > 1 {
				t.Errorf("stderr says too much: %s", stderr)
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("the password leaks: %s", stderr)
			}
		})
	}
}

func TestHelpNamesEveryVerb(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}} {
		code, stdout, _ := invoke(t, nil, args...)
		if code != exitOK {
			t.Errorf("%v: exit code %d", args, code)
		}
		for _, v := range verbs() {
			if !strings.Contains(stdout, "  "+v.name) {
				t.Errorf("help lacks %s", v.name)
			}
		}
	}
	for _, v := range verbs() {
		for _, args := range [][]string{{v.name, "--help"}, {v.name, "-h"}, {"help", v.name}} {
			code, stdout, _ := invoke(t, nil, args...)
			if code != exitOK || !strings.Contains(stdout, v.usage) {
				t.Errorf("%v: %d, %s", args, code, stdout)
			}
			for _, x := range variables() {
				if strings.Contains(stdout, "  "+x.name+" ") != x.of(v.name) {
					t.Errorf("%v shows %s: %v", args, x.name, !x.of(v.name))
				}
			}
		}
	}
}

// Help makes nothing, and neither does a mistake.
func TestKeygenMakesNoDirectoryOfAFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"keygen", "--help", "x"}, {"keygen", "--force", "a"}, {"keygen", "a", "-b"}, {"keygen", "", ""}} {
		if code, _, _ := invoke(t, nil, args...); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

// What help lists and what the tables of docs/operations.md list is the same.
func TestHelpAndOperationsListTheSameVariables(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:TOLLGATE_[A-Z0-9_]+)|NO_COLOR)`")
	documented, listed := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = line
		}
	}
	for _, v := range variables() {
		listed[v.name] = true
		if documented[v.name] == "" {
			t.Errorf("no table of docs/operations.md has %s", v.name)
		}
		for name := range strings.FieldsSeq(v.verbs) {
			if !slices.ContainsFunc(verbs(), func(x verb) bool { return x.name == name }) {
				t.Errorf("%s: there is no verb %s", v.name, name)
			}
		}
	}
	for v := range documented {
		if !listed[v] {
			t.Errorf("help does not list %s", v)
		}
	}
}

func TestDoctorPrintsTheShapeOfTheAPI(t *testing.T) {
	checks := []controlplane.DoctorCheck{{Name: "a", OK: true, Explanation: "holds"}, {Name: "b", Rows: 3, Explanation: "does \"not\""}}
	var out bytes.Buffer
	if err := printChecks(&out, "json", checks); err != nil {
		t.Fatal(err)
	}
	var r apiclient.DoctorReport
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || r.Ok || len(r.Checks) != 2 || r.Checks[1].Rows != 3 || r.Checks[1].Explanation != checks[1].Explanation {
		t.Errorf("%+v, %v", r, err)
	}
	out.Reset()
	if err := printChecks(&out, "yaml", checks); err != nil || !strings.HasPrefix(out.String(), "ok: false\nchecks:\n  - name: \"a\"\n    ok: true\n") {
		t.Errorf("%s, %v", out.String(), err)
	}
	out.Reset()
	if err := printChecks(&out, "table", checks); err != nil || !strings.HasPrefix(out.String(), "NAME") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

func TestVersionFormats(t *testing.T) {
	_, out, _ := invoke(t, nil, "version", "-o", "json")
	var rows []map[string]string
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 || rows[0]["version"] != version {
		t.Errorf("json: %v, %s", err, out)
	}
	if _, out, _ = invoke(t, nil, "version", "-o", "yaml"); !strings.HasPrefix(out, "- version: \"") {
		t.Errorf("yaml: %s", out)
	}
	if _, out, _ = invoke(t, nil, "version"); !strings.HasPrefix(out, "VERSION") {
		t.Errorf("table: %s", out)
	}
}

func TestSecondUpOnTheSameDirectory(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	env := func(k string) string {
		return map[string]string{"TOLLGATE_GATEWAY_ADDR": "127.0.0.1:0", "TOLLGATE_API_ADDR": "127.0.0.1:0",
			"TOLLGATE_PORTAL_ADDR": "127.0.0.1:0", "TOLLGATE_DATABASE_URL": "postgres://127.0.0.1:1/x"}[k]
	}
	// The first run holds the lock while it waits here, in its first report.
	held, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- allinone.Run(ctx, allinone.Config{DataDir: dir, Getenv: func(k string) string {
			if k == "TOLLGATE_GATEWAY_ADDR" {
				close(held)
				<-release
			}
			return env(k)
		}})
	}()
	<-held
	code, _, stderr := invoke(t, map[string]string{"TOLLGATE_DATA_DIR": dir}, "up")
	if code != exitConflict || !strings.Contains(stderr, "already runs on") || !strings.Contains(stderr, fmt.Sprint(os.Getpid())) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	close(release)
	<-first
}

func TestStartPage(t *testing.T) {
	i := allinone.Info{GatewayURL: "http://127.0.0.1:8080", APIURL: "http://127.0.0.1:8081", PortalURL: "http://127.0.0.1:8082",
		Tenant: "demo", APIKey: "tgk_x", DemoEmail: "d@x", DemoPassword: "pw1", AdminEmail: "a@x", AdminPassword: "pw2",
		EnvFile: "/data/up.env", Database: "private Postgres 15"}
	plain := startPage(i, "/data/log", false)
	if strings.Contains(plain, "\x1b") {
		t.Error("colour without a terminal")
	}
	for _, want := range []string{i.GatewayURL + "/v1/chat/completions", i.PortalURL, i.APIKey, i.DemoEmail, i.DemoPassword, i.AdminPassword, "set -a; . /data/up.env; set +a", "management key", i.APIURL + "/v1/openapi.json"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(plain, "\n"); n > 26 {
		t.Errorf("the page has %d lines: too many for a small terminal", n)
	}
	if !strings.Contains(startPage(i, "/data/log", true), "\x1b[") {
		t.Error("no colour on a terminal")
	}
}

func TestLogTurns(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	line := []byte(strings.Repeat("x", 1<<20) + "\n")
	for range 40 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{name, name + ".old"} {
		st, err := os.Stat(n)
		if err != nil || st.Size() > maxLog || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", n, st, err)
		}
	}
}

// A log that cannot turn, because something is in the way, goes on; it turns
// when the way is free.
func TestLogGoesOnWhereItCannotTurn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	inTheWay := filepath.Join(name+".old", "x")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := func(text string) {
		if _, err := l.Write([]byte(text)); err != nil {
			t.Fatalf("a line was lost: %v", err)
		}
	}
	fill := strings.Repeat("x", maxLog-1) + "\n"
	write(fill)
	write("after the turn that failed\n")
	b, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(string(b), "after the turn that failed\n") {
		t.Errorf("the log ends with %q, %v", b[max(0, len(b)-40):], err)
	}
	if err := os.RemoveAll(name + ".old"); err != nil {
		t.Fatal(err)
	}
	write(fill)
	if b, err := os.ReadFile(name); err != nil || string(b) != fill {
		t.Errorf("the log did not turn: %d bytes, %v", len(b), err)
	}
}
