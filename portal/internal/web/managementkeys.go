package web

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func roleOptions() []view.Option {
	return []view.Option{
		{Value: "owner", Label: "Owner"}, {Value: "admin", Label: "Admin"}, {Value: "developer", Label: "Developer"},
		{Value: "billing", Label: "Billing"}, {Value: "viewer", Label: "Viewer"},
	}
}

func (s *Server) managementKeys(v *visit) error {
	return v.managementKeysPage(http.StatusOK, v.newForm(v.page.Tenant.URL("management-keys"), url.Values{"role": {"developer"}}))
}

func (v *visit) managementKeysPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("management-keys", "Management keys")
	page, err := control.OK(v.api.ListManagementKeysWithResponse(v.ctx, v.slug, &apiclient.ListManagementKeysParams{Limit: ptr(listSize), Cursor: v.cursor()}))
	if err != nil {
		return err
	}
	m := view.ManagementKeys{Form: f, Revoke: v.newForm("", nil), Roles: roleOptions(), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, k := range page.Data {
		m.Rows = append(m.Rows, view.ManagementKeyRow{
			ID: k.Id, Name: k.Name, Role: string(k.Role), Hint: k.Hint, State: keyState(string(k.Status)),
			Created: view.Instant{Time: k.CreatedAt}, Expires: view.When(k.ExpiresAt),
			RevokeURL: t.URL("management-keys", k.Id, "revoke"), Active: k.Status == apiclient.ManagementKeyStatusActive,
		})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.ManagementKeysPage(p, m) })
}

func (s *Server) managementKeyCreate(v *visit) error {
	to := v.page.Tenant.URL("management-keys")
	expires, err := v.expiry()
	var made *apiclient.ManagementKeyWithSecret
	if err == nil {
		made, err = control.Created(v.api.CreateManagementKeyWithResponse(v.ctx, v.slug, &apiclient.CreateManagementKeyParams{IdempotencyKey: v.idempotencyKey()},
			apiclient.ManagementKeyCreate{Name: v.field("name"), Role: apiclient.Role(v.field("role")), ExpiresAt: expires}))
	}
	if err != nil {
		return v.again(v.sentForm(to), err, v.managementKeysPage)
	}
	return v.doneWith(to, view.Flash{
		Kind: "ok", Text: "“" + made.Name + "” is ready to use.",
		Secret: &view.Secret{Label: "The new management key", Value: made.Secret, For: "management-keys"},
	}, nil)
}

func (s *Server) managementKeyRevoke(v *visit) error {
	to := v.page.Tenant.URL("management-keys")
	k, err := control.OK(v.api.RevokeManagementKeyWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.RevokeManagementKeyParams{IdempotencyKey: v.idempotencyKey()}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.done(to, "“"+k.Name+"” is revoked.", nil)
}
