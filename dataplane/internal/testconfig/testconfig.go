// Package testconfig owns small worlds of config for tests: tenants, keys,
// credentials and routes, written as a real snapshot and read by a real store.
// Only tests import it.
package testconfig

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// World collects resources.
type World struct {
	tb        testing.TB
	Private   *seal.PrivateKey
	envelopes []*configv1.Envelope
	// StreamCreated and StreamSequence go into the snapshot's header.
	StreamCreated  int64
	StreamSequence uint64
}

// Prices of everything that Route and the demo catalogue make: nano-dollars
// per million tokens.
const (
	InputPrice  = 150_000_000
	OutputPrice = 600_000_000
	CachePrice  = 75_000_000
)

// New makes a world with the demo models.
func New(tb testing.TB) *World {
	tb.Helper()
	key, err := seal.Generate()
	if err != nil {
		tb.Fatal(err)
	}
	w := &World{tb: tb, Private: key}
	for _, name := range []string{"demo", "demo-large"} {
		w.Add("", configv1.Kind_KIND_CATALOG_MODEL, "demo/"+name, &configv1.CatalogModel{
			Id: "demo/" + name, Provider: "demo", ProviderModel: name, BuiltIn: true, CostPrices: Prices(),
		})
	}
	return w
}

// Prices gives one price version.
func Prices() []*configv1.Price {
	cache := int64(CachePrice)
	return []*configv1.Price{{Id: "prc_test", Input: InputPrice, Output: OutputPrice, CacheRead: &cache}}
}

// Add adds any resource.
func (w *World) Add(tenantID string, kind configv1.Kind, resourceID string, m proto.Message) {
	w.tb.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.envelopes = append(w.envelopes, &configv1.Envelope{
		Revision: uint64(len(w.envelopes) + 1), TenantId: tenantID, Kind: kind, Id: resourceID,
		CommittedAtUnixNano: time.Now().UnixNano(), PublisherEpoch: 1, Payload: payload,
	})
}

// Tenant adds an active tenant and gives its id.
func (w *World) Tenant(slug string) string {
	w.tb.Helper()
	tenantID := id.New(id.Tenant)
	w.TenantWith(tenantID, slug, configv1.TenantStatus_TENANT_STATUS_ACTIVE)
	return tenantID
}

// TenantWith adds or changes a tenant.
func (w *World) TenantWith(tenantID, slug string, status configv1.TenantStatus) {
	w.tb.Helper()
	w.Add(tenantID, configv1.Kind_KIND_TENANT, tenantID, &configv1.Tenant{Id: tenantID, Slug: slug, Status: status})
}

// Key adds a key, changed as is needed, and gives its secret.
func (w *World) Key(tenantID string, change func(*configv1.ApiKey)) (secret, keyID string) {
	w.tb.Helper()
	secret = secretkey.New(secretkey.API)
	hash := secretkey.Hash(secret)
	k := &configv1.ApiKey{Id: id.New(id.APIKey), ProjectId: id.New(id.Project), SecretSha256: hash[:]}
	if change != nil {
		change(k)
	}
	w.Add(tenantID, configv1.Kind_KIND_API_KEY, k.Id, k)
	return secret, k.Id
}

// Route adds a credential, a model and a route to it.
func (w *World) Route(tenantID, name, providerModel, baseURL, secret string, change func(*configv1.Credential, *configv1.Model)) {
	w.tb.Helper()
	c := &configv1.Credential{
		Id: id.New(id.Credential), Provider: "openai", BaseUrl: baseURL, AuthStyle: configv1.AuthStyle_AUTH_STYLE_BEARER,
	}
	m := &configv1.Model{
		Id: id.New(id.Model), CredentialId: c.Id, ProviderModel: providerModel, CostPrices: Prices(),
		UnknownPrice: configv1.UnknownPrice_UNKNOWN_PRICE_BLOCK,
	}
	if change != nil {
		change(c, m)
	}
	if c.AuthStyle != configv1.AuthStyle_AUTH_STYLE_NONE {
		sealed, err := w.Private.Public().Seal(tenantID, c.Id, []byte(secret))
		if err != nil {
			w.tb.Fatal(err)
		}
		c.SealedSecret = sealed
	}
	w.Add(tenantID, configv1.Kind_KIND_CREDENTIAL, c.Id, c)
	w.Add(tenantID, configv1.Kind_KIND_MODEL, m.Id, m)
	r := &configv1.Route{Id: id.New(id.Route), Name: name, Targets: []*configv1.Target{{ModelId: m.Id}}}
	w.Add(tenantID, configv1.Kind_KIND_ROUTE, r.Id, r)
}

// Snapshot writes what was added to a file of the test's and gives its path.
func (w *World) Snapshot() string {
	w.tb.Helper()
	newest := map[string]*configv1.Envelope{}
	var order []string
	for _, e := range w.envelopes {
		k := e.Kind.String() + e.TenantId + "/" + e.Id
		if newest[k] == nil {
			order = append(order, k)
		}
		newest[k] = e
	}
	var buf bytes.Buffer
	sw, err := snapshot.NewWriter(&buf, &configv1.SnapshotHeader{
		Revision: uint64(len(w.envelopes)), StreamCreatedUnixNano: w.StreamCreated, StreamSequence: w.StreamSequence,
		BuiltAtUnixNano: time.Now().UnixNano(), Count: uint64(len(order)),
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, k := range order {
		if err := sw.Write(newest[k]); err != nil {
			w.tb.Fatal(err)
		}
	}
	if err := sw.Close(); err != nil {
		w.tb.Fatal(err)
	}
	path := filepath.Join(w.tb.TempDir(), "snapshot")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	return path
}

// Open loads the world into a store that follows nothing.
func (w *World) Open(onCut func(tenantID, keyID string)) *tenantconfig.Store {
	w.tb.Helper()
	s, err := tenantconfig.Open(tenantconfig.Config{
		Logger: slog.New(slog.DiscardHandler), Dir: w.tb.TempDir(), DataPlaneID: id.New(id.DataPlane), Epoch: 1,
		PrivateKey: w.Private, Snapshot: w.Snapshot(), OnCut: onCut,
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	if err := s.Load(context.Background()); err != nil {
		w.tb.Fatal(err)
	}
	if n := s.Refused(); n != 0 {
		w.tb.Fatalf("%d resources were refused", n)
	}
	return s
}
