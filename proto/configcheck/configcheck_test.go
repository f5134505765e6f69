package configcheck_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const zeros = "00000000000000000000000000"

func one(n int) []byte { return bytes.Repeat([]byte{1}, n) }

func tenant() *configv1.Tenant {
	return &configv1.Tenant{Id: "ten_" + zeros, Slug: "acme", Status: configv1.TenantStatus_TENANT_STATUS_ACTIVE}
}

func apiKey() *configv1.ApiKey {
	return &configv1.ApiKey{
		Id: "key_" + zeros, ProjectId: "prj_" + zeros, SecretSha256: one(32),
		PreviousSha256: bytes.Repeat([]byte{2}, 32), PreviousValidUntilUnix: 5, ExpiresAtUnix: 7,
		AllowedRoutes: []string{"gpt-4o-mini"},
	}
}

func credential() *configv1.Credential {
	return &configv1.Credential{
		Id: "crd_" + zeros, Provider: "openai", BaseUrl: "https://api.openai.com/v1",
		AuthStyle: configv1.AuthStyle_AUTH_STYLE_HEADER, AuthHeader: "x-api-key", SealedSecret: one(60),
	}
}

func price() *configv1.Price {
	return &configv1.Price{Id: "prc_1", EffectiveFromUnix: 1, Input: 2, Output: 3, CacheRead: new(int64(0)),
		Variants: []*configv1.PriceVariant{{AboveInputTokens: 200_000, ServiceTier: "batch", FromMinute: 1380, ToMinute: 60,
			Price: &configv1.Price{Input: 4, Output: 6, PerSearch: 1}}}}
}

func model() *configv1.Model {
	return &configv1.Model{
		Id: "mdl_" + zeros, CredentialId: "crd_" + zeros, ProviderModel: "gpt-4o-mini", CatalogId: "openai/gpt-4o-mini",
		CostPrices: []*configv1.Price{price()}, SellPrices: []*configv1.Price{price()},
	}
}

func route() *configv1.Route {
	return &configv1.Route{Id: "rte_" + zeros, Name: "gpt-4o-mini", Targets: []*configv1.Target{{ModelId: "mdl_" + zeros}}}
}

func catalogModel() *configv1.CatalogModel {
	return &configv1.CatalogModel{
		Id: "meta/llama-3/70b", Provider: "meta", ProviderModel: "llama-3/70b",
		CostPrices: []*configv1.Price{price()}, BuiltIn: true, ContextWindow: 8192,
		MaxOutputTokens: 4096, DeprecatedAtUnix: 9, Label: "Llama 3",
		Capabilities: &configv1.Capabilities{Operations: []string{"chat"}, Input: []string{"text", "image"}, Output: []string{"text"}, Tools: true},
	}
}

// wrap puts a resource into the envelope that fits it.
func wrap(t testing.TB, m proto.Message) *configv1.Envelope {
	t.Helper()
	env := &configv1.Envelope{Revision: 1, TenantId: "ten_" + zeros, CommittedAtUnixNano: 1}
	switch m.(type) {
	case *configv1.Tenant:
		env.Kind = configv1.Kind_KIND_TENANT
	case *configv1.ApiKey:
		env.Kind = configv1.Kind_KIND_API_KEY
	case *configv1.Credential:
		env.Kind = configv1.Kind_KIND_CREDENTIAL
	case *configv1.Model:
		env.Kind = configv1.Kind_KIND_MODEL
	case *configv1.Route:
		env.Kind = configv1.Kind_KIND_ROUTE
	case *configv1.CatalogModel:
		env.Kind, env.TenantId = configv1.Kind_KIND_CATALOG_MODEL, ""
	case *configv1.Project:
		env.Kind = configv1.Kind_KIND_PROJECT
	}
	env.Id = m.(interface{ GetId() string }).GetId()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	env.Payload = b
	return env
}

func edit[M proto.Message](m M, f func(M)) M { f(m); return m }

func TestGoodResourcesPass(t *testing.T) {
	for _, m := range []proto.Message{
		tenant(), apiKey(), credential(), model(), route(), catalogModel(),
		edit(tenant(), func(m *configv1.Tenant) { m.Slug = "a" }),
		edit(tenant(), func(m *configv1.Tenant) { m.Slug = strings.Repeat("a", 40) }),
		&configv1.Credential{Id: "crd_" + zeros, Provider: "demo", AuthStyle: configv1.AuthStyle_AUTH_STYLE_NONE},
		edit(credential(), func(m *configv1.Credential) { m.BaseUrl = "http://127.0.0.1:11434/v1/" }),
		edit(credential(), func(m *configv1.Credential) { m.BaseUrl = "https://[::1]:8443" }),
		edit(route(), func(m *configv1.Route) { m.Name = "meta/Llama-3.1:free" }),
	} {
		env := wrap(t, m)
		got, err := configcheck.Decode(env)
		if err != nil {
			t.Errorf("%T %v: %v", m, m, err)
		} else if !proto.Equal(got, m) {
			t.Errorf("decoded %v, want %v", got, m)
		}
		env.Deleted, env.Payload = true, nil
		if got, err := configcheck.Decode(env); err != nil || got != nil {
			t.Errorf("tombstone of %T: %v, %v", m, got, err)
		}
	}
}

func TestBadResourcesAreNamed(t *testing.T) {
	type C = configv1.Credential
	type K = configv1.ApiKey
	type M = configv1.Model
	cred := func(f func(*C)) proto.Message { return edit(credential(), f) }
	key := func(f func(*K)) proto.Message { return edit(apiKey(), f) }
	mod := func(f func(*M)) proto.Message { return edit(model(), f) }
	type V = configv1.PriceVariant
	variant := func(f func(*V)) proto.Message { return mod(func(m *M) { f(m.CostPrices[0].Variants[0]) }) }
	url := func(s string) proto.Message { return cred(func(c *C) { c.BaseUrl = s }) }
	slug := func(s string) proto.Message { return edit(tenant(), func(x *configv1.Tenant) { x.Slug = s }) }
	for i, c := range []struct {
		m    proto.Message
		path string
	}{
		{slug(""), "slug"}, {slug("-a"), "slug"}, {slug("a-"), "slug"}, {slug("A"), "slug"}, {slug(strings.Repeat("a", 41)), "slug"},
		{edit(tenant(), func(x *configv1.Tenant) { x.Status = 0 }), "status"},
		{edit(tenant(), func(x *configv1.Tenant) { x.Status = 9 }), "status"},
		{key(func(k *K) { k.ProjectId = "" }), "project_id"},
		{key(func(k *K) { k.SecretSha256 = one(31) }), "secret_sha256"},
		{key(func(k *K) { k.SecretSha256 = make([]byte, 32) }), "secret_sha256"},
		{key(func(k *K) { k.PreviousSha256 = one(33) }), "previous_sha256"},
		{key(func(k *K) { k.PreviousSha256 = one(32) }), "previous_sha256"},
		{key(func(k *K) { k.PreviousSha256 = nil }), "previous_valid_until_unix"},
		{key(func(k *K) { k.ExpiresAtUnix = -1 }), "expires_at_unix"},
		{key(func(k *K) { k.AllowedRoutes = []string{"a", ""} }), "allowed_routes[1]"},
		{key(func(k *K) { k.AllowedRoutes = make([]string, 257) }), "allowed_routes"},
		{cred(func(c *C) { c.Provider = "" }), "provider"},
		{cred(func(c *C) { c.Provider = "Open AI" }), "provider"},
		{url(""), "base_url"}, {url("ftp://x"), "base_url"}, {url("https://"), "base_url"}, {url("https://u:p@x"), "base_url"},
		{url("https://x?a=1"), "base_url"}, {url("https://x#a"), "base_url"}, {url("https://x/../y"), "base_url"},
		{url("https://x\r\nHost: y"), "base_url"}, {url("x"), "base_url"}, {url("https://x:0"), "base_url"}, {url("https://x:65536"), "base_url"},
		{url("https://" + strings.Repeat("x", 2048)), "base_url"}, {url("https://x\\@y"), "base_url"},
		{cred(func(c *C) { c.AuthStyle = 0 }), "auth_style"}, {cred(func(c *C) { c.AuthStyle = 77 }), "auth_style"},
		{cred(func(c *C) { c.AuthHeader = "" }), "auth_header"}, {cred(func(c *C) { c.AuthHeader = "Host" }), "auth_header"},
		{cred(func(c *C) { c.AuthHeader = "a: b\r\n" }), "auth_header"},
		{cred(func(c *C) { c.AuthStyle = configv1.AuthStyle_AUTH_STYLE_BEARER }), "auth_header"},
		{cred(func(c *C) { c.AuthStyle = configv1.AuthStyle_AUTH_STYLE_NONE }), "sealed_secret"},
		{cred(func(c *C) { c.SealedSecret = nil }), "sealed_secret"},
		{cred(func(c *C) { c.SealedSecret = one(configcheck.MaxSealed + 1) }), "sealed_secret"},
		{cred(func(c *C) { c.IdleTimeoutMs = 1 << 31 }), "idle_timeout_ms"},
		{cred(func(c *C) { c.Dialect = "latin" }), "dialect"},
		{cred(func(c *C) { c.ApiVersion = "2024&x=1" }), "api_version"}, {cred(func(c *C) { c.ApiVersion = strings.Repeat("1", 41) }), "api_version"},
		{cred(func(c *C) { c.Region = "us/../x" }), "region"}, {cred(func(c *C) { c.Region = "-us" }), "region"},
		{cred(func(c *C) { c.AuthStyle, c.AuthHeader = configv1.AuthStyle_AUTH_STYLE_AWS, "" }), "region"},
		{cred(func(c *C) { c.AuthStyle, c.AuthHeader, c.SealedSecret = configv1.AuthStyle_AUTH_STYLE_GOOGLE, "", nil }), "sealed_secret"},
		{cred(func(c *C) { c.AuthStyle = configv1.AuthStyle_AUTH_STYLE_GOOGLE }), "auth_header"},
		{mod(func(m *M) { m.CredentialId = "" }), "credential_id"}, {mod(func(m *M) { m.ProviderModel = "a b" }), "provider_model"},
		{mod(func(m *M) { m.CatalogId = "gpt" }), "catalog_id"}, {mod(func(m *M) { m.UnknownPrice = 5 }), "unknown_price"},
		{mod(func(m *M) { m.CostPrices[0].Input = -1 }), "cost_prices[0].input"},
		{mod(func(m *M) { m.SellPrices[0].CacheRead = new(int64(-1)) }), "sell_prices[0].cache_read"},
		{mod(func(m *M) { m.SellPrices[0].PerRequest = configcheck.MaxPrice + 1 }), "sell_prices[0].per_request"},
		{mod(func(m *M) { m.CostPrices[0].Id = "" }), "cost_prices[0].id"},
		{mod(func(m *M) { m.CostPrices = append(m.CostPrices, price()) }), "cost_prices[1].id"},
		{mod(func(m *M) { m.CostPrices[0].EffectiveFromUnix = -5 }), "cost_prices[0].effective_from_unix"},
		{mod(func(m *M) { m.CostPrices = make([]*configv1.Price, 257) }), "cost_prices"},
		{edit(route(), func(r *configv1.Route) { r.Name = "" }), "name"},
		{edit(route(), func(r *configv1.Route) { r.Targets = nil }), "targets"},
		{edit(route(), func(r *configv1.Route) { r.Targets[0].ModelId = "crd_" + zeros }), "targets[0].model_id"},
		{edit(route(), func(r *configv1.Route) { r.Targets = make([]*configv1.Target, 17) }), "targets"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.Provider = "openai" }), "id"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.ProviderModel = "" }), "provider_model"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.CostPrices[0].Output = -1 }), "cost_prices[0].output"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.ContextWindow = 1 << 31 }), "context_window"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.MaxOutputTokens = 1 << 31 }), "max_output_tokens"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.DeprecatedAtUnix = -1 }), "deprecated_at_unix"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.Label = strings.Repeat("x", 401) }), "label"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.Capabilities.Output = []string{"text", "Image"} }), "capabilities.output[1]"},
		{edit(catalogModel(), func(m *configv1.CatalogModel) { m.Capabilities.Operations = make([]string, 33) }), "capabilities.operations"},
		{mod(func(m *M) { m.CostPrices[0].PerAudioMinute = -1 }), "cost_prices[0].per_audio_minute"},
		{mod(func(m *M) { m.CostPrices[0].CacheWriteHour = new(int64(-1)) }), "cost_prices[0].cache_write_hour"},
		{variant(func(v *V) { v.AboveInputTokens, v.ServiceTier, v.FromMinute, v.ToMinute = 0, "", 0, 0 }), "cost_prices[0].variants[0].above_input_tokens"},
		{variant(func(v *V) { v.AboveInputTokens = -1 }), "cost_prices[0].variants[0].above_input_tokens"},
		{variant(func(v *V) { v.ServiceTier = "Batch " }), "cost_prices[0].variants[0].service_tier"},
		{variant(func(v *V) { v.FromMinute = 1440 }), "cost_prices[0].variants[0].from_minute"},
		{variant(func(v *V) { v.ToMinute = 1440 }), "cost_prices[0].variants[0].to_minute"},
		{variant(func(v *V) { v.FromMinute, v.ToMinute = 5, 5 }), "cost_prices[0].variants[0].to_minute"},
		{variant(func(v *V) { v.Price = nil }), "cost_prices[0].variants[0].price"},
		{variant(func(v *V) { v.Price.Id = "prc_2" }), "cost_prices[0].variants[0].price.id"},
		{variant(func(v *V) { v.Price.EffectiveFromUnix = 1 }), "cost_prices[0].variants[0].price.effective_from_unix"},
		{variant(func(v *V) { v.Price.Variants = []*V{{}} }), "cost_prices[0].variants[0].price.variants"},
		{variant(func(v *V) { v.Price.PerImage = -1 }), "cost_prices[0].variants[0].price.per_image"},
		{mod(func(m *M) { m.CostPrices[0].Variants = make([]*V, 65) }), "cost_prices[0].variants"},
	} {
		wantPath(t, configcheck.Check(wrap(t, c.m)), c.path, i)
	}
}

func TestBadEnvelopesAreNamed(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	nested := route()
	nested.Targets[0].ProtoReflect().SetUnknown(unknown)
	type E = configv1.Envelope
	for i, c := range []struct {
		env  *E
		path string
	}{
		{nil, "envelope"},
		{edit(wrap(t, route()), func(e *E) { e.Revision = 0 }), "envelope.revision"},
		{edit(wrap(t, route()), func(e *E) { e.Kind = 0 }), "envelope.kind"},
		{edit(wrap(t, route()), func(e *E) { e.Kind = 42 }), "envelope.kind"},
		{edit(wrap(t, route()), func(e *E) { e.TenantId = "" }), "envelope.tenant_id"},
		{edit(wrap(t, route()), func(e *E) { e.Id = "" }), "envelope.id"},
		{edit(wrap(t, route()), func(e *E) { e.Id = "rte_" + zeros[1:] + "4" }), "id"},
		{edit(wrap(t, tenant()), func(e *E) { e.Id = "ten_" + zeros[1:] + "4" }), "envelope.id"},
		{edit(wrap(t, catalogModel()), func(e *E) { e.TenantId = "ten_" + zeros }), "envelope.tenant_id"},
		{edit(wrap(t, route()), func(e *E) { e.CommittedAtUnixNano = -1 }), "envelope.committed_at_unix_nano"},
		{edit(wrap(t, route()), func(e *E) { e.Deleted = true }), "payload"},
		{edit(wrap(t, route()), func(e *E) { e.Payload = one(configcheck.MaxPayload + 1) }), "payload"},
		{edit(wrap(t, route()), func(e *E) { e.Payload = []byte{0xff} }), "payload"},
		{edit(wrap(t, route()), func(e *E) { e.Payload = append(e.Payload, unknown...) }), "payload"},
		{edit(wrap(t, route()), func(e *E) { e.Payload = nil }), "id"},
		{edit(wrap(t, route()), func(e *E) { e.ProtoReflect().SetUnknown(unknown) }), "envelope"},
		{wrap(t, nested), "targets[0]"},
	} {
		wantPath(t, configcheck.Check(c.env), c.path, i)
	}
}

func wantPath(t *testing.T, err error, path string, i int) {
	t.Helper()
	e, ok := errors.AsType[*configcheck.Error](err)
	if !ok {
		t.Errorf("case %d: error %v, want one at %s", i, err, path)
		return
	}
	if e.Path != path || e.Message == "" {
		t.Errorf("case %d: %v, want path %s", i, e, path)
	}
}

// What passes can be written out and read again unchanged, and nothing panics.
func FuzzCheck(f *testing.F) {
	for _, m := range []proto.Message{tenant(), apiKey(), credential(), model(), route(), catalogModel()} {
		b, _ := proto.Marshal(wrap(f, m))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		env := &configv1.Envelope{}
		if proto.Unmarshal(raw, env) != nil {
			return
		}
		m, err := configcheck.Decode(env)
		if err != nil {
			if e, ok := errors.AsType[*configcheck.Error](err); !ok || e.Path == "" || e.Message == "" {
				t.Fatalf("error without path or message: %v", err)
			}
			return
		}
		if (m == nil) != env.Deleted {
			t.Fatalf("deleted %v, resource %v", env.Deleted, m)
		}
		if m != nil && configcheck.Check(edit(wrap(t, m), func(e *configv1.Envelope) { e.TenantId = env.TenantId })) != nil {
			t.Fatal("passes once but not twice")
		}
	})
}
