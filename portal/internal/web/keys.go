package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func keyState(s string) view.Badge {
	switch s {
	case "active":
		return view.Badge{Kind: "good", Text: "Active"}
	case "expired":
		return view.Badge{Kind: "warn", Text: "Expired"}
	case "revoked":
		return view.Badge{Kind: "bad", Text: "Revoked"}
	}
	return view.Badge{Kind: "plain", Text: s}
}

// projectNames maps project ids to names, for lists of keys.
func (v *visit) projectNames() ([]view.Option, map[string]string, error) {
	page, err := control.OK(v.api.ListProjectsWithResponse(v.ctx, v.slug, &apiclient.ListProjectsParams{Limit: ptr(100)}))
	if err != nil {
		return nil, nil, err
	}
	names := map[string]string{}
	var options []view.Option
	for _, p := range page.Data {
		names[p.Id] = p.Name
		options = append(options, view.Option{Value: p.Id, Label: p.Name})
	}
	return options, names, nil
}

func keyRow(t *view.Tenant, k apiclient.ApiKey, projects map[string]string) view.KeyRow {
	row := view.KeyRow{
		ID: k.Id, URL: t.URL("keys", k.Id), Name: k.Name, Hint: k.Hint, State: keyState(string(k.Status)),
		Project: orText(projects[k.ProjectId], k.ProjectId), Routes: k.AllowedRoutes,
		Created: view.Instant{Time: k.CreatedAt}, LastUsed: view.When(k.LastUsedAt), Expires: view.When(k.ExpiresAt), Revoked: view.When(k.RevokedAt),
	}
	if u := k.PreviousValidUntil; u != nil && u.After(now()) {
		row.Overlap = view.When(u)
	}
	return row
}

func (s *Server) keys(v *visit) error {
	v.at("keys", "API keys")
	t := v.page.Tenant
	var page *apiclient.ApiKeyPage
	var names map[string]string
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		page, err = control.OK(v.api.ListApiKeysWithResponse(ctx, v.slug, &apiclient.ListApiKeysParams{Limit: ptr(listSize), Cursor: v.cursor()}))
		return err
	})
	g.Go(func() (err error) {
		_, names, err = v.projectNames()
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m := view.Keys{NewURL: t.URL("keys", "new"), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, k := range page.Data {
		m.Rows = append(m.Rows, keyRow(t, k, names))
	}
	return v.render(func(p view.Page) templ.Component { return view.KeysPage(p, m) })
}

// cursor is where a list goes on.
func (v *visit) cursor() *string {
	if c := v.c.QueryParam("cursor"); c != "" {
		return &c
	}
	return nil
}

var keyExpiries = []view.Option{
	{Value: "never", Label: "Never"}, {Value: "7", Label: "In 7 days"}, {Value: "30", Label: "In 30 days"},
	{Value: "90", Label: "In 90 days"}, {Value: "365", Label: "In a year"}, {Value: "date", Label: "On a day"},
}

func (s *Server) keyNew(v *visit) error {
	return v.keyNewPage(http.StatusOK, v.newForm(v.page.Tenant.URL("keys"), url.Values{"expiry": {"never"}}))
}

func (v *visit) keyNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("keys", "New key", view.Crumb{Name: "API keys", URL: t.URL("keys")})
	m := view.KeyForm{Form: f, Expiries: keyExpiries, BackURL: t.URL("keys")}
	var err error
	if m.Projects, m.Routes, err = v.keyChoices(); err != nil {
		return err
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.KeyNewPage(p, m) })
}

// keyChoices are the projects and routes that a key can be limited to.
func (v *visit) keyChoices() (projects, routes []view.Option, err error) {
	var g errgroup.Group
	g.Go(func() (err error) {
		projects, _, err = v.projectNames()
		return err
	})
	g.Go(func() error {
		names, err := v.routeNames()
		for _, n := range names {
			routes = append(routes, view.Option{Value: n, Label: n})
		}
		return err
	})
	err = g.Wait()
	return projects, routes, err
}

// expiry reads when something shall expire; nil is never.
func (v *visit) expiry() (*time.Time, error) {
	choice, day := v.field("expiry"), v.field("expires_at")
	if choice == "" && day != "" {
		choice = "date"
	}
	switch choice {
	case "", "never", "keep":
		return nil, nil
	case "date":
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return nil, wrongField("expires_at", "Choose the day on which the key expires.")
		}
		end := at.AddDate(0, 0, 1).Add(-time.Second)
		return &end, nil
	}
	days, err := strconv.Atoi(choice)
	if err != nil || days < 1 || days > 3650 {
		return nil, wrongField("expiry", "Choose when the key expires.")
	}
	at := now().AddDate(0, 0, days).Truncate(time.Second)
	return &at, nil
}

func (v *visit) allowedRoutes() []string {
	routes := v.c.Request().PostForm["allowed_routes"]
	if routes == nil {
		routes = []string{}
	}
	return routes
}

func (s *Server) keyCreate(v *visit) error {
	t := v.page.Tenant
	expires, err := v.expiry()
	var made *apiclient.ApiKeyWithSecret
	if err == nil {
		made, err = control.Created(v.api.CreateApiKeyWithResponse(v.ctx, v.slug, &apiclient.CreateApiKeyParams{IdempotencyKey: v.idempotencyKey()},
			apiclient.ApiKeyCreate{Name: v.field("name"), ProjectId: v.optional("project_id"), AllowedRoutes: ptr(v.allowedRoutes()), ExpiresAt: expires}))
	}
	if err != nil {
		return v.again(v.sentForm(t.URL("keys")), err, v.keyNewPage)
	}
	return v.doneWith(t.URL("keys", made.Id), view.Flash{
		Kind: "ok", Text: "“" + made.Name + "” is ready to use.",
		Secret: &view.Secret{Label: "The new key", Value: made.Secret, For: "keys"},
	}, made.ChangeId)
}

func (s *Server) key(v *visit) error {
	return v.keyPage(http.StatusOK, view.Form{})
}

// keyPage shows a key; a form that was refused is shown as it was sent.
func (v *visit) keyPage(status int, refused view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	k, err := control.OK(v.api.GetApiKeyWithResponse(v.ctx, v.slug, id))
	if err != nil {
		return err
	}
	projects, names, err := v.projectNames()
	if err != nil {
		return err
	}
	_, routes, err := v.keyChoices()
	if err != nil {
		return err
	}
	v.at("keys", k.Name, view.Crumb{Name: "API keys", URL: t.URL("keys")})
	edit := refused
	if edit.Action == "" {
		edit = v.newForm(t.URL("keys", id), url.Values{
			"name": {k.Name}, "allowed_routes": k.AllowedRoutes, "expiry": {"keep"}, "version": {strconv.FormatInt(k.Version, 10)},
		})
	}
	for _, r := range k.AllowedRoutes {
		routes = keepChosen(routes, r)
	}
	m := view.Key{
		Key:    keyRow(t, *k, names),
		Edit:   view.KeyForm{Form: edit, Projects: projects, Routes: routes, Expiries: append([]view.Option{{Value: "keep", Label: "As it is"}}, keyExpiries...)},
		Rotate: v.newForm("", url.Values{"overlap": {"86400"}}), RotateURL: t.URL("keys", id, "rotate"),
		Revoke: v.newForm("", nil), RevokeURL: t.URL("keys", id, "revoke"), Active: k.Status == apiclient.ApiKeyStatusActive || k.Status == apiclient.ApiKeyStatusExpired,
		RequestsURL: t.URL("requests") + "?key=" + url.QueryEscape(k.Id),
		Overlaps: []view.Option{
			{Value: "0", Label: "at once"}, {Value: "3600", Label: "in an hour"}, {Value: "86400", Label: "in a day"},
			{Value: "604800", Label: "in 7 days"}, {Value: "2592000", Label: "in 30 days"},
		},
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.KeyPage(p, m) })
}

func (s *Server) keyUpdate(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	expires, err := v.expiry()
	var k *apiclient.ApiKey
	if err == nil {
		body := apiclient.ApiKeyPatch{Name: ptr(v.field("name")), AllowedRoutes: ptr(v.allowedRoutes()), ExpiresAt: expires}
		if v.field("expiry") == "never" {
			body.NeverExpires = ptr(true)
		}
		k, err = control.OK(v.api.UpdateApiKeyWithResponse(v.ctx, v.slug, v.c.Param("id"),
			&apiclient.UpdateApiKeyParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()}, body))
	}
	if err != nil {
		return v.again(v.sentForm(to), err, v.keyPage)
	}
	return v.done(to, "Saved.", k.ChangeId)
}

func (s *Server) keyRotate(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	overlap, err := strconv.Atoi(v.field("overlap"))
	if err != nil {
		overlap = 86400
	}
	k, err := control.OK(v.api.RotateApiKeyWithResponse(v.ctx, v.slug, v.c.Param("id"),
		&apiclient.RotateApiKeyParams{IdempotencyKey: v.idempotencyKey()}, apiclient.ApiKeyRotate{OverlapSeconds: &overlap}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.doneWith(to, view.Flash{
		Kind: "ok", Text: "“" + k.Name + "” has a new secret.",
		Secret: &view.Secret{Label: "The new secret", Value: k.Secret, For: "keys"},
	}, k.ChangeId)
}

func (s *Server) keyRevoke(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	k, err := control.OK(v.api.RevokeApiKeyWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.RevokeApiKeyParams{IdempotencyKey: v.idempotencyKey()}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.done(to, "“"+k.Name+"” is revoked: its calls are refused from now on.", k.ChangeId)
}
