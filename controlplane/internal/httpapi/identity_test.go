package httpapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/secretkey"
)

func TestSignUpMakesATenantThatCanCall(t *testing.T) {
	s := newStage(t)
	a := s.want(201, "POST", "/v1/signup", "", m{"tenant_name": "Café Müller & Söhne", "email": "Ada@Example.com ", "password": goodPassword, "name": "Ada"})
	if a.str("tenant", "slug") != "cafe-mueller-soehne" {
		t.Errorf("slug is %q", a.str("tenant", "slug"))
	}
	if a.str("project", "name") != "Default" || a.str("api_key", "name") != "First key" {
		t.Errorf("the tenant begins with %s", a.raw)
	}
	if !secretkey.WellFormed(secretkey.API, a.str("api_key", "secret")) {
		t.Error("no usable API key")
	}
	me := s.want(200, "GET", "/v1/me", a.str("session", "token"), nil)
	if me.str("email") != "ada@example.com" || !strings.Contains(me.raw, `"role":"owner"`) {
		t.Errorf("me is %s", me.raw)
	}
	// Tenant and key reach the data planes; the audit trail tells it all.
	kinds := map[int16]int{}
	s.query("SELECT kind FROM config_outbox WHERE tenant_id = $1", a.str("tenant", "id"), func(k int16) { kinds[k]++ })
	if kinds[int16(configv1.Kind_KIND_TENANT)] != 1 || kinds[int16(configv1.Kind_KIND_API_KEY)] != 1 {
		t.Errorf("the outbox holds kinds %v", kinds)
	}
	trail := s.want(200, "GET", "/v1/tenants/cafe-mueller-soehne/audit", a.str("session", "token"), nil)
	var actions []string
	for _, e := range trail.rows() {
		actions = append(actions, e["action"].(string))
	}
	if got := strings.Join(actions, " "); got != "api_key.create project.create member.create tenant.create" {
		t.Errorf("the trail is %q", got)
	}
	if err := s.db.VerifyAudit(context.Background(), a.str("tenant", "id")); err != nil {
		t.Error(err)
	}
}

// query runs SQL as the system and hands each value of the one column to f.
func (s *stage) query(sql, arg string, f func(int16)) {
	s.t.Helper()
	ctx := context.Background()
	err := s.db.InSystem(ctx, func(tx postgres.Tx) error {
		rows, err := tx.Query(ctx, sql, arg)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var v int16
			if err := rows.Scan(&v); err != nil {
				return err
			}
			f(v)
		}
		return rows.Err()
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestSignUpRefusesWhatCannotBe(t *testing.T) {
	s := newStage(t)
	first := s.signUp("Acme")
	if first.slug != "acme" {
		t.Fatalf("slug is %q", first.slug)
	}
	if second := s.signUp("ACME!"); second.slug != "acme-2" {
		t.Errorf("the second Acme has slug %q", second.slug)
	}
	if odd := s.signUp("株式会社"); odd.slug != "team" {
		t.Errorf("a name without Latin letters has slug %q", odd.slug)
	}
	if r := s.signUp("Operator"); r.slug != "operator-2" {
		t.Errorf("a reserved name has slug %q", r.slug)
	}
	body := func(change m) m {
		b := m{"tenant_name": "X", "email": "x@example.com", "password": goodPassword}
		for k, v := range change {
			b[k] = v
		}
		return b
	}
	for name, c := range map[string]struct {
		change m
		code   string
		field  string
	}{
		"e-mail taken":    {m{"email": strings.ToUpper(first.email)}, "already_exists", "body.email"},
		"slug taken":      {m{"slug": "acme"}, "already_exists", "body.slug"},
		"slug reserved":   {m{"slug": "admin"}, "validation_failed", "body.slug"},
		"slug malformed":  {m{"slug": "-a"}, "validation_failed", "body.slug"},
		"no e-mail":       {m{"email": "not an address"}, "validation_failed", "body.email"},
		"short password":  {m{"password": "short"}, "validation_failed", "body.password"},
		"blank name":      {m{"tenant_name": "   "}, "validation_failed", "body.tenant_name"},
		"unknown field":   {m{"pasword": "x"}, "validation_failed", "body.pasword"},
		"wrong type":      {m{"tenant_name": 7}, "validation_failed", "body.tenant_name"},
		"zero character":  {m{"tenant_name": "a\x00b"}, "validation_failed", "body.tenant_name"},
		"no domain":       {m{"email": "w@x"}, "validation_failed", "body.email"},
		"address literal": {m{"email": "w@[10.0.0.1]"}, "validation_failed", "body.email"},
		"ten of one":      {m{"password": "aaaaaaaaaa"}, "validation_failed", "body.password"},
		"three of ten":    {m{"password": "abcabcabcabc"}, "validation_failed", "body.password"},
		"e-mail password": {m{"email": "long-enough@example.com", "password": "long-enough@example.com"}, "validation_failed", "body.password"},
	} {
		a := s.refused(c.code, "POST", "/v1/signup", "", body(c.change))
		if !strings.Contains(a.raw, `"location":"`+c.field+`"`) {
			t.Errorf("%s: %s does not name %s", name, a.raw, c.field)
		}
	}
}

// Each refusal tells what to do in this very case.
func TestFixesFitTheCase(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for want, a := range map[string]answer{
		"use another address": s.refused("already_exists", "POST", "/v1/signup", "", m{"tenant_name": "X", "email": acc.email, "password": goodPassword}),
		"/v1/openapi.json":    s.refused("unknown_path", "GET", "/v1/nothing", acc.owner, nil),
		"an operator's":       s.refused("operator_only", "GET", "/v1/tenants", acc.owner, nil),
		"Revoke the key":      s.refused("forbidden", "DELETE", "/v1/sessions/current", s.operator, nil),
	} {
		if !strings.Contains(a.str("fix"), want) {
			t.Errorf("the fix is %q, which does not say %q", a.str("fix"), want)
		}
	}
}

func TestSessions(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	in := s.want(201, "POST", "/v1/sessions", "", m{"email": strings.ToUpper(acc.email), "password": goodPassword})
	token := in.str("token")
	s.want(200, "GET", "/v1/me", token, nil)
	wrong := s.refused("wrong_password", "POST", "/v1/sessions", "", m{"email": acc.email, "password": "wrong"})
	nobody := s.refused("wrong_password", "POST", "/v1/sessions", "", m{"email": "nobody@example.com", "password": "wrong"})
	if strip(wrong.body) != strip(nobody.body) {
		t.Errorf("the answer tells who has an account: %s, %s", wrong.raw, nobody.raw)
	}
	s.want(204, "DELETE", "/v1/sessions/current", token, nil)
	s.refused("session_expired", "GET", "/v1/me", token, nil)
	s.refused("not_signed_in", "GET", "/v1/me", "", nil)
	s.refused("not_signed_in", "GET", "/v1/me", "garbage", nil)
	s.refused("not_signed_in", "GET", "/v1/me", acc.secret, nil)
	s.refused("not_signed_in", "GET", "/v1/me", secretkey.New(secretkey.Management), nil)
	s.want(200, "GET", "/v1/me", acc.owner, nil)
	s.clock.advance(15 * 24 * time.Hour)
	s.refused("session_expired", "GET", "/v1/me", acc.owner, nil)
}

func TestTheOldestSessionsEnd(t *testing.T) {
	s := newStage(t)
	acc, other := s.signUp("Acme"), s.signUp("Other")
	var tokens []string
	for range session.MostLive {
		tokens = append(tokens, s.want(201, "POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword}).str("token"))
	}
	// The session of the sign-up was one more.
	s.refused("session_expired", "GET", "/v1/me", acc.owner, nil)
	for i, token := range tokens {
		if a := s.call("GET", "/v1/me", token, nil); a.status != 200 {
			t.Errorf("session %d of %d ended: %s", i+1, session.MostLive, a.raw)
		}
	}
	s.want(200, "GET", "/v1/me", other.owner, nil)
}

// Sign-ins at the same moment count each other, and none loses its own.
func TestSessionsAtOnceAreNoMoreThanTheMost(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	var mu sync.Mutex
	var tokens []string
	var wg sync.WaitGroup
	for range session.MostLive + 5 {
		wg.Go(func() {
			a := s.call("POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword})
			if a.status != 201 {
				return // the brake counts until the password is found right
			}
			mu.Lock()
			defer mu.Unlock()
			tokens = append(tokens, a.str("token"))
		})
	}
	wg.Wait()
	for len(tokens) < session.MostLive+5 {
		tokens = append(tokens, s.want(201, "POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword}).str("token"))
	}
	live := 0
	for _, token := range tokens {
		if s.call("GET", "/v1/me", token, nil).status == 200 {
			live++
		}
	}
	if live != session.MostLive {
		t.Errorf("%d sessions are live, want %d", live, session.MostLive)
	}
}

func strip(body m) string {
	return body["code"].(string) + body["title"].(string) + body["fix"].(string)
}

func TestGuessingIsSlowedDown(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for range 10 {
		s.refused("wrong_password", "POST", "/v1/sessions", "", m{"email": acc.email, "password": "guess"})
	}
	a := s.refused("too_many_attempts", "POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword})
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	// Others are not kept out, and the brake lets go.
	s.refused("wrong_password", "POST", "/v1/sessions", "", m{"email": "other@example.com", "password": "guess"})
	s.clock.advance(7 * time.Second)
	s.want(201, "POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword})
	// Success does not use tries up: a portal signs many in from one address.
	for range 70 {
		s.clock.advance(time.Millisecond)
		s.want(201, "POST", "/v1/sessions", "", m{"email": acc.email, "password": goodPassword})
	}
}

func TestAPIKeyLife(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	keys := acc.path("/api-keys")
	if _, err := catalog.NewService(s.db, s.clock.now).Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	made := s.want(201, "POST", keys, acc.owner, m{"name": "Build", "allowed_routes": []string{"demo"}, "expires_at": "2027-01-01T00:00:00Z"})
	key, secret := made.str("id"), made.str("secret")
	one := keys + "/" + key
	if made.str("project_id") != acc.project || made.str("status") != "active" || made.header.Get("ETag") != `"1"` || made.body["change_id"] == nil {
		t.Errorf("made %s %v", made.raw, made.header)
	}
	got := s.want(200, "GET", one, acc.owner, nil)
	if strings.Contains(got.raw, secret) || strings.Contains(s.log.String(), secret) {
		t.Error("the secret is shown twice, or logged")
	}
	s.refused("precondition_failed", "PATCH", one, acc.owner, m{"name": "x"}, "If-Match", `"9"`)
	s.refused("validation_failed", "PATCH", one, acc.owner, m{"name": "x"}, "If-Match", "nonsense")
	s.refused("validation_failed", "PATCH", one, acc.owner, m{"expires_at": "2020-01-01T00:00:00Z"})
	s.refused("validation_failed", "PATCH", one, acc.owner, m{"allowed_routes": []string{"has space"}})
	upd := s.want(200, "PATCH", one, acc.owner, m{"name": "CI", "never_expires": true}, "If-Match", `"1"`)
	if upd.header.Get("ETag") != `"2"` || upd.body["expires_at"] != nil || upd.str("name") != "CI" {
		t.Errorf("updated to %s", upd.raw)
	}
	rot := s.want(200, "POST", one+"/rotate", acc.owner, m{"overlap_seconds": 600})
	if rot.str("id") != key || rot.str("secret") == secret || rot.str("previous_valid_until") == "" {
		t.Errorf("rotated to %s", rot.raw)
	}
	res := s.resource(configv1.Kind_KIND_API_KEY, key)
	was, is := secretkey.Hash(secret), secretkey.Hash(rot.str("secret"))
	if string(res.SecretSha256) != string(is[:]) || string(res.PreviousSha256) != string(was[:]) || res.PreviousValidUntilUnix == 0 {
		t.Errorf("data planes are told %v", res)
	}
	rev := s.want(200, "POST", one+"/revoke", acc.owner, nil)
	if rev.str("status") != "revoked" || !s.resource(configv1.Kind_KIND_API_KEY, key).Revoked {
		t.Errorf("revoked to %s", rev.raw)
	}
	s.refused("conflict", "POST", one+"/rotate", acc.owner, m{})
	s.refused("conflict", "PATCH", one, acc.owner, m{"name": "x"})
	s.refused("validation_failed", "POST", keys, acc.owner, m{"name": "x", "project_id": "prj_nope"})
}

// resource is the newest API key resource in the outbox.
func (s *stage) resource(kind configv1.Kind, id string) *configv1.ApiKey {
	s.t.Helper()
	ctx, k := context.Background(), &configv1.ApiKey{}
	err := s.db.InSystem(ctx, func(tx postgres.Tx) error {
		var payload []byte
		var urgent bool
		err := tx.QueryRow(ctx, "SELECT payload, urgent FROM config_outbox WHERE kind = $1 AND resource_id = $2 ORDER BY outbox_id DESC LIMIT 1",
			int16(kind), id).Scan(&payload, &urgent)
		if err != nil {
			return err
		}
		if err := proto.Unmarshal(payload, k); err != nil {
			return err
		}
		if urgent != k.Revoked {
			s.t.Errorf("key with revoked=%v has urgent=%v", k.Revoked, urgent)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func TestListsComeInPages(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for _, n := range []string{"A", "B", "C", "D"} {
		s.want(201, "POST", acc.path("/projects"), acc.owner, m{"name": n})
	}
	var names []string
	cursor, pages := "", 0
	for {
		a := s.want(200, "GET", acc.path("/projects?limit=2")+cursor, acc.owner, nil)
		for _, r := range a.rows() {
			names = append(names, r["name"].(string))
		}
		pages++
		if a.body["has_more"] != true {
			break
		}
		cursor = "&cursor=" + a.str("next_cursor")
	}
	if got := strings.Join(names, ""); got != "DefaultABCD" || pages != 3 {
		t.Errorf("%d pages gave %s", pages, got)
	}
	good := s.want(200, "GET", acc.path("/projects?limit=1"), acc.owner, nil).str("next_cursor")
	flipped := "A" + good[1:]
	if flipped == good {
		flipped = "B" + good[1:]
	}
	for name, path := range map[string]string{
		"changed":              acc.path("/projects?cursor=" + flipped),
		"garbage":              acc.path("/projects?cursor=%21%21"),
		"of another list":      acc.path("/members?cursor=" + good),
		"of another tenant":    s.signUp("Other").path("/projects?cursor=" + good),
		"limit of 0":           acc.path("/projects?limit=0"),
		"limit of 101":         acc.path("/projects?limit=101"),
		"limit that is a word": acc.path("/projects?limit=ten"),
		"unknown parameter":    acc.path("/projects?limits=1"),
	} {
		if a := s.refused("validation_failed", "GET", path, s.operator, nil); !strings.Contains(a.raw, `"location":"query.`) {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}
