package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// providers are those that the control plane knows: it presets what they have
// of their own.
func providers() []view.Option {
	var out []view.Option
	for _, k := range providerkind.All() {
		label := k.Label
		if k.BaseURL == "" {
			label += " (needs a base URL)"
		}
		out = append(out, view.Option{Value: k.Name, Label: label})
	}
	return out
}

func credentialRow(t *view.Tenant, c apiclient.Credential) view.CredentialRow {
	return view.CredentialRow{
		ID: c.Id, URL: t.URL("credentials", c.Id), Name: c.Name, Provider: c.Provider, Dialect: string(c.Dialect), BaseURL: c.BaseUrl,
		Hint: orText(c.SecretHint, "none"), Created: view.Instant{Time: c.CreatedAt},
	}
}

func (s *Server) credentials(v *visit) error {
	v.at("credentials", "Credentials")
	t := v.page.Tenant
	page, err := control.OK(v.api.ListCredentialsWithResponse(v.ctx, v.slug, &apiclient.ListCredentialsParams{Limit: ptr(listSize), Cursor: v.cursor()}))
	if err != nil {
		return err
	}
	m := view.Credentials{NewURL: t.URL("credentials", "new"), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, c := range page.Data {
		m.Rows = append(m.Rows, credentialRow(t, c))
	}
	return v.render(func(p view.Page) templ.Component { return view.CredentialsPage(p, m) })
}

func (s *Server) credentialNew(v *visit) error {
	return v.credentialNewPage(http.StatusOK, v.newForm(v.page.Tenant.URL("credentials"), url.Values{"provider": {"openai"}}))
}

func (v *visit) credentialNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("credentials", "New credential", view.Crumb{Name: "Credentials", URL: t.URL("credentials")})
	m := view.CredentialForm{Form: f, Providers: providers(), BackURL: t.URL("credentials")}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.CredentialNewPage(p, m) })
}

// millis reads the timeouts of a credential; empty fields stay as they are.
func (v *visit) millis(name string) (*int, error) {
	s := v.field(name)
	if s == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return nil, wrongField(name, "Give whole milliseconds, such as 60000.")
	}
	return &n, nil
}

type timeouts struct{ connect, firstByte, idle *int }

func (v *visit) timeouts() (t timeouts, err error) {
	for name, into := range map[string]**int{"connect_timeout_ms": &t.connect, "first_byte_timeout_ms": &t.firstByte, "idle_timeout_ms": &t.idle} {
		if *into, err = v.millis(name); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (s *Server) credentialCreate(v *visit) error {
	t := v.page.Tenant
	made, err := v.createCredential()
	if err != nil {
		return v.again(v.sentForm(t.URL("credentials"), "secret"), err, v.credentialNewPage)
	}
	return v.done(t.URL("credentials", made.Id), "“"+made.Name+"” is stored. Its secret is encrypted and will not be shown again.", made.ChangeId)
}

func (v *visit) createCredential() (*apiclient.Credential, error) {
	limits, err := v.timeouts()
	if err != nil {
		return nil, err
	}
	body := apiclient.CredentialCreate{
		Name: v.field("name"), Provider: v.field("provider"), BaseUrl: v.optional("base_url"), Secret: v.optional("secret"),
		AuthHeader: v.optional("auth_header"), ConnectTimeoutMs: limits.connect, FirstByteTimeoutMs: limits.firstByte, IdleTimeoutMs: limits.idle,
	}
	if a := v.field("auth_style"); a != "" {
		body.AuthStyle = ptr(apiclient.AuthStyle(a))
	}
	if d := v.field("dialect"); d != "" {
		body.Dialect = ptr(apiclient.Dialect(d))
	}
	return control.Created(v.api.CreateCredentialWithResponse(v.ctx, v.slug, &apiclient.CreateCredentialParams{IdempotencyKey: v.idempotencyKey()}, body))
}

func (s *Server) credential(v *visit) error { return v.credentialPage(http.StatusOK, view.Form{}) }

func (v *visit) credentialPage(status int, refused view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	c, err := control.OK(v.api.GetCredentialWithResponse(v.ctx, v.slug, id))
	if err != nil {
		return err
	}
	v.at("credentials", c.Name, view.Crumb{Name: "Credentials", URL: t.URL("credentials")})
	m := view.CredentialForm{
		Form: refused, Row: credentialRow(t, *c), DeleteURL: t.URL("credentials", id, "delete"),
		Delete: v.newForm("", url.Values{"version": version(c.Version)}), ModelsURL: t.URL("models", "new") + "?credential=" + url.QueryEscape(c.Id),
	}
	if m.Form.Action == "" {
		m.Form = v.newForm(t.URL("credentials", id), url.Values{
			"name": {c.Name}, "dialect": {string(c.Dialect)}, "base_url": {c.BaseUrl}, "auth_style": {string(c.AuthStyle)}, "auth_header": {c.AuthHeader}, "version": version(c.Version),
			"connect_timeout_ms": {strconv.Itoa(c.ConnectTimeoutMs)}, "first_byte_timeout_ms": {strconv.Itoa(c.FirstByteTimeoutMs)}, "idle_timeout_ms": {strconv.Itoa(c.IdleTimeoutMs)},
		})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.CredentialPage(p, m) })
}

func (s *Server) credentialUpdate(v *visit) error {
	to := v.page.Tenant.URL("credentials", v.c.Param("id"))
	limits, err := v.timeouts()
	var c *apiclient.Credential
	if err == nil {
		body := apiclient.CredentialPatch{
			Name: ptr(v.field("name")), BaseUrl: ptr(v.field("base_url")), Secret: v.optional("secret"),
			ConnectTimeoutMs: limits.connect, FirstByteTimeoutMs: limits.firstByte, IdleTimeoutMs: limits.idle,
		}
		if a := v.field("auth_style"); a != "" {
			body.AuthStyle, body.AuthHeader = ptr(apiclient.AuthStyle(a)), ptr(v.field("auth_header"))
		}
		if d := v.field("dialect"); d != "" {
			body.Dialect = ptr(apiclient.Dialect(d))
		}
		c, err = control.OK(v.api.UpdateCredentialWithResponse(v.ctx, v.slug, v.c.Param("id"),
			&apiclient.UpdateCredentialParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()}, body))
	}
	if err != nil {
		return v.again(v.sentForm(to, "secret"), err, v.credentialPage)
	}
	return v.done(to, "Saved.", c.ChangeId)
}

func (s *Server) credentialDelete(v *visit) error {
	t := v.page.Tenant
	d, err := control.OK(v.api.DeleteCredentialWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.DeleteCredentialParams{IfMatch: v.ifMatch()}))
	if err != nil {
		return v.orTell(t.URL("credentials", v.c.Param("id")), err)
	}
	return v.done(t.URL("credentials"), "The credential is deleted.", d.ChangeId)
}
