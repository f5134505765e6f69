package tenantconfig_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func load(t testing.TB, w *world) *tenantconfig.Store {
	t.Helper()
	s := openStore(t, w, func(c *tenantconfig.Config) { c.Snapshot = w.snapshotFile() })
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLookupGivesTheKeyAndItsTenantsConfig(t *testing.T) {
	w := newWorld(t)
	w.catalogModel("gpt-4o", false, 1000)
	w.catalogModel("demo", true, 1)
	a, b := w.account("acme"), w.account("other")
	plain := a.key("plain")
	w.put(a.tenant, plain)
	limited := a.key("new")
	limited.PreviousSha256, limited.PreviousValidUntilUnix = hash("old")[:], 1234
	limited.ExpiresAtUnix, limited.AllowedRoutes = 99, []string{"gpt", "x"}
	w.put(a.tenant, limited)
	revoked := b.key("revoked")
	revoked.Revoked = true
	w.put(b.tenant, revoked)
	s := load(t, w)

	k, ok := s.LookupKey(hash("plain"))
	if !ok || k.ID != plain.Id || k.ProjectID != a.project || k.Tenant.ID != a.tenant || k.Revoked || k.ExpiresAtUnix != 0 || len(k.AllowedRoutes) != 0 {
		t.Fatalf("plain: %+v %v", k, ok)
	}
	k, ok = s.LookupKey(hash("old"))
	if !ok || k.ID != limited.Id || k.PreviousValidUntilUnix != 1234 || k.ExpiresAtUnix != 99 || fmt.Sprint(k.AllowedRoutes) != "[gpt x]" {
		t.Fatalf("old: %+v %v", k, ok)
	}
	if k, ok = s.LookupKey(hash("new")); !ok || k.PreviousValidUntilUnix != 0 || k.ID != limited.Id {
		t.Fatalf("new: %+v %v", k, ok)
	}
	if k, ok = s.LookupKey(hash("revoked")); !ok || !k.Revoked || k.Tenant.ID != b.tenant {
		t.Fatalf("revoked: %+v %v", k, ok)
	}
	if _, ok = s.LookupKey(hash("unknown")); ok {
		t.Fatal("unknown key is known")
	}

	k, _ = s.LookupKey(hash("plain"))
	checkCompiled(t, k, a)
	if tenants, keys := s.Counts(); tenants != 2 || keys != 3 {
		t.Fatalf("%d tenants, %d keys", tenants, keys)
	}
	if s.Revision() != w.revision || !s.Loaded() || s.Complete() {
		t.Fatalf("revision %d loaded %v complete %v", s.Revision(), s.Loaded(), s.Complete())
	}
}

// checkCompiled checks the config of the account with everything in it.
func checkCompiled(t *testing.T, k tenantconfig.Key, a *account) {
	t.Helper()
	c := k.Tenant.Pin()
	if c.Slug != "acme" || c.ID != a.tenant || c.Suspended || k.Tenant.Pin() != c {
		t.Fatalf("compiled: %+v", c)
	}
	r, ok := c.Route("gpt")
	if !ok || len(r.Targets) != 1 {
		t.Fatalf("route: %+v %v", r, ok)
	}
	target := r.Targets[0]
	if target.Fault != nil || target.BaseURL != "https://api.openai.com/v1" || target.Secret.Reveal() != "sk-secret-acme" ||
		target.ProviderModel != "gpt-4o" || target.ConnectTimeoutMs != 7 || len(target.CostPrices) != 1 || target.CostPrices[0].Input != 1000 {
		t.Fatalf("target: %+v", target)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", target, target, target.Secret, target.Secret); strings.Contains(text, "sk-secret") {
		t.Fatalf("secret shown: %s", text)
	}
	if r, ok := c.Route("demo"); !ok || !r.BuiltIn || r.Targets[0].Provider != "openai" {
		t.Fatalf("built-in route: %+v %v", r, ok)
	}
	if _, ok := c.Route("gpt-4o"); ok {
		t.Fatal("a catalogue model is a route without being built in")
	}
	if infos := c.Routes(); len(infos) != 2 || infos[0].Name != "demo" || infos[1].Name != "gpt" {
		t.Fatalf("routes: %+v", infos)
	}
}

func TestBrokenReferencesAreFaultsOfTheTarget(t *testing.T) {
	w := newWorld(t)
	a := w.account("acme")
	w.put(a.tenant, a.key("k"))
	w.remove(a.tenant, configv1.Kind_KIND_CREDENTIAL, a.credential)
	s := load(t, w)
	k, _ := s.LookupKey(hash("k"))
	if r, ok := k.Tenant.Pin().Route("gpt"); !ok || r.Targets[0].Fault == nil {
		t.Fatalf("route without its credential: %+v", r)
	}
	// A credential that was sealed for somebody else.
	other := newWorld(t)
	w.key, other.key = other.key, w.key
	a.putCredential("https://x", "s")
	w.key, other.key = other.key, w.key
	s = load(t, w)
	k, _ = s.LookupKey(hash("k"))
	r, _ := k.Tenant.Pin().Route("gpt")
	if f := r.Targets[0].Fault; f == nil || f.Kind.Code != "credential_unusable" || s.Refused() != 1 {
		t.Fatalf("unusable credential: %v, %d refused", f, s.Refused())
	}
	if n := s.RefusedFor(configcheck.ReasonSecret); n != 1 {
		t.Errorf("%d refused for a secret, want 1", n)
	}
}

func TestBadResourceInASnapshotIsRefusedAlone(t *testing.T) {
	w := newWorld(t)
	a := w.account("acme")
	w.put(a.tenant, a.key("k"))
	bad := a.key("bad")
	bad.SecretSha256 = bad.SecretSha256[:5]
	w.put(a.tenant, bad)
	twin := a.key("k") // The hash of another key.
	w.put(a.tenant, twin)
	w.put(a.tenant, &configv1.Route{Id: "rte_" + a.route_[4:29] + "0", Name: ""})
	s := load(t, w)
	if n := s.RefusedFor(configcheck.ReasonField); n != 3 {
		t.Errorf("%d refused for a field, want 3", n)
	}
	if s.Refused() != 3 {
		t.Fatalf("%d refused, want 3", s.Refused())
	}
	if k, ok := s.LookupKey(hash("k")); !ok || k.ID == twin.Id {
		t.Fatalf("good key: %+v %v", k, ok)
	}
}

func TestSnapshotFromURL(t *testing.T) {
	w := newWorld(t)
	a := w.account("acme")
	w.put(a.tenant, a.key("k"))
	body, tries := w.snapshot(), 0
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		tries++
		switch {
		case r.Header.Get("Authorization") != "Bearer mgmt":
			rw.WriteHeader(http.StatusUnauthorized)
		case tries == 1:
			rw.WriteHeader(http.StatusServiceUnavailable)
		case tries == 2:
			rw.Write(body[:len(body)-7])
		default:
			rw.Write(body)
		}
	}))
	defer srv.Close()
	dir := t.TempDir()
	s := openStore(t, w, func(c *tenantconfig.Config) {
		c.Dir, c.Snapshot, c.SnapshotToken = dir, srv.URL, "mgmt"
	})
	stop := runStore(t, s)
	eventually(t, "loaded", s.Loaded)
	stop()
	// The next start needs neither the URL nor anything else.
	s = openStore(t, w, func(c *tenantconfig.Config) { c.Dir = dir })
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.LookupKey(hash("k")); !ok {
		t.Fatal("key is gone after a restart")
	}
}

func TestNothingToStartFrom(t *testing.T) {
	w := newWorld(t)
	s := openStore(t, w, func(*tenantconfig.Config) {})
	if err := s.Load(context.Background()); !errors.Is(err, tenantconfig.ErrNoSnapshot) {
		t.Fatal(err)
	}
	if _, ok := s.LookupKey(hash("k")); ok || s.Loaded() || s.Complete() {
		t.Fatal("an empty store knows something")
	}
	s = openStore(t, w, func(c *tenantconfig.Config) { c.Snapshot = filepath.Join(t.TempDir(), "no") })
	if err := s.Load(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestCorruptSnapshotFallsBackToTheOneBefore(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	b.store(w)
	dir := t.TempDir()
	open := func() *tenantconfig.Store {
		return openStore(t, w, func(c *tenantconfig.Config) { c.Dir, c.NATS, c.CompactBytes = dir, b.connect(), 1 })
	}
	s := open()
	stop := runStore(t, s)
	eventually(t, "complete", s.Complete)
	for i := range 20 {
		w.put(a.tenant, a.key(fmt.Sprint(i)))
		eventually(t, "applied", func() bool { return s.Revision() == w.revision })
	}
	gens := func() []string {
		files, _ := filepath.Glob(filepath.Join(dir, "snapshot-*.tgs"))
		return files
	}
	eventually(t, "two generations", func() bool { return len(gens()) == 2 })
	stop()
	newest := ""
	for _, f := range gens() {
		if len(f) > len(newest) || len(f) == len(newest) && f > newest {
			newest = f
		}
	}
	data, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(newest, data, 0o600); err != nil {
		t.Fatal(err)
	}
	b.stop()
	defer b.start() // For the clean-up.
	s = open()
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, ok := s.LookupKey(hash(fmt.Sprint(i))); !ok {
			t.Fatalf("key %d is gone", i)
		}
	}
	if s.Revision() != w.revision {
		t.Fatalf("revision %d, want %d", s.Revision(), w.revision)
	}
}

// A snapshot that could not be read this time is kept: only one that is bad as
// it stands on the disk is put aside.
func TestUnreadableSnapshotStays(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	unreadable := filepath.Join(dir, "snapshot-7.tgs")
	if err := os.Mkdir(unreadable, 0o700); err != nil { // reading it fails, whoever we are
		t.Fatal(err)
	}
	s := openStore(t, w, func(c *tenantconfig.Config) { c.Dir = dir })
	if err := s.Load(context.Background()); !errors.Is(err, tenantconfig.ErrNoSnapshot) {
		t.Fatal(err)
	}
	if _, err := os.Stat(unreadable); err != nil {
		t.Errorf("it was put aside: %v", err)
	}
	if err := os.Remove(unreadable); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unreadable, []byte("no snapshot"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(context.Background()); !errors.Is(err, tenantconfig.ErrNoSnapshot) {
		t.Fatal(err)
	}
	if _, err := os.Stat(unreadable); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a corrupt one stays: %v", err)
	}
}

// However the delta log is cut, a start takes the good part.
func TestTornDeltaLog(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	b.store(w)
	dir := t.TempDir()
	s := openStore(t, w, func(c *tenantconfig.Config) { c.Dir, c.NATS = dir, b.connect() })
	stop := runStore(t, s)
	eventually(t, "complete", s.Complete)
	const keys = 5
	for i := range keys {
		w.put(a.tenant, a.key(fmt.Sprint(i)))
	}
	eventually(t, "applied", func() bool { return s.Revision() == w.revision })
	stop()
	logs, _ := filepath.Glob(filepath.Join(dir, "deltas-*.log"))
	if len(logs) != 1 {
		t.Fatalf("logs: %v", logs)
	}
	whole, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for cut := 0; cut <= len(whole); cut += 13 {
		if err := os.WriteFile(logs[0], whole[:min(cut, len(whole))], 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, w, func(c *tenantconfig.Config) { c.Dir = dir })
		if err := s.Load(context.Background()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range keys {
			if _, ok := s.LookupKey(hash(fmt.Sprint(i))); ok {
				n++
			}
		}
		if n < before {
			t.Fatalf("cut at %d of %d: %d keys after %d", cut, len(whole), n, before)
		}
		before = n
	}
	if before < keys-1 {
		t.Fatalf("only %d keys", before)
	}
	// What is missing comes from the stream.
	s = openStore(t, w, func(c *tenantconfig.Config) { c.Dir, c.NATS = dir, b.connect() })
	runStore(t, s)
	eventually(t, "complete", func() bool { return s.Complete() && s.Revision() == w.revision })
	if _, keysHeld := s.Counts(); keysHeld != keys {
		t.Fatalf("%d keys", keysHeld)
	}
}

func TestAge(t *testing.T) {
	w := newWorld(t)
	w.account("acme")
	s := openStore(t, w, func(c *tenantconfig.Config) {
		c.Snapshot = w.snapshotFile()
		c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	})
	if s.Age() != 0 {
		t.Fatal("age before loading")
	}
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if age := s.Age(); age < 59*time.Minute || age > 61*time.Minute {
		t.Fatalf("age %v", age)
	}
}
