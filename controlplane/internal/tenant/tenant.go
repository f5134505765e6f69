// Package tenant owns those who pay: their names, the slugs that stand for
// them in addresses, and whether they may call models at all. It knows neither
// rows nor HTTP.
package tenant

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// States of a tenant.
const (
	Active    = "active"
	Suspended = "suspended"
)

// Tenant pays; everything else belongs to one.
type Tenant struct {
	ID, Slug, Name string
	Status         string
	Version        int64
	CreatedAt      time.Time
}

// Resource is the tenant as data planes know it.
func (t *Tenant) Resource() (change.Resource, error) {
	status := configv1.TenantStatus_TENANT_STATUS_ACTIVE
	if t.Status == Suspended {
		status = configv1.TenantStatus_TENANT_STATUS_SUSPENDED
	}
	return change.NewResource(t.ID, configv1.Kind_KIND_TENANT, t.ID, &configv1.Tenant{Id: t.ID, Slug: t.Slug, Status: status})
}

// Filter narrows a list of tenants.
type Filter struct {
	// Query is part of the name or slug.
	Query string
	// Status is empty for all.
	Status string
}

// Store keeps tenants. Each change is one transaction with its audit entry and
// its config resource; change ids are 0 when data planes need not know.
type Store interface {
	Tenant(ctx context.Context, tenantID string) (Tenant, error)
	// Tenants lists all, newest first, from the one before the id before.
	Tenants(ctx context.Context, f Filter, before string, limit int) ([]Tenant, error)
	// UpdateTenant locks the row, lets edit change it, and writes it. match is
	// the version the caller saw, or 0.
	UpdateTenant(ctx context.Context, tenantID string, by change.Actor, match int64, edit func(*Tenant) (change.Record, error)) (Tenant, int64, error)
}

// Service decides about tenants.
type Service struct{ Store }

// NewService decides over the store.
func NewService(s Store) *Service { return &Service{s} }

// Rename gives a tenant another name; its slug stays, because addresses hold
// it.
func (s *Service) Rename(ctx context.Context, tenantID string, by change.Actor, match int64, name *string) (Tenant, int64, error) {
	return s.UpdateTenant(ctx, tenantID, by, match, func(t *Tenant) (change.Record, error) {
		if name != nil {
			if t.Name = strings.TrimSpace(*name); t.Name == "" {
				return change.Record{}, fault.Invalid("body.name", "must not be empty", "Fill it in.")
			}
		}
		return t.record("tenant.update"), nil
	})
}

// Suspend refuses all calls of a tenant from now on; data planes are told at
// once.
func (s *Service) Suspend(ctx context.Context, tenantID string, by change.Actor) (Tenant, int64, error) {
	return s.setStatus(ctx, tenantID, by, Suspended, "tenant.suspend")
}

// Resume lifts a suspension.
func (s *Service) Resume(ctx context.Context, tenantID string, by change.Actor) (Tenant, int64, error) {
	return s.setStatus(ctx, tenantID, by, Active, "tenant.resume")
}

func (s *Service) setStatus(ctx context.Context, tenantID string, by change.Actor, status, action string) (Tenant, int64, error) {
	return s.UpdateTenant(ctx, tenantID, by, 0, func(t *Tenant) (change.Record, error) {
		t.Status = status
		rec := t.record(action)
		res, err := t.Resource()
		if err != nil {
			return change.Record{}, err
		}
		res.Urgent = status == Suspended
		rec.Resources = []change.Resource{res}
		return rec, nil
	})
}

func (t *Tenant) record(action string) change.Record {
	return change.Record{Entry: change.Entry{Action: action, ResourceKind: "tenant", ResourceID: t.ID,
		Detail: map[string]any{"name": t.Name, "status": t.Status}}}
}

// reserved slugs stand for something else in addresses, or would pass for the
// operator.
func reserved() []string {
	return []string{"admin", "api", "app", "assets", "auth", "billing", "console", "dashboard", "docs", "gateway", "health",
		"help", "internal", "livez", "login", "logout", "mail", "me", "metrics", "new", "operator", "portal", "public",
		"readyz", "root", "settings", "signin", "signout", "signup", "static", "status", "support", "system", "t",
		"tenant", "tenants", "tollgate", "v1", "v2", "www"}
}

// CheckSlug says whether a slug that somebody chose may be one.
func CheckSlug(slug string) error {
	bad := fault.New(fault.ValidationFailed, "", nil)
	switch {
	case !configcheck.ValidSlug(slug):
		return bad.WithField("body.slug", "must be 1 to 40 of a-z, 0-9 and -, not beginning or ending with -", "Choose a name such as acme.")
	case slices.Contains(reserved(), slug):
		return bad.WithField("body.slug", "is reserved", "Choose another name.")
	}
	return nil
}

// Slugs proposes slugs for a name, best first: acme, acme-2, acme-3 … The
// last is free for certain: it holds the end of the tenant's id.
func Slugs(name, tenantID string) []string {
	base := slugOf(name)
	tail := tenantID[len(tenantID)-8:]
	var out []string
	if CheckSlug(base) == nil {
		out = append(out, base)
	}
	for n := 2; n < 6; n++ {
		out = append(out, withSuffix(base, strconv.Itoa(n)))
	}
	return append(out, withSuffix(base, tail))
}

func withSuffix(base, suffix string) string {
	if most := configcheck.MaxSlug - len(suffix) - 1; len(base) > most {
		base = strings.TrimRight(base[:most], "-")
	}
	return base + "-" + suffix
}

func slugOf(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(name) {
		plain := fold(r)
		if plain == "" {
			dash = b.Len() > 0
			continue
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteString(plain)
	}
	slug := b.String()
	if len(slug) > configcheck.MaxSlug {
		slug = strings.TrimRight(slug[:configcheck.MaxSlug], "-")
	}
	if slug == "" {
		return "team"
	}
	return slug
}

// fold writes common Latin letters without their marks, and nothing for what
// an address cannot hold.
func fold(r rune) string {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return string(r)
	case strings.ContainsRune("àáâãåā", r):
		return "a"
	case strings.ContainsRune("èéêëēę", r):
		return "e"
	case strings.ContainsRune("ìíîïī", r):
		return "i"
	case strings.ContainsRune("òóôõøō", r):
		return "o"
	case strings.ContainsRune("ùúûū", r):
		return "u"
	}
	switch r {
	case 'ä', 'æ':
		return "ae"
	case 'ö', 'œ':
		return "oe"
	case 'ü':
		return "ue"
	case 'ß':
		return "ss"
	case 'ç', 'ć', 'č':
		return "c"
	case 'ñ', 'ń':
		return "n"
	case 'š', 'ś':
		return "s"
	case 'ž', 'ź', 'ż':
		return "z"
	case 'ł':
		return "l"
	}
	return ""
}
