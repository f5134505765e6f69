package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	var projects choices
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		page, err = control.OK(v.api.ListApiKeysWithResponse(ctx, v.slug, &apiclient.ListApiKeysParams{Limit: ptr(listSize), Cursor: v.cursor()}))
		return err
	})
	g.Go(func() (err error) {
		projects, err = v.projectNames(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m := view.Keys{NewURL: t.URL("keys", "new"), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, k := range page.Data {
		m.Rows = append(m.Rows, keyRow(t, k, projects.names))
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
	return v.keyNewPage(http.StatusOK, v.newForm(v.page.Tenant.URL("keys"), url.Values{"expiry": {"never"}, "may_call": {"all"}}))
}

func (v *visit) keyNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("keys", "New key", view.Crumb{Name: "API keys", URL: t.URL("keys")})
	var projects, routes choices
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		projects, err = v.projectNames(ctx)
		return err
	})
	g.Go(func() (err error) {
		routes, err = v.routeNames(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m := view.KeyForm{
		Form: f, Expiries: keyExpiries, BackURL: t.URL("keys"),
		Projects: projects.options, Routes: withSent(routes, f), Cut: projects.cut || routes.cut,
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.KeyNewPage(p, m) })
}

// withSent adds to the routes those that a refused form ticked and that do not
// exist, marked as such.
func withSent(routes choices, f view.Form) []view.Option {
	options := routes.options
	for _, name := range f.Values["allowed_routes"] {
		if _, known := routes.names[name]; !known {
			options = append(options, view.Option{Value: name, Label: name + " (no such route)"})
		}
	}
	return options
}

// expiry reads when something shall expire; nil is never. A day that is typed
// beside another choice is refused: one of the two was not meant.
func (v *visit) expiry() (*time.Time, error) {
	choice, day := v.field("expiry"), v.field("expires_at")
	if choice == "" && day != "" {
		choice = "date"
	}
	if choice != "date" && day != "" {
		return nil, wrongField("expires_at", "A day is typed, but “Expires” says otherwise. Choose “On a day” there, or clear the day.")
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
		if end.Before(now()) {
			return nil, wrongField("expires_at", "This day is over. Choose today or a later one.")
		}
		return &end, nil
	}
	days, err := strconv.Atoi(choice)
	if err != nil || days < 1 || days > 3650 {
		return nil, wrongField("expiry", "Choose when the key expires.")
	}
	at := now().AddDate(0, 0, days).Truncate(time.Second)
	return &at, nil
}

// allowedRoutes reads what a key may call; empty is everything, which has to
// be said: the last box that is unticked must not widen a key. The key may
// keep routes of its own that are gone.
func (v *visit) allowedRoutes(own []string) ([]string, error) {
	routes := v.c.Request().PostForm["allowed_routes"]
	switch v.field("may_call") {
	case "some":
		if len(routes) == 0 {
			return nil, wrongField("allowed_routes", "Tick at least one, or choose “All models”.")
		}
	case "all":
		if len(routes) > 0 {
			return nil, wrongField("allowed_routes", "Some are ticked while “All models” is chosen. Choose “Only these”, or untick them.")
		}
	}
	if len(routes) == 0 {
		return []string{}, nil
	}
	known, err := v.routeNames(v.ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range routes {
		if _, ok := known.names[name]; !ok && !known.cut && !slices.Contains(own, name) {
			return nil, wrongField("allowed_routes", fmt.Sprintf("there is no route “%s”, so nothing could be called by it. Untick it, or make the route first.", name))
		}
	}
	return routes, nil
}

func (s *Server) keyCreate(v *visit) error {
	t := v.page.Tenant
	made, err := v.createKey()
	if err != nil {
		return v.again(v.sentForm(t.URL("keys")), err, v.keyNewPage)
	}
	return v.doneWith(t.URL("keys", made.Id), view.Flash{
		Kind: "ok", Text: "“" + made.Name + "” is ready to use.",
		Secret: &view.Secret{Label: "The new key", Value: made.Secret, For: "keys"},
	}, made.ChangeId)
}

func (v *visit) createKey() (*apiclient.ApiKeyWithSecret, error) {
	expires, err := v.expiry()
	if err != nil {
		return nil, err
	}
	routes, err := v.allowedRoutes(nil)
	if err != nil {
		return nil, err
	}
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	return control.Created(v.api.CreateApiKeyWithResponse(v.ctx, v.slug, &apiclient.CreateApiKeyParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.ApiKeyCreate{Name: v.field("name"), ProjectId: v.optional("project_id"), AllowedRoutes: &routes, ExpiresAt: expires, ParameterRules: rules}))
}

func (s *Server) key(v *visit) error {
	return v.keyPage(http.StatusOK, view.Form{}, view.Form{})
}

// keyPage shows a key; a form that was refused is shown as it was sent.
func (v *visit) keyPage(status int, edit, rotate view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	var k *apiclient.ApiKey
	var projects, routes choices
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		k, err = v.getKey(ctx)
		return err
	})
	g.Go(func() (err error) {
		projects, err = v.projectNames(ctx)
		return err
	})
	g.Go(func() (err error) {
		routes, err = v.routeNames(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	v.at("keys", k.Name, view.Crumb{Name: "API keys", URL: t.URL("keys")})
	if edit.Action == "" {
		mayCall := "all"
		if len(k.AllowedRoutes) > 0 {
			mayCall = "some"
		}
		edit = v.newForm(t.URL("keys", id), url.Values{
			"name": {k.Name}, "may_call": {mayCall}, "allowed_routes": k.AllowedRoutes, "expiry": {"keep"}, "version": version(k.Version),
		})
		withRules(edit.Values, k.ParameterRules)
	}
	if rotate.Action == "" {
		rotate = v.newForm(t.URL("keys", id, "rotate"), url.Values{"overlap": {"86400"}})
	}
	m := view.Key{
		Key: keyRow(t, *k, projects.names), Rules: ruleRows(k.ParameterRules),
		Edit: view.KeyForm{
			Form: edit, Routes: withSent(routes, edit), Cut: routes.cut,
			Expiries: append([]view.Option{{Value: "keep", Label: "As it is"}}, keyExpiries...),
		},
		Rotate: rotate, Revoke: v.newForm("", nil), RevokeURL: t.URL("keys", id, "revoke"),
		Active:      k.Status == apiclient.ApiKeyStatusActive || k.Status == apiclient.ApiKeyStatusExpired,
		RequestsURL: t.URL("requests") + "?key=" + url.QueryEscape(k.Id),
		Overlaps: []view.Option{
			{Value: "0", Label: "at once"}, {Value: "3600", Label: "in an hour"}, {Value: "86400", Label: "in a day"},
			{Value: "604800", Label: "in 7 days"}, {Value: "2592000", Label: "in 30 days"},
		},
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.KeyPage(p, m) })
}

func (v *visit) getKey(ctx context.Context) (*apiclient.ApiKey, error) {
	return control.OK(v.api.GetApiKeyWithResponse(ctx, v.slug, v.c.Param("id")))
}

func (s *Server) keyUpdate(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	k, err := v.updateKey()
	if err != nil {
		return v.again(v.sentForm(to), err, func(status int, f view.Form) error { return v.keyPage(status, f, view.Form{}) })
	}
	return v.done(to, "Saved.", k.ChangeId)
}

func (v *visit) updateKey() (*apiclient.ApiKey, error) {
	expires, err := v.expiry()
	if err != nil {
		return nil, err
	}
	k, err := v.getKey(v.ctx)
	if err != nil {
		return nil, err
	}
	routes, err := v.allowedRoutes(k.AllowedRoutes)
	if err != nil {
		return nil, err
	}
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	body := apiclient.ApiKeyPatch{Name: ptr(v.field("name")), AllowedRoutes: &routes, ExpiresAt: expires, ParameterRules: rules}
	if v.field("expiry") == "never" {
		body.NeverExpires = ptr(true)
	}
	return control.OK(v.api.UpdateApiKeyWithResponse(v.ctx, v.slug, k.Id,
		&apiclient.UpdateApiKeyParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()}, body))
}

func (s *Server) keyRotate(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	if err := v.mayRotate(); err != nil {
		return v.again(v.sentForm(to+"/rotate"), err, func(status int, f view.Form) error { return v.keyPage(status, view.Form{}, f) })
	}
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

// mayRotate wants it said that an older secret ends, when one was promised to
// work on: only one secret works beside the newest.
func (v *visit) mayRotate() error {
	k, err := v.getKey(v.ctx)
	if err != nil {
		return err
	}
	if u := k.PreviousValidUntil; u == nil || !u.After(now()) || v.field("end_previous") == "yes" {
		return nil
	}
	return wrongField("end_previous", "Tick this to end the older secret before its time, or wait until it has ended.")
}

func (s *Server) keyRevoke(v *visit) error {
	to := v.page.Tenant.URL("keys", v.c.Param("id"))
	k, err := control.OK(v.api.RevokeApiKeyWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.RevokeApiKeyParams{IdempotencyKey: v.idempotencyKey()}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.done(to, "“"+k.Name+"” is revoked: its calls are refused from now on.", k.ChangeId)
}
