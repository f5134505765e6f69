// Package credential owns what a tenant needs to reach a provider: the address,
// how the secret is sent, and the secret itself, which is kept under envelope
// encryption and leaves only sealed to the data planes' key. It never gives a
// secret back to anybody, and knows neither rows nor HTTP.
package credential

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/providerkind"
	"github.com/tollgate/tollgate/proto/secretform"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Credential is a provider's endpoint with its secret at rest.
type Credential struct {
	ID, TenantID   string
	Name, Provider string
	// Dialect is the wire format that the endpoint speaks.
	Dialect    string
	BaseURL    string
	AuthStyle  string
	AuthHeader string
	// APIVersion goes into URLs, Region into signatures and addresses.
	APIVersion, Region string
	SecretHint         string
	Secret             seal.Sealed
	ConnectTimeoutMS   int
	FirstByteTimeoutMS int
	IdleTimeoutMS      int
	Version            int64
	CreatedAt          time.Time
}

// HasSecret says whether a secret is kept.
func (c *Credential) HasSecret() bool { return len(c.Secret.Ciphertext) > 0 }

// Input is what a caller sends to make or change a credential; nil means: as
// it is, or the preset's.
type Input struct {
	Name, Dialect, BaseURL, AuthStyle, AuthHeader, Secret *string
	APIVersion, Region                                    *string
	ConnectTimeoutMS, FirstByteTimeoutMS, IdleTimeoutMS   *int
}

// Store keeps credentials. Each change is one transaction with its audit entry
// and its config resource; change ids are 0 when data planes need not know.
type Store interface {
	Credentials(ctx context.Context, tenantID, after string, limit int) ([]Credential, error)
	Credential(ctx context.Context, tenantID, credentialID string) (Credential, error)
	CreateCredential(ctx context.Context, tenantID string, by change.Actor, c Credential, rec change.Record) (Credential, int64, error)
	// UpdateCredential locks the row, lets edit change it, and writes it. match
	// is the version the caller saw, or 0.
	UpdateCredential(ctx context.Context, tenantID string, by change.Actor, credentialID string, match int64, edit func(*Credential) (change.Record, error)) (Credential, int64, error)
	DeleteCredential(ctx context.Context, tenantID string, by change.Actor, credentialID string, match int64) (int64, error)
}

// Vault keeps secrets at rest; *seal.Box is one.
type Vault interface {
	Seal(ctx context.Context, tenantID, id string, secret []byte) (seal.Sealed, error)
	Open(ctx context.Context, tenantID, id string, s seal.Sealed) ([]byte, error)
}

// Transport seals secrets to the data planes; *proto/seal.PublicKey is one.
type Transport interface {
	Seal(tenantID, resourceID string, secret []byte) ([]byte, error)
}

// Service decides about credentials.
type Service struct {
	Store
	vault     Vault
	transport Transport
	allowed   network.List
}

// NewService keeps secrets in vault and seals them to transport. Addresses
// that are none of the public internet, and plain http, are for the networks
// that the operator has allowed.
func NewService(s Store, v Vault, t Transport, allowed network.List) *Service {
	return &Service{Store: s, vault: v, transport: t, allowed: allowed}
}

// Create stores a credential. What the input leaves out comes from the
// provider's preset.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, provider string, in Input) (Credential, int64, error) {
	kind, _ := providerkind.Find(provider)
	c := Credential{
		ID: id.New(id.Credential), TenantID: tenantID, Provider: provider, Dialect: kind.Dialect,
		AuthStyle: styleOf(kind.Auth), AuthHeader: kind.Auth.Header,
	}
	if !configcheck.ValidProvider(provider) {
		return Credential{}, 0, fault.Invalid("body.provider", "must be at most 63 of a-z, 0-9 and -", "")
	}
	rec, err := s.apply(ctx, &c, in)
	if err != nil {
		return Credential{}, 0, err
	}
	rec.Entry.Action = "credential.create"
	return s.CreateCredential(ctx, tenantID, by, c, rec)
}

// Update changes a credential.
func (s *Service) Update(ctx context.Context, tenantID string, by change.Actor, credentialID string, match int64, in Input) (Credential, int64, error) {
	return s.UpdateCredential(ctx, tenantID, by, credentialID, match, func(c *Credential) (change.Record, error) {
		moved := in.BaseURL != nil && *in.BaseURL != c.BaseURL
		if moved && c.HasSecret() && in.Secret == nil && (in.AuthStyle == nil || *in.AuthStyle != None) {
			return change.Record{}, fault.Invalid("body.secret", "a new address needs the secret again", "Send the secret together with base_url, so that a stored secret is never sent elsewhere.")
		}
		return s.apply(ctx, c, in)
	})
}

// apply puts the input into c and makes the record of the change.
func (s *Service) apply(ctx context.Context, c *Credential, in Input) (change.Record, error) {
	before := *c
	changed := set(c, in)
	if err := checkWords(c); err != nil {
		return change.Record{}, err
	}
	now, err := s.secretFor(ctx, c, in.Secret)
	if err != nil {
		return change.Record{}, err
	}
	if err := settleAddress(c, &before, now); err != nil {
		return change.Record{}, err
	}
	if err := s.checkURL(c, now); err != nil {
		return change.Record{}, err
	}
	if c.BaseURL != before.BaseURL {
		if err := checkEnd(c); err != nil {
			return change.Record{}, err
		}
	}
	// A secret that was kept is brought into the form of a new style.
	if in.Secret != nil || c.AuthStyle != before.AuthStyle {
		if err := s.keep(ctx, c, now); err != nil {
			return change.Record{}, err
		}
	}
	entry := change.Entry{Action: "credential.update", ResourceKind: "credential", ResourceID: c.ID,
		Detail: map[string]any{"name": c.Name, "provider": c.Provider, "dialect": c.Dialect, "base_url": c.BaseURL, "secret_replaced": in.Secret != nil}}
	if c.Region != "" {
		entry.Detail["region"] = c.Region
	}
	if c.APIVersion != "" {
		entry.Detail["api_version"] = c.APIVersion
	}
	if !changed {
		return change.Record{Entry: entry}, nil
	}
	res, err := s.resource(c, now)
	if err != nil {
		return change.Record{}, err
	}
	return change.Record{Entry: entry, Resources: []change.Resource{res}}, nil
}

// checkWords looks at the short fields.
func checkWords(c *Credential) error {
	switch {
	case strings.TrimSpace(c.Name) == "":
		return fault.Invalid("body.name", "is missing", "")
	case c.APIVersion != "" && !configcheck.ValidAPIVersion(c.APIVersion):
		return fault.Invalid("body.api_version", "must be at most 40 of letters, digits and ._-", "Give the version as the provider writes it, such as 2024-10-21.")
	case c.Region != "" && !configcheck.ValidRegion(c.Region):
		return fault.Invalid("body.region", "must be at most 40 of a-z, 0-9 and -", "Give the region as the provider writes it, such as us-east-1.")
	case c.AuthStyle == AWS && c.Region == "":
		return fault.Invalid("body.region", "is missing", "Requests are signed for a region: give it, such as us-east-1.")
	}
	return nil
}

// set copies what was given; it reports whether data planes must know.
func set(c *Credential, in Input) bool {
	changed := c.Version == 0 || in.Secret != nil
	if in.Name != nil {
		c.Name = *in.Name
	}
	str := func(to *string, from *string) {
		if from != nil && *from != *to {
			*to, changed = *from, true
		}
	}
	num := func(to *int, from *int) {
		if from != nil && *from != *to {
			*to, changed = *from, true
		}
	}
	str(&c.Dialect, in.Dialect)
	str(&c.BaseURL, in.BaseURL)
	str(&c.AuthStyle, in.AuthStyle)
	str(&c.AuthHeader, in.AuthHeader)
	str(&c.APIVersion, in.APIVersion)
	str(&c.Region, in.Region)
	num(&c.ConnectTimeoutMS, in.ConnectTimeoutMS)
	num(&c.FirstByteTimeoutMS, in.FirstByteTimeoutMS)
	num(&c.IdleTimeoutMS, in.IdleTimeoutMS)
	if c.AuthStyle != Header && in.AuthHeader == nil {
		c.AuthHeader = ""
	}
	return changed
}

func (s *Service) checkURL(c *Credential, now *secret) error {
	if c.BaseURL == "" && c.Provider == configcheck.ProviderDemo {
		return nil
	}
	if err := configcheck.CheckBaseURL(c.BaseURL); err != nil {
		message := "is not valid"
		if bad, ok := errors.AsType[*configcheck.Error](err); ok {
			message = bad.Message
		}
		return fault.Invalid("body.base_url", message, wantedAddress(c.Provider))
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || (u.Scheme != "https" && len(s.allowed) == 0) {
		return fault.Invalid("body.base_url", "must start with https://", "Secrets travel encrypted only; the operator can allow http for networks of their own.")
	}
	if c.AuthStyle == Google && now.text == secretform.Metadata && !secretform.GoogleModels(u) {
		return fault.Invalid("body.base_url", "is none of Google's for models", "The identity of the machine is shown to Google's models alone: use their address under googleapis.com, or the key of a service account.")
	}
	a, ok := literal(u.Hostname())
	switch {
	case !ok || s.allowed.Contains(a):
	case network.Forbidden(a):
		return fault.Invalid("body.base_url", "leads to "+a.String()+", which is no address of the public internet",
			"Use a public address, or ask the operator to allow the network in TOLLGATE_ALLOWED_NETWORKS.")
	case u.Scheme != "https":
		return fault.Invalid("body.base_url", "must start with https://", "Plain http is for the networks that the operator has allowed.")
	}
	return nil
}

// literal is the address that a host is in itself. What a name leads to is
// known when it is dialled, and the data plane looks then.
func literal(host string) (netip.Addr, bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	a, err := netip.ParseAddr(host)
	return a, err == nil
}

func (s *Service) resource(c *Credential, now *secret) (change.Resource, error) {
	m := &configv1.Credential{
		Id: c.ID, Provider: c.Provider, Dialect: c.Dialect, BaseUrl: c.BaseURL, AuthHeader: c.AuthHeader,
		ApiVersion: c.APIVersion, Region: c.Region,
		ConnectTimeoutMs: uint32(c.ConnectTimeoutMS), FirstByteTimeoutMs: uint32(c.FirstByteTimeoutMS), IdleTimeoutMs: uint32(c.IdleTimeoutMS),
	}
	m.AuthStyle = styles[c.AuthStyle]
	if now != nil {
		sealed, err := s.transport.Seal(c.TenantID, c.ID, []byte(now.text))
		if err != nil {
			return change.Resource{}, fmt.Errorf("seal credential %s to the data planes: %w", c.ID, err)
		}
		m.SealedSecret = sealed
	}
	return change.NewResource(c.TenantID, configv1.Kind_KIND_CREDENTIAL, c.ID, m)
}
