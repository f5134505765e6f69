package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/credential"
	"github.com/tollgate/tollgate/controlplane/internal/httpapi"
	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/operator"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/controlplane/internal/publish"
	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/id"
	transport "github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/secretkey"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// stage is the API over a real database, with an operator's key.
type stage struct {
	t        *testing.T
	db       *postgres.DB
	server   *httpapi.Server
	url      string
	operator string
	log      *logBuffer
	clock    *clock
}

// clock can be moved ahead.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return stageOn(t, postgrestest.Open(t), 0)
}

func stageOn(t *testing.T, db *postgres.DB, timeout time.Duration) *stage {
	t.Helper()
	return stageWith(t, db, func(c *httpapi.Config) { c.Timeout = timeout })
}

func stageWith(t *testing.T, db *postgres.DB, change func(*httpapi.Config)) *stage {
	t.Helper()
	s := &stage{t: t, db: db, operator: secretkey.New(secretkey.Management), log: &logBuffer{}, clock: &clock{}}
	key, err := seal.NewLocal(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	cfg := httpapi.Config{
		Logger:  slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: prometheus.NewRegistry(), ServeMetrics: true, Access: db, CursorKey: key.Derive("cursors"),
		Idempotency: idempotency.New(db, seal.NewBox(key)), Now: s.clock.now,
	}
	change(&cfg)
	s.server, err = httpapi.New(cfg, services(t, db, s.clock.now))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.server.Handler())
	t.Cleanup(srv.Close)
	s.url = srv.URL
	if err := operator.EnsureKey(context.Background(), db, s.operator); err != nil {
		t.Fatal(err)
	}
	return s
}

func services(t *testing.T, db *postgres.DB, now func() time.Time) httpapi.Services {
	t.Helper()
	passwords := password.New(password.Cost{MemoryKiB: 64, Passes: 1}, 4)
	key, err := seal.NewLocal(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	dataPlane, err := transport.Generate()
	if err != nil {
		t.Fatal(err)
	}
	sessions := session.NewService(db, passwords, now)
	keys := apikey.NewService(db, now)
	return httpapi.Services{
		Signups: signup.NewService(db, passwords, sessions, keys), Sessions: sessions,
		Tenants: tenant.NewService(db), Projects: project.NewService(db), Members: member.NewService(db, passwords, true),
		APIKeys: keys, ManagementKeys: managementkey.NewService(db, now), Audit: audit.NewService(db), Usage: usage.NewService(db, now),
		Prices: db, Doctor: db,
		Credentials: credential.NewService(db, seal.NewBox(key), dataPlane.Public(), nil),
		Catalog:     catalog.NewService(db, now), Routes: route.NewService(db), Rollout: db, Snapshots: publish.NewSnapshots(db, t.TempDir()),
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// str walks the body: str("api_key", "id").
func (a answer) str(path ...string) string {
	var v any = a.body
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// rows are the elements of "data".
func (a answer) rows() []map[string]any {
	list, _ := a.body["data"].([]any)
	var out []map[string]any
	for _, e := range list {
		out = append(out, e.(map[string]any))
	}
	return out
}

// call sends one request. body is a string as it stands, or anything that
// marshals; header holds pairs.
func (s *stage) call(method, path, token string, body any, header ...string) answer {
	s.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, s.url+path, r)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	// Answers that are no JSON have no body to look into.
	_ = json.Unmarshal(raw, &a.body)
	s.holdToDocument(method, path, a)
	return a
}

// want calls and fails unless the status is the one wanted.
func (s *stage) want(status int, method, path, token string, body any, header ...string) answer {
	s.t.Helper()
	a := s.call(method, path, token, body, header...)
	if a.status != status {
		s.t.Fatalf("%s %s = %d, want %d: %s", method, path, a.status, status, a.raw)
	}
	return a
}

// refused calls and fails unless the answer is a problem with this code.
func (s *stage) refused(code, method, path, token string, body any, header ...string) answer {
	s.t.Helper()
	a := s.call(method, path, token, body, header...)
	if a.str("code") != code || a.header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s = %d %s, want code %s", method, path, a.status, a.raw, code)
	}
	return a
}

type m = map[string]any

const goodPassword = "correct horse battery"

// account is a tenant with its owner.
type account struct {
	id, slug, owner  string // owner is a session
	email            string
	project, key     string
	secret, memberID string
}

func (s *stage) signUp(name string) account {
	s.t.Helper()
	email := strings.ToLower(id.New("x")) + "@example.com"
	a := s.want(201, "POST", "/v1/signup", "", m{"tenant_name": name, "email": email, "password": goodPassword, "name": "Ada"})
	acc := account{
		id: a.str("tenant", "id"), slug: a.str("tenant", "slug"), owner: a.str("session", "token"), email: email,
		project: a.str("project", "id"), key: a.str("api_key", "id"), secret: a.str("api_key", "secret"),
	}
	acc.memberID = s.want(200, "GET", acc.path("/members"), acc.owner, nil).rows()[0]["id"].(string)
	return acc
}

func (a account) path(rest string) string { return "/v1/tenants/" + a.id + rest }

// managementKey makes a key of a role and returns its secret.
func (s *stage) managementKey(acc account, role access.Role) string {
	s.t.Helper()
	return s.want(201, "POST", acc.path("/management-keys"), acc.owner, m{"name": string(role), "role": role}).str("secret")
}
