package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// providers are those that the control plane knows: it presets what they have
// of their own.
func providers() []view.Option {
	var out []view.Option
	for _, k := range providerkind.All() {
		label := k.Label
		switch {
		case k.Regional != "":
			label += " (needs a region)"
		case k.BaseURL == "":
			label += " (needs a base URL)"
		}
		out = append(out, view.Option{Value: k.Name, Label: label})
	}
	return out
}

// providerFields says who has which fields. Those of an unknown provider may
// have any.
func providerFields() view.ProviderFields {
	var region, version, account, keys []string
	for _, k := range providerkind.All() {
		if k.Regional != "" || k.Name == providerkind.Custom {
			region = append(region, k.Name)
		}
		if k.APIVersion != "" || k.Name == providerkind.Custom {
			version = append(version, k.Name)
		}
		if k.Auth.Google {
			account = append(account, k.Name)
		}
		if k.Auth.AWS {
			keys = append(keys, k.Name)
		}
	}
	return view.ProviderFields{
		Region: strings.Join(region, " "), APIVersion: strings.Join(version, " "),
		ServiceAccount: strings.Join(account, " "), AccessKeys: strings.Join(keys, " "),
	}
}

// secret is what was typed, in the field that the provider has for it.
func (v *visit) secret() *string {
	if s := v.optional("service_account"); s != nil {
		return s
	}
	return v.optional("secret")
}

// secretAt puts what is wrong with a secret to the field where it was typed.
func secretAt(err error, v *visit) error {
	p, ok := problemOf(err)
	if !ok {
		return err
	}
	kind, _ := providerkind.Find(v.field("provider"))
	if e, bad := p.Fields["secret"]; bad && (kind.Auth.Google || v.field("auth_style") == "google" || v.field("service_account") != "") {
		delete(p.Fields, "secret")
		p.Fields["service_account"] = e
	}
	return err
}

func credentialRow(t *view.Tenant, c apiclient.Credential) view.CredentialRow {
	return view.CredentialRow{
		ID: c.Id, URL: t.URL("credentials", c.Id), Name: c.Name, Provider: c.Provider, Dialect: string(c.Dialect), BaseURL: c.BaseUrl,
		Hint: orText(c.SecretHint, "none"), Region: c.Region, APIVersion: c.ApiVersion, Created: view.Instant{Time: c.CreatedAt},
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
	provider := "openai"
	if _, known := providerkind.Find(v.c.QueryParam("provider")); known {
		provider = v.c.QueryParam("provider")
	}
	return v.credentialNewPage(http.StatusOK, v.newForm(v.page.Tenant.URL("credentials"), url.Values{"provider": {provider}}))
}

func (v *visit) credentialNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("credentials", "New credential", view.Crumb{Name: "Credentials", URL: t.URL("credentials")})
	m := view.CredentialForm{Form: f, Providers: providers(), For: providerFields(), BackURL: t.URL("credentials")}
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
		return v.again(v.sentForm(t.URL("credentials"), "secret", "service_account"), secretAt(clashAt(err, "name"), v), v.credentialNewPage)
	}
	return v.done(t.URL("credentials", made.Id), "“"+made.Name+"” is stored. Its secret is encrypted and will not be shown again.", made.ChangeId)
}

func (v *visit) createCredential() (*apiclient.Credential, error) {
	limits, err := v.timeouts()
	if err != nil {
		return nil, err
	}
	body := apiclient.CredentialCreate{
		Name: v.field("name"), Provider: v.field("provider"), BaseUrl: v.optional("base_url"), Secret: v.secret(),
		Region: v.optional("region"), ApiVersion: v.optional("api_version"),
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
	var c *apiclient.Credential
	var stored view.Instant
	var used []view.NamedLink
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		if c, err = control.OK(v.api.GetCredentialWithResponse(ctx, v.slug, id)); err == nil {
			stored = v.secretStored(ctx, c)
		}
		return err
	})
	g.Go(func() (err error) {
		used, err = v.modelsOf(ctx, id)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	v.at("credentials", c.Name, view.Crumb{Name: "Credentials", URL: t.URL("credentials")})
	m := view.CredentialForm{
		Form: refused, For: providerFields(), Row: credentialRow(t, *c), DeleteURL: t.URL("credentials", id, "delete"), UsedBy: used, Stored: stored,
		Delete: v.newForm("", url.Values{"version": version(c.Version)}), ModelsURL: t.URL("models", "new") + "?credential=" + url.QueryEscape(c.Id),
	}
	if m.Form.Action == "" {
		m.Form = v.newForm(t.URL("credentials", id), url.Values{
			"name": {c.Name}, "dialect": {string(c.Dialect)}, "base_url": {c.BaseUrl}, "auth_style": {string(c.AuthStyle)}, "auth_header": {c.AuthHeader}, "version": version(c.Version),
			"region": {c.Region}, "api_version": {c.ApiVersion},
			"connect_timeout_ms": {strconv.Itoa(c.ConnectTimeoutMs)}, "first_byte_timeout_ms": {strconv.Itoa(c.FirstByteTimeoutMs)}, "idle_timeout_ms": {strconv.Itoa(c.IdleTimeoutMs)},
		})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.CredentialPage(p, m) })
}

// modelsOf are the models that use a credential.
func (v *visit) modelsOf(ctx context.Context, credential string) ([]view.NamedLink, error) {
	list, _, err := v.modelList(ctx)
	var used []view.NamedLink
	for _, m := range list {
		if m.CredentialId == credential {
			used = append(used, view.NamedLink{Name: m.ProviderModel, URL: v.page.Tenant.URL("models", m.Id)})
		}
	}
	return used, err
}

// secretStored is when the secret that is in use was given: with the
// credential, or later, which the newest entries of the audit log tell. It is
// zero when they do not, and the page then does not say.
func (v *visit) secretStored(ctx context.Context, c *apiclient.Credential) view.Instant {
	if c.Version == 1 {
		return view.Instant{Time: c.CreatedAt}
	}
	page, err := control.OK(v.api.ListAuditWithResponse(ctx, v.slug, &apiclient.ListAuditParams{Limit: ptr(pageSize)}))
	if err != nil {
		return view.Instant{}
	}
	for _, e := range page.Data {
		if e.ResourceId == c.Id && e.Detail["secret_replaced"] == true {
			return view.Instant{Time: e.At}
		}
	}
	if !page.HasMore {
		return view.Instant{Time: c.CreatedAt}
	}
	return view.Instant{}
}

func (s *Server) credentialUpdate(v *visit) error {
	to := v.page.Tenant.URL("credentials", v.c.Param("id"))
	limits, err := v.timeouts()
	var c *apiclient.Credential
	if err == nil {
		body := apiclient.CredentialPatch{
			Name: ptr(v.field("name")), BaseUrl: ptr(v.field("base_url")), Secret: v.secret(),
			Region: ptr(v.field("region")), ApiVersion: ptr(v.field("api_version")),
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
		return v.again(v.sentForm(to, "secret", "service_account"), secretAt(clashAt(err, "name"), v), v.credentialPage)
	}
	return v.done(to, "Saved.", c.ChangeId)
}

func (s *Server) credentialDelete(v *visit) error {
	t := v.page.Tenant
	d, err := control.OK(v.api.DeleteCredentialWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.DeleteCredentialParams{IfMatch: v.ifMatch()}))
	if p, ok := problemOf(err); ok && p.Code == fault.InUse.Code {
		p.Text, p.Fix = v.whoUses(v.c.Param("id"), p.Text), "Delete what uses it first: the links are under “Models with it”."
	}
	if err != nil {
		return v.orTell(t.URL("credentials", v.c.Param("id")), err)
	}
	return v.done(t.URL("credentials"), "The credential is deleted.", d.ChangeId)
}

// whoUses names the models that keep a credential from being deleted.
func (v *visit) whoUses(credential, otherwise string) string {
	used, err := v.modelsOf(v.ctx, credential)
	if err != nil || len(used) == 0 {
		return otherwise
	}
	names := make([]string, 0, len(used))
	for _, m := range used {
		names = append(names, "“"+m.Name+"”")
	}
	if len(names) > 3 {
		names = append(names[:3], "others")
	}
	return "This credential is used by " + strings.Join(names, ", ") + "."
}
