package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// GetSignUpPolicy says whether SignUp would be refused.
func (s *Server) GetSignUpPolicy(context.Context, apiserver.GetSignUpPolicyRequestObject) (apiserver.GetSignUpPolicyResponseObject, error) {
	return apiserver.GetSignUpPolicy200JSONResponse{Open: !s.cfg.SignUpClosed}, nil
}

// ChangePassword gives the caller another password.
func (s *Server) ChangePassword(ctx context.Context, r apiserver.ChangePasswordRequestObject) (apiserver.ChangePasswordResponseObject, error) {
	if err := s.Sessions.ChangePassword(ctx, principal(ctx), actor(ctx), r.Body.Current, r.Body.New); err != nil {
		return nil, err
	}
	return apiserver.ChangePassword204Response{}, nil
}

// SignUp makes a tenant and signs its owner in.
func (s *Server) SignUp(ctx context.Context, r apiserver.SignUpRequestObject) (apiserver.SignUpResponseObject, error) {
	if s.cfg.SignUpClosed {
		return nil, fault.New(fault.SignUpClosed, "", nil)
	}
	c := current(ctx)
	b, err := s.Signups.SignUp(ctx, signup.Input{
		TenantName: r.Body.TenantName, Slug: value(r.Body.Slug), Name: value(r.Body.Name), Email: r.Body.Email, Password: r.Body.Password,
	}, c.requestID, c.clientIP)
	if err != nil {
		return nil, err
	}
	return apiserver.SignUp201JSONResponse{
		Tenant:  tenantJSON(b.Tenant, b.ChangeID),
		Project: projectJSON(b.Project, 0),
		Session: sessionJSON(b.Session),
		ApiKey:  s.apiKeyWithSecretJSON(b.Key, b.Secret, b.ChangeID),
	}, nil
}

// SignIn opens a session.
func (s *Server) SignIn(ctx context.Context, r apiserver.SignInRequestObject) (apiserver.SignInResponseObject, error) {
	session, err := s.Sessions.SignIn(ctx, r.Body.Email, r.Body.Password, current(ctx).clientIP)
	if err != nil {
		return nil, err
	}
	return apiserver.SignIn201JSONResponse(sessionJSON(session)), nil
}

// SignOut ends the session that makes the call.
func (s *Server) SignOut(ctx context.Context, _ apiserver.SignOutRequestObject) (apiserver.SignOutResponseObject, error) {
	id := principal(ctx).SessionID
	if id == "" {
		return nil, fault.New(fault.Forbidden, "A management key has no session to end.", nil).WithFix("Revoke the key instead.")
	}
	if err := s.Sessions.DeleteSession(ctx, id); err != nil {
		return nil, err
	}
	return apiserver.SignOut204Response{}, nil
}

// GetMe says who calls, and what they reach.
func (s *Server) GetMe(ctx context.Context, _ apiserver.GetMeRequestObject) (apiserver.GetMeResponseObject, error) {
	p := principal(ctx)
	me := apiserver.GetMe200JSONResponse{
		Kind: apiserver.MeKind(p.Kind), Id: p.ID, Name: p.Name, Email: some(p.Email), Operator: p.Operator,
		Memberships: []apiserver.Membership{},
	}
	switch {
	case p.Kind == access.KindUser:
		list, err := s.Sessions.Memberships(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		me.Memberships = convert(list, membershipJSON)
	case p.TenantID != "":
		m, err := s.Sessions.TenantMembership(ctx, p.TenantID, p.Role)
		if err != nil {
			return nil, err
		}
		me.Memberships = append(me.Memberships, membershipJSON(m))
	}
	return me, nil
}

func sessionJSON(s session.Session) apiserver.Session {
	return apiserver.Session{Token: s.Token, ExpiresAt: s.ExpiresAt}
}

func membershipJSON(m session.Membership) apiserver.Membership {
	return apiserver.Membership{TenantId: m.TenantID, Slug: m.Slug, Name: m.Name,
		Role: apiserver.Role(m.Role), Status: apiserver.TenantStatus(m.Status)}
}
