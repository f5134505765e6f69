package tenantconfig_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

// following starts a store that follows a broker.
func following(t *testing.T, b *broker, w *world, edit func(*tenantconfig.Config)) (*tenantconfig.Store, func()) {
	t.Helper()
	s := openStore(t, w, func(c *tenantconfig.Config) {
		c.NATS = b.connect()
		edit(c)
	})
	stop := runStore(t, s)
	eventually(t, "complete", s.Complete)
	return s, stop
}

func plain(*tenantconfig.Config) {}

func TestChangesGoLiveAndAreAcknowledged(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	acks := listen(b, subject.AckAll(), newAck)
	b.serve(w)
	a := w.account("acme")
	var cut cuts
	s, _ := following(t, b, w, func(c *tenantconfig.Config) { c.OnCut = cut.add })
	k := a.key("secret")
	w.put(a.tenant, k)
	eventually(t, "key is live", func() bool { _, ok := s.LookupKey(hash("secret")); return ok })
	eventually(t, "acknowledged", func() bool {
		for _, ack := range acks() {
			if ack.Revision == w.revision && ack.DataPlaneId == "dpl_test" && ack.Epoch == 3 && len(ack.Refused) == 0 {
				return true
			}
		}
		return false
	})
	// Rotation: both secrets, then the new one alone.
	k.PreviousSha256, k.SecretSha256, k.PreviousValidUntilUnix = k.SecretSha256, hash("rotated")[:], time.Now().Unix()+60
	w.put(a.tenant, k)
	eventually(t, "rotated", func() bool { _, ok := s.LookupKey(hash("rotated")); return ok })
	if old, ok := s.LookupKey(hash("secret")); !ok || old.PreviousValidUntilUnix == 0 || old.ID != k.Id {
		t.Fatalf("old secret: %+v %v", old, ok)
	}
	if cut.len() != 0 {
		t.Fatalf("cut without a revocation: %v", cut.list)
	}
	k.PreviousSha256, k.PreviousValidUntilUnix = nil, 0
	w.put(a.tenant, k)
	eventually(t, "overlap over", func() bool { _, ok := s.LookupKey(hash("secret")); return !ok })
	k.ExpiresAtUnix = 1
	w.put(a.tenant, k)
	eventually(t, "expired key is cut", func() bool { return cut.has(a.tenant, k.Id) })
	w.remove(a.tenant, configv1.Kind_KIND_API_KEY, k.Id)
	eventually(t, "gone", func() bool { _, ok := s.LookupKey(hash("rotated")); return !ok })
	a.putStatus(configv1.TenantStatus_TENANT_STATUS_SUSPENDED)
	eventually(t, "suspended tenant is cut", func() bool { return cut.has(a.tenant, "") })
	// A pinned config never changes, the next one is new.
	w.put(a.tenant, a.key("again"))
	eventually(t, "key is live", func() bool { _, ok := s.LookupKey(hash("again")); return ok })
	held, _ := s.LookupKey(hash("again"))
	pinned := held.Tenant.Pin()
	a.putStatus(configv1.TenantStatus_TENANT_STATUS_ACTIVE)
	a.putRoute("renamed")
	eventually(t, "renamed", func() bool { _, ok := held.Tenant.Pin().Route("renamed"); return ok })
	if _, old := pinned.Route("gpt"); !old || !pinned.Suspended || held.Tenant.Pin().Suspended {
		t.Fatal("a pinned config changed")
	}
	w.catalogModel("gpt-4o", false, 77)
	eventually(t, "price of the catalogue", func() bool {
		r, _ := held.Tenant.Pin().Route("renamed")
		return len(r.Targets[0].CostPrices) == 1 && r.Targets[0].CostPrices[0].Input == 77
	})
}

func TestBadChangeIsRefusedAloneAndTheLastGoodStays(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	acks := listen(b, subject.AckAll(), newAck)
	b.serve(w)
	a, other := w.account("acme"), w.account("other")
	w.put(a.tenant, a.key("k"))
	s, _ := following(t, b, w, plain)
	badRoute := &configv1.Route{Id: a.route_, Name: "gpt", Targets: []*configv1.Target{{ModelId: "nonsense"}}}
	w.put(a.tenant, badRoute)
	badCredential := a.credentialResource("https://evil", "x")
	badCredential.SealedSecret[40] ^= 1
	w.put(a.tenant, badCredential)
	blank := w.envelope(a.tenant, a.modelResource())
	blank.Payload = nil
	w.send(blank)
	// The stream keeps the newest of a resource alone: the next one must not
	// come before this one was seen.
	refusals := func() map[string]string {
		paths := map[string]string{}
		for _, ack := range acks() {
			for _, f := range ack.Refused {
				paths[fmt.Sprint(f.Kind, f.Revision)] = f.Path
				if f.TenantId != a.tenant || f.Message == "" {
					t.Fatalf("refusal %v", f)
				}
			}
		}
		return paths
	}
	eventually(t, "three refusals acknowledged", func() bool { return len(refusals()) == 3 })
	garbage := w.envelope(a.tenant, a.modelResource())
	garbage.Payload = []byte("\xff\xff garbage")
	w.send(garbage)
	w.put(other.tenant, other.key("fine"))
	eventually(t, "the good change is live", func() bool { _, ok := s.LookupKey(hash("fine")); return ok })
	k, _ := s.LookupKey(hash("k"))
	r, ok := k.Tenant.Pin().Route("gpt")
	if !ok || r.Targets[0].Fault != nil || r.Targets[0].BaseURL != "https://api.openai.com/v1" || r.Targets[0].ProviderModel != "gpt-4o" {
		t.Fatalf("last good version: %+v %v", r, ok)
	}
	eventually(t, "refusals acknowledged", func() bool { return len(refusals()) == 4 })
	paths := refusals()
	for i, want := range []string{"targets[0].model_id", "sealed_secret", "id", "payload"} {
		found := false
		for _, p := range paths {
			found = found || p == want
		}
		if !found {
			t.Errorf("refusal %d: no path %q in %v", i, want, paths)
		}
	}
}

func TestRevocationOvertakesTheStream(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	k := a.key("k")
	w.put(a.tenant, k)
	var cut cuts
	s, _ := following(t, b, w, func(c *tenantconfig.Config) { c.OnCut = cut.add })
	nc := b.connect()
	// The change before the revocation is still on its way.
	late := w.envelope(a.tenant, k)
	k.Revoked = true
	revoked := w.envelope(a.tenant, k)
	tell := func(env *configv1.Envelope) {
		raw, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish(subject.Revoke(a.tenant), raw); err != nil {
			t.Fatal(err)
		}
	}
	tell(revoked)
	eventually(t, "cut", func() bool { return cut.has(a.tenant, k.Id) })
	if got, ok := s.LookupKey(hash("k")); !ok || !got.Revoked {
		t.Fatalf("revoked key: %+v %v", got, ok)
	}
	w.send(late)
	w.put(a.tenant, a.key("marker"))
	eventually(t, "stream applied", func() bool { _, ok := s.LookupKey(hash("marker")); return ok })
	if got, _ := s.LookupKey(hash("k")); !got.Revoked {
		t.Fatal("an older change brought a revoked key back")
	}
	// The same for a deletion.
	late = w.envelope(a.tenant, &configv1.ApiKey{Id: k.Id, ProjectId: a.project, SecretSha256: hash("k")[:]})
	w.revision++
	tell(&configv1.Envelope{Revision: w.revision, TenantId: a.tenant, Kind: configv1.Kind_KIND_API_KEY, Id: k.Id, Deleted: true})
	eventually(t, "deleted", func() bool { _, ok := s.LookupKey(hash("k")); return !ok })
	w.send(late)
	w.put(a.tenant, a.key("marker 2"))
	eventually(t, "stream applied", func() bool { _, ok := s.LookupKey(hash("marker 2")); return ok })
	if _, ok := s.LookupKey(hash("k")); ok {
		t.Fatal("an older change brought a deleted key back")
	}
}

func TestTheLagOfARevocationIsToldOnce(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	k := a.key("k")
	w.put(a.tenant, k)
	lags := make(chan time.Duration, 10)
	s, _ := following(t, b, w, func(c *tenantconfig.Config) { c.OnRevocation = func(lag time.Duration) { lags <- lag } })
	began := time.Now()
	k.Revoked = true
	revoked := w.envelope(a.tenant, k)
	raw, err := proto.Marshal(revoked)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.connect().Publish(subject.Revoke(a.tenant), raw); err != nil {
		t.Fatal(err)
	}
	lag := <-lags
	if most := time.Since(began); lag <= 0 || lag > most {
		t.Errorf("lag %s, want up to %s", lag, most)
	}
	// The same comes by the stream as well; and one of before this boot counts
	// from the boot on.
	w.send(revoked)
	other := a.key("other")
	w.put(a.tenant, other)
	other.Revoked = true
	old := w.envelope(a.tenant, other)
	old.CommittedAtUnixNano -= int64(time.Hour)
	w.send(old)
	lag = <-lags
	if lag <= 0 || lag > time.Minute*30 {
		t.Errorf("lag %s of a revocation before the boot", lag)
	}
	w.put(a.tenant, a.key("marker"))
	eventually(t, "stream applied", func() bool { _, ok := s.LookupKey(hash("marker")); return ok })
	if len(lags) != 0 {
		t.Errorf("one more: %s", <-lags)
	}
}

func TestARotationCutsOnlyWhenTheOldSecretEnds(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	k := a.key("first")
	w.put(a.tenant, k)
	var cut cuts
	s, _ := following(t, b, w, func(c *tenantconfig.Config) { c.OnCut = cut.add })
	k.PreviousSha256, k.SecretSha256 = k.SecretSha256, hash("second")[:]
	k.PreviousValidUntilUnix = time.Now().Add(time.Hour).Unix()
	w.put(a.tenant, k)
	eventually(t, "second secret", func() bool { _, ok := s.LookupKey(hash("second")); return ok })
	if cut.len() != 0 {
		t.Fatalf("a rotation with overlap cut streams: %v", cut.list)
	}
	k.PreviousSha256, k.PreviousValidUntilUnix, k.SecretSha256 = nil, 0, hash("third")[:]
	w.put(a.tenant, k)
	eventually(t, "third secret", func() bool { _, ok := s.LookupKey(hash("third")); return ok })
	eventually(t, "cut", func() bool { return cut.has(a.tenant, k.Id) })
	if _, ok := s.LookupKey(hash("first")); ok {
		t.Fatal("the first secret works after a rotation without overlap")
	}
}

func TestHeartbeats(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	beats := listen(b, subject.HeartbeatAll(), newHeartbeat)
	b.serve(w)
	a := w.account("acme")
	w.put(a.tenant, a.key("k"))
	b.store(w)
	_, stop := following(t, b, w, func(c *tenantconfig.Config) {
		c.Address = func() string { return "here" }
		c.Numbers = func() tenantconfig.Numbers {
			return tenantconfig.Numbers{InFlight: 1, SpoolBytes: 2, SpoolUnconfirmed: 3, UsageLost: 4, LastSeq: 5}
		}
	})
	last := func() *statusv1.Heartbeat {
		if all := beats(); len(all) > 0 {
			return all[len(all)-1]
		}
		return &statusv1.Heartbeat{}
	}
	eventually(t, "a heartbeat with everything", func() bool {
		h := last()
		return h.Revision == w.revision && h.Tenants == 1 && h.ApiKeys == 1 && h.InFlight == 1 && h.SpoolBytes == 2 &&
			h.SpoolUnconfirmed == 3 && h.UsageLost == 4 && h.LastSeq == 5 && h.Address == "here" && h.Version == "test" && !h.Stopping
	})
	stop()
	eventually(t, "the last heartbeat", func() bool { return last().Stopping })
}

func TestLinkLossAndReturn(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	w.put(a.tenant, a.key("k"))
	dir := t.TempDir()
	s, stop := following(t, b, w, func(c *tenantconfig.Config) { c.Dir = dir })
	b.stop()
	eventually(t, "not complete any more", func() bool { return !s.Complete() })
	if _, ok := s.LookupKey(hash("k")); !ok || !s.Loaded() {
		t.Fatal("a lost link took the config away")
	}
	// A restart with NATS dead serves from disk.
	stop()
	s = openStore(t, w, func(c *tenantconfig.Config) { c.Dir, c.NATS = dir, b.connect() })
	runStore(t, s)
	eventually(t, "loaded", s.Loaded)
	if _, ok := s.LookupKey(hash("k")); !ok || s.Complete() {
		t.Fatal("restart without NATS")
	}
	b.start()
	eventually(t, "complete again", s.Complete)
	w.put(a.tenant, a.key("later"))
	eventually(t, "follows again", func() bool { _, ok := s.LookupKey(hash("later")); return ok })
}

// The stream is wiped and made anew: the state is reconciled with a snapshot
// of the new stream, and what is not in it is gone.
func TestWipedStream(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	gone, stays := a.key("gone"), a.key("stays")
	w.put(a.tenant, gone)
	w.put(a.tenant, stays)
	var cut cuts
	s, _ := following(t, b, w, func(c *tenantconfig.Config) { c.OnCut = cut.add })
	eventually(t, "both keys", func() bool { _, keys := s.Counts(); return keys == 2 })
	// Changes that no stream carried.
	w.publish = nil
	w.remove(a.tenant, configv1.Kind_KIND_API_KEY, gone.Id)
	w.put(a.tenant, a.key("unseen"))
	b.serve(w)
	eventually(t, "reconciled", func() bool { _, ok := s.LookupKey(hash("unseen")); return ok && s.Complete() })
	if _, ok := s.LookupKey(hash("gone")); ok {
		t.Fatal("a key that is not in the snapshot lives on")
	}
	if _, ok := s.LookupKey(hash("stays")); !ok || !cut.has(a.tenant, gone.Id) || cut.len() != 1 {
		t.Fatalf("cuts: %v", cut.list)
	}
	w.put(a.tenant, a.key("next"))
	eventually(t, "follows the new stream", func() bool { _, ok := s.LookupKey(hash("next")); return ok })
}

// A seeded walk through changes, restarts, outages and wipes; in the end the
// data plane holds what the world holds.
func TestConvergesWhateverHappens(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			b, w := startBroker(t), newWorld(t)
			b.serve(w)
			accounts := []*account{w.account("a"), w.account("b"), w.account("c")}
			dir := t.TempDir()
			start := func() (*tenantconfig.Store, func()) {
				s := openStore(t, w, func(c *tenantconfig.Config) {
					c.Dir, c.NATS, c.CompactBytes = dir, b.connect(), 2000
				})
				return s, runStore(t, s)
			}
			s, stop := start()
			live := map[string]*configv1.ApiKey{} // secret → key
			owner := map[string]*account{}
			for step := range 120 {
				a := accounts[r.IntN(len(accounts))]
				switch r.IntN(12) {
				case 0:
					stop()
					s, stop = start()
				case 1:
					if r.IntN(3) == 0 {
						b.serve(w)
					}
				case 2:
					if r.IntN(3) == 0 {
						b.stop()
						b.start()
						eventually(t, "stream back", func() bool { return s.Loaded() })
					}
				case 3, 4:
					for secret, k := range live {
						w.remove(owner[secret].tenant, configv1.Kind_KIND_API_KEY, k.Id)
						delete(live, secret)
						break
					}
				case 5:
					a.putRoute(fmt.Sprintf("route-%d", step))
				case 6:
					b.store(w)
				default:
					secret := fmt.Sprintf("secret-%d", step)
					live[secret], owner[secret] = a.key(secret), a
					w.put(a.tenant, live[secret])
				}
			}
			for i, a := range accounts {
				a.putRoute(fmt.Sprintf("final-%d", i))
			}
			eventually(t, "caught up", func() bool { return s.Complete() && s.Revision() == w.revision })
			checkLive(t, s, live, owner)
		})
	}
}

// checkLive checks that a store holds these keys and no others.
func checkLive(t *testing.T, s *tenantconfig.Store, live map[string]*configv1.ApiKey, owner map[string]*account) {
	t.Helper()
	if _, keys := s.Counts(); keys != uint64(len(live)) {
		t.Errorf("%d keys, want %d", keys, len(live))
	}
	for secret, k := range live {
		got, ok := s.LookupKey(hash(secret))
		if !ok || got.ID != k.Id || got.Tenant.ID != owner[secret].tenant {
			t.Errorf("%s: %+v %v", secret, got, ok)
		}
	}
}
