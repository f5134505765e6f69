// Package signup owns how a tenant begins: with an owner, a first project, a
// first API key and a session, all or nothing. It knows neither rows nor HTTP.
package signup

import (
	"context"
	"strings"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// Names of what a tenant begins with.
const (
	FirstProject = "Default"
	FirstKey     = "First key"
)

// Beginning is all that a sign-up makes.
type Beginning struct {
	Tenant  tenant.Tenant
	User    session.User
	Owner   member.Member
	Project project.Project
	Key     apikey.Key
	// Secret of Key, nowhere else.
	Secret  string
	Session session.Session
	// ChangeID of the key: once it is live, the tenant can call.
	ChangeID int64
}

// Store writes a beginning in one transaction.
type Store interface {
	// SignUp takes the first of slugs that is free, and fills in what the
	// database decides. It returns fault.AlreadyExists with a field when the
	// address or every slug is taken.
	SignUp(ctx context.Context, b Beginning, slugs []string, by change.Actor) (Beginning, error)
	// CreateTenant does so without key and session. The owner is whoever has the
	// address of b.User, or, if nobody has, b.User, which then has a password.
	CreateTenant(ctx context.Context, b Beginning, slugs []string, by change.Actor) (Beginning, error)
}

// Service signs up.
type Service struct {
	store     Store
	passwords *password.Hasher
	sessions  *session.Service
	keys      *apikey.Service
}

// NewService signs up into the store.
func NewService(store Store, passwords *password.Hasher, sessions *session.Service, keys *apikey.Service) *Service {
	return &Service{store, passwords, sessions, keys}
}

// Input is what somebody sends to sign up.
type Input struct {
	TenantName, Slug      string
	Name, Email, Password string
}

// SignUp makes a tenant and signs its owner in.
func (s *Service) SignUp(ctx context.Context, in Input, requestID, clientIP string) (Beginning, error) {
	var b Beginning
	if err := s.sessions.SlowDown(clientIP); err != nil {
		return b, err
	}
	email, slugs, err := check(&in)
	if err != nil {
		return b, err
	}
	hash, err := s.passwords.Hash(ctx, in.Password)
	if err != nil {
		return b, err
	}
	b, slugs = begin(in, email, hash, slugs)
	by := change.Actor{Kind: access.KindUser, ID: b.User.ID, Name: email, RequestID: requestID, ClientIP: clientIP}
	name := FirstKey
	if b.Key, b.Secret, err = s.keys.Make(b.Tenant.ID, by, apikey.Input{Name: &name, ProjectID: b.Project.ID}); err != nil {
		return b, err
	}
	b.Session = s.sessions.Make(b.User.ID)
	return s.store.SignUp(ctx, b, slugs, by)
}

// Create makes a tenant for somebody else, who has an account or gets one.
func (s *Service) Create(ctx context.Context, in Input, by change.Actor) (Beginning, error) {
	email, slugs, err := check(&in)
	if err != nil {
		return Beginning{}, err
	}
	hash := ""
	if in.Password != "" {
		if hash, err = s.passwords.Hash(ctx, in.Password); err != nil {
			return Beginning{}, err
		}
	}
	b, slugs := begin(in, email, hash, slugs)
	return s.store.CreateTenant(ctx, b, slugs, by)
}

// begin makes what every tenant has, and proposes slugs where none was chosen.
func begin(in Input, email, hash string, slugs []string) (Beginning, []string) {
	var b Beginning
	b.User = session.User{ID: id.New(id.User), Email: email, Name: in.Name, PasswordHash: hash}
	b.Tenant = tenant.Tenant{ID: id.New(id.Tenant), Name: in.TenantName, Status: tenant.Active}
	b.Owner = member.Member{ID: id.New(id.Member), TenantID: b.Tenant.ID, UserID: b.User.ID, Email: email, Name: in.Name, Role: access.Owner}
	b.Project = project.Project{ID: id.New(id.Project), TenantID: b.Tenant.ID, Name: FirstProject}
	if slugs == nil {
		slugs = tenant.Slugs(in.TenantName, b.Tenant.ID)
	}
	return b, slugs
}

// check gives the address in its kept form, and the slug if one was chosen. A
// password is checked where there is one.
func check(in *Input) (email string, slugs []string, err error) {
	bad := fault.New(fault.ValidationFailed, "", nil)
	collect := func(err error) {
		if err != nil {
			bad.Fields = append(bad.Fields, fault.From(err).Fields...)
		}
	}
	email, err = session.CheckNewEmail(in.Email)
	collect(err)
	if in.TenantName = strings.TrimSpace(in.TenantName); in.TenantName == "" {
		bad.WithField("body.tenant_name", "must not be empty", "Fill it in.")
	}
	if in.Slug != "" {
		collect(tenant.CheckSlug(in.Slug))
		slugs = []string{in.Slug}
	}
	if in.Password != "" {
		collect(session.CheckPassword("body.password", in.Password, in.Email))
	}
	in.Name = strings.TrimSpace(in.Name)
	if len(bad.Fields) > 0 {
		return "", nil, bad
	}
	return email, slugs, nil
}
