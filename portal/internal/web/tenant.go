package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func version(n int64) []string { return []string{strconv.FormatInt(n, 10)} }

func (s *Server) projects(v *visit) error {
	return v.projectsPage(http.StatusOK, v.newForm(v.page.Tenant.URL("projects"), nil))
}

func (v *visit) projectsPage(status int, f view.Form) error {
	v.at("projects", "Projects")
	page, err := control.OK(v.api.ListProjectsWithResponse(v.ctx, v.slug, &apiclient.ListProjectsParams{Limit: ptr(listSize), Cursor: v.cursor()}))
	if err != nil {
		return err
	}
	m := view.Projects{Form: f, Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, p := range page.Data {
		m.Rows = append(m.Rows, projectRow(v.page.Tenant, p))
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.ProjectsPage(p, m) })
}

func projectRow(t *view.Tenant, p apiclient.Project) view.ProjectRow {
	return view.ProjectRow{ID: p.Id, URL: t.URL("projects", p.Id), Name: p.Name, Created: view.Instant{Time: p.CreatedAt}, UsageURL: t.URL("usage") + "?by=project"}
}

func (s *Server) projectCreate(v *visit) error {
	to := v.page.Tenant.URL("projects")
	p, err := v.createProject()
	if err != nil {
		return v.again(v.sentForm(to), clashAt(err, "name"), v.projectsPage)
	}
	return v.done(to, "“"+p.Name+"” is made.", p.ChangeId)
}

func (v *visit) createProject() (*apiclient.Project, error) {
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	return control.Created(v.api.CreateProjectWithResponse(v.ctx, v.slug, &apiclient.CreateProjectParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.ProjectCreate{Name: v.field("name"), ParameterRules: rules}))
}

func (s *Server) project(v *visit) error { return v.projectPage(http.StatusOK, view.Form{}) }

func (v *visit) projectPage(status int, refused view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	p, err := control.OK(v.api.GetProjectWithResponse(v.ctx, v.slug, id))
	if err != nil {
		return err
	}
	v.at("projects", p.Name, view.Crumb{Name: "Projects", URL: t.URL("projects")})
	m := view.Project{Row: projectRow(t, *p), Rules: ruleRows(p.ParameterRules), Form: refused, DeleteURL: t.URL("projects", id, "delete"), Delete: v.newForm("", url.Values{"version": version(p.Version)})}
	if m.Form.Action == "" {
		m.Form = v.newForm(t.URL("projects", id), withRules(url.Values{"name": {p.Name}, "version": version(p.Version)}, p.ParameterRules))
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.ProjectPage(p, m) })
}

func (s *Server) projectUpdate(v *visit) error {
	to := v.page.Tenant.URL("projects", v.c.Param("id"))
	p, err := v.updateProject()
	if err != nil {
		return v.again(v.sentForm(to), clashAt(err, "name"), v.projectPage)
	}
	return v.done(to, "Saved.", p.ChangeId)
}

func (v *visit) updateProject() (*apiclient.Project, error) {
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	return control.OK(v.api.UpdateProjectWithResponse(v.ctx, v.slug, v.c.Param("id"),
		&apiclient.UpdateProjectParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()},
		apiclient.ProjectPatch{Name: ptr(v.field("name")), ParameterRules: rules}))
}

func (s *Server) projectDelete(v *visit) error {
	t := v.page.Tenant
	d, err := control.OK(v.api.DeleteProjectWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.DeleteProjectParams{IfMatch: v.ifMatch()}))
	if err != nil {
		return v.orTell(t.URL("projects", v.c.Param("id")), err)
	}
	return v.done(t.URL("projects"), "The project is deleted.", d.ChangeId)
}

func (s *Server) members(v *visit) error {
	return v.membersPage(http.StatusOK, v.newForm(v.page.Tenant.URL("members"), url.Values{"role": {"developer"}}))
}

func (v *visit) membersPage(status int, f view.Form) error {
	v.at("members", "Members")
	t := v.page.Tenant
	page, err := control.OK(v.api.ListMembersWithResponse(v.ctx, v.slug, &apiclient.ListMembersParams{Limit: ptr(listSize), Cursor: v.cursor()}))
	if err != nil {
		return err
	}
	m := view.Members{Form: f, Roles: roleOptions(), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, p := range page.Data {
		m.Rows = append(m.Rows, view.MemberRow{
			ID: p.Id, Name: orText(p.Name, p.Email), Email: p.Email, Role: string(p.Role), Since: view.Instant{Time: p.CreatedAt}, Self: p.UserId == v.me.Id,
			RoleURL: t.URL("members", p.Id), RemoveURL: t.URL("members", p.Id, "remove"), Form: v.newForm("", url.Values{"version": version(p.Version)}),
		})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.MembersPage(p, m) })
}

func (s *Server) memberAdd(v *visit) error {
	to := v.page.Tenant.URL("members")
	m, err := control.Created(v.api.AddMemberWithResponse(v.ctx, v.slug, &apiclient.AddMemberParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.MemberCreate{Email: v.field("email"), Role: apiclient.Role(v.field("role"))}))
	if p, ok := problemOf(err); ok && p.Status == http.StatusNotFound && len(p.Fields) > 0 {
		// Nobody has this address: that is about the field, not about the page.
		p.Status = http.StatusUnprocessableEntity
	}
	if err != nil {
		return v.again(v.sentForm(to), err, v.membersPage)
	}
	return v.done(to, orText(m.Name, m.Email)+" is now a member: "+string(m.Role)+".", nil)
}

func (s *Server) memberUpdate(v *visit) error {
	to := v.page.Tenant.URL("members")
	m, err := control.OK(v.api.UpdateMemberWithResponse(v.ctx, v.slug, v.c.Param("id"),
		&apiclient.UpdateMemberParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()}, apiclient.MemberPatch{Role: apiclient.Role(v.field("role"))}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.done(to, orText(m.Name, m.Email)+" is now "+string(m.Role)+".", nil)
}

func (s *Server) memberRemove(v *visit) error {
	to := v.page.Tenant.URL("members")
	_, err := control.OK(v.api.RemoveMemberWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.RemoveMemberParams{IfMatch: v.ifMatch()}))
	if err != nil {
		return v.orTell(to, err)
	}
	return v.done(to, "The member is removed.", nil)
}

func (s *Server) settings(v *visit) error { return v.settingsPage(http.StatusOK, view.Form{}) }

func (v *visit) settingsPage(status int, refused view.Form) error {
	v.at("settings", "Settings")
	t, err := control.OK(v.api.GetTenantWithResponse(v.ctx, v.slug))
	if err != nil {
		return err
	}
	m := view.Settings{Form: refused, ID: t.Id, Slug: t.Slug, Created: view.Instant{Time: t.CreatedAt}, State: tenantState(t.Status), GatewayURL: v.s.gatewayURL}
	if m.Form.Action == "" {
		m.Form = v.newForm(v.page.Tenant.URL("settings"), url.Values{"name": {t.Name}, "version": version(t.Version)})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.SettingsPage(p, m) })
}

func tenantState(s apiclient.TenantStatus) view.Badge {
	if s == apiclient.TenantStatusSuspended {
		return view.Badge{Kind: "bad", Text: "Suspended"}
	}
	return view.Badge{Kind: "good", Text: "Active"}
}

func (s *Server) settingsUpdate(v *visit) error {
	to := v.page.Tenant.URL("settings")
	t, err := control.OK(v.api.UpdateTenantWithResponse(v.ctx, v.slug,
		&apiclient.UpdateTenantParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()}, apiclient.TenantPatch{Name: ptr(v.field("name"))}))
	if err != nil {
		return v.again(v.sentForm(to), err, v.settingsPage)
	}
	return v.done(to, "Saved.", t.ChangeId)
}
