package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// auditKinds are what changes are about, for the filter.
var auditKinds = []view.Option{
	{Value: "", Label: "Everything"}, {Value: "api_key", Label: "API keys"}, {Value: "route", Label: "Routes"}, {Value: "model", Label: "Models"},
	{Value: "price", Label: "Prices"}, {Value: "credential", Label: "Credentials"}, {Value: "project", Label: "Projects"}, {Value: "member", Label: "Members"},
	{Value: "management_key", Label: "Management keys"}, {Value: "tenant", Label: "Tenants"}, {Value: "catalog_model", Label: "Catalogue"},
	{Value: "operator", Label: "Operators"},
}

// auditLog is a page of one of the two logs.
type auditLog struct {
	sub  string
	base string
	read func(cursor *string) (*apiclient.AuditPage, error)
	// link leads to what an entry is about; empty where there is no page.
	link func(apiclient.AuditEntry) string
	// seeding hides what Tollgate itself put into the catalogue, unless asked.
	seeding bool
}

func (s *Server) audit(v *visit) error {
	v.at("audit", "Audit")
	t := v.page.Tenant
	return v.auditPage(auditLog{
		sub: "Who changed what, newest first, UTC. Entries are chained by hash and cannot be changed.", base: t.URL("audit"),
		read: func(cursor *string) (*apiclient.AuditPage, error) {
			return control.OK(v.api.ListAuditWithResponse(v.ctx, v.slug, &apiclient.ListAuditParams{Limit: ptr(pageSize), Cursor: cursor}))
		},
		link: func(e apiclient.AuditEntry) string {
			switch e.ResourceKind {
			case "api_key":
				return t.URL("keys", e.ResourceId)
			case "credential", "model", "route", "project":
				return t.URL(e.ResourceKind+"s", e.ResourceId)
			case "member", "management_key":
				return t.URL(strings.ReplaceAll(e.ResourceKind, "_", "-") + "s")
			case "tenant":
				return t.URL("settings")
			}
			return ""
		},
	})
}

func (s *Server) operatorAudit(v *visit) error {
	v.at("audit", "Audit")
	return v.auditPage(auditLog{
		sub: "What operators changed, newest first, UTC.", base: "/admin/audit", seeding: true,
		read: func(cursor *string) (*apiclient.AuditPage, error) {
			return control.OK(v.api.ListOperatorAuditWithResponse(v.ctx, &apiclient.ListOperatorAuditParams{Limit: ptr(pageSize), Cursor: cursor}))
		},
		link: func(e apiclient.AuditEntry) string {
			switch e.ResourceKind {
			case "tenant":
				return adminTenantURL(e.ResourceId)
			case "catalog_model":
				return "/admin/catalog/price?model=" + url.QueryEscape(e.ResourceId)
			}
			return ""
		},
	})
}

func (v *visit) auditPage(log auditLog) error {
	q := v.c.QueryParams()
	m := view.Audit{
		Sub: log.sub, Base: log.base, Kinds: auditKinds, Kind: q.Get("what"), Who: strings.TrimSpace(q.Get("who")),
		Seeding: log.seeding, Seeded: q.Get("seeded") == "1",
	}
	status, problem := wrongFilter(oneOf("kind of change", m.Kind, auditKinds))
	if m.Problem = problem; problem == nil {
		if err := v.auditEntries(&m, log); err != nil {
			return err
		}
	}
	m.Filtered = m.Kind != "" || m.Who != "" || m.Seeded
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.AuditPage(p, m) })
}

// auditEntries reads on until there is a page full of entries that fit. The
// log itself knows no filters, so it stops at a bound and says so.
func (v *visit) auditEntries(m *view.Audit, log auditLog) error {
	cursor := v.cursor()
	var read []apiclient.AuditEntry
	for range mostPages {
		page, err := log.read(cursor)
		if err != nil {
			return err
		}
		read = append(read, page.Data...)
		m.Rows = auditRows(read, log, *m)
		m.Pager = pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)
		if len(m.Rows) >= listSize || m.Pager.Next == "" {
			return nil
		}
		cursor = page.NextCursor
	}
	m.Searched = int64(len(read))
	return nil
}

// auditRows are the entries that fit, each with what it changed.
func auditRows(entries []apiclient.AuditEntry, log auditLog, m view.Audit) []view.AuditRow {
	var rows []view.AuditRow
	for i, e := range entries {
		kind, _, _ := strings.Cut(e.Action, ".")
		who := strings.ToLower(e.ActorName + " " + e.ActorId + " " + e.ActorKind)
		seeded := e.ActorKind == "system" && e.ResourceKind == "catalog_model"
		if m.Kind != "" && kind != m.Kind || !strings.Contains(who, strings.ToLower(m.Who)) || m.Seeding && seeded && !m.Seeded {
			continue
		}
		row := view.AuditRow{
			Seq: strconv.FormatInt(e.Seq, 10), At: view.Instant{Time: e.At}, Actor: orText(e.ActorName, e.ActorId), ActorKind: strings.ReplaceAll(e.ActorKind, "_", " "),
			Action: e.Action, Kind: strings.ReplaceAll(e.ResourceKind, "_", " "), ID: e.ResourceId, Name: nameIn(e.Detail),
			RequestID: dash(e.RequestId), IP: dash(e.ClientIp), Hash: e.Hash, Details: auditDetails(e, before(e, entries[i+1:])),
		}
		if !strings.HasSuffix(e.Action, ".delete") && !strings.HasSuffix(e.Action, ".remove") {
			row.URL = log.link(e)
		}
		rows = append(rows, row)
	}
	return rows
}

// nameIn is what people call the thing that an entry is about.
func nameIn(detail map[string]any) string {
	for _, key := range []string{"name", "provider_model", "email"} {
		if name, ok := detail[key].(string); ok && name != "" {
			return name
		}
	}
	return ""
}

// before is how the resource stood: an entry holds what a change led to, so
// that the one before it holds where it came from.
func before(e apiclient.AuditEntry, older []apiclient.AuditEntry) map[string]any {
	if !strings.HasSuffix(e.Action, ".update") {
		return nil
	}
	for _, o := range older {
		if o.ResourceId == e.ResourceId && (o.Action == e.Action || o.Action == strings.TrimSuffix(e.Action, "update")+"create") {
			return o.Detail
		}
	}
	return nil
}

// auditDetails are the details line by line, with what was there before where
// that is known and differs.
func auditDetails(e apiclient.AuditEntry, old map[string]any) []view.AuditDetail {
	keys := slices.Collect(maps.Keys(e.Detail))
	for key := range old {
		if _, there := e.Detail[key]; !there {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out []view.AuditDetail
	for _, key := range keys {
		d := view.AuditDetail{Name: strings.ReplaceAll(key, "_", " "), Now: detailText(e.Detail[key])}
		if was := detailText(old[key]); old != nil && was != d.Now && key != "secret_replaced" {
			d.Before = was
		}
		out = append(out, d)
	}
	return out
}

// detailText writes a value for people to read.
func detailText(value any) string {
	switch x := value.(type) {
	case nil:
		return "none"
	case string:
		return orText(x, "none")
	case bool:
		return map[bool]string{true: "yes", false: "no"}[x]
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case []any:
		parts := make([]string, 0, len(x))
		for _, p := range x {
			parts = append(parts, detailText(p))
		}
		return orText(strings.Join(parts, ", "), "none")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}
