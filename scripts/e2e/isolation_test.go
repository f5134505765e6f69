package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tollgate/tollgate/proto/openapi/apiserver"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// marker is in every name that the victim gives, so that foreign data is
// recognised wherever it turns up.
const marker = "Victimsname"

// victim has one of each resource.
type victim struct {
	*account
	// ids by the name of the path parameter or body field that takes them.
	ids map[string]string
}

// TestNoOperationReachesAnotherTenant walks every operation of the API as
// another tenant's owner, and with a management key of that tenant, with every
// id of the victim.
func TestNoOperationReachesAnotherTenant(t *testing.T) {
	spec, err := apiserver.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	v := newVictim(t)
	before := v.state(t)
	attacker := signUp(t, "Attacker")
	var key struct{ Secret string }
	must(t, attacker.api.Do(t.Context(), "POST", attacker.path("/management-keys"), map[string]any{"name": "k", "role": "owner"}, &key))
	walked := 0
	for _, api := range []*stand.API{attacker.api, up.api.As(key.Secret)} {
		for path, item := range spec.Paths.Map() {
			for method, op := range item.Operations() {
				if op.OperationID == "signOut" { // it would end the walk
					continue
				}
				w := walk{t: t, v: v, api: api, own: attacker, path: path, item: item, method: method, op: op}
				walked += w.run()
			}
		}
	}
	if walked < 100 {
		t.Errorf("only %d calls were made", walked)
	}
	if after := v.state(t); after != before {
		t.Errorf("the victim has changed:\nbefore %s\nafter  %s", before, after)
	}
}

func newVictim(t *testing.T) *victim {
	v := &victim{account: signUp(t, marker), ids: map[string]string{}}
	make := func(param, path string, body map[string]any) {
		t.Helper()
		var made struct {
			ID       string `json:"id"`
			ChangeID int64  `json:"change_id"`
		}
		must(t, v.api.Do(t.Context(), "POST", v.path(path), body, &made))
		v.ids[param] = made.ID
		if made.ChangeID > 0 {
			v.ids["change_id"] = fmt.Sprint(made.ChangeID)
		}
	}
	v.ids["tenant_id"], v.ids["api_key_id"] = v.id, v.keyID
	make("project_id", "/projects", map[string]any{"name": marker + " project"})
	make("management_key_id", "/management-keys", map[string]any{"name": marker, "role": "owner"})
	make("credential_id", "/credentials", map[string]any{"name": marker, "provider": "openai", "secret": "sk-" + marker + "-0123456789"})
	make("model_id", "/models", map[string]any{"credential_id": v.ids["credential_id"], "provider_model": marker, "price": map[string]any{"input": "1", "output": "2"}})
	make("route_id", "/routes", map[string]any{"name": marker, "model_id": v.ids["model_id"]})
	var members struct {
		Data []struct{ ID string }
	}
	must(t, v.api.Do(t.Context(), "GET", v.path("/members"), nil, &members))
	v.ids["member_id"] = members.Data[0].ID
	resp, err := stand.Post(t.Context(), up.gateway+"/v1/chat/completions", v.key, []byte(`{"model":"demo","messages":[{"role":"user","content":"hi"}]}`))
	must(t, err)
	resp.Body.Close()
	v.ids["request_id"] = resp.Header.Get("X-Request-Id")
	v.ledger(t, func(r []request) error {
		if len(r) == 0 {
			return errors.New("the request is not in the ledger")
		}
		return nil
	})
	var change struct{ Revision int64 }
	eventually(t, 15e9, func() error {
		err := v.api.Do(t.Context(), "GET", v.path("/config/changes/"+v.ids["change_id"]), nil, &change)
		if err == nil && change.Revision == 0 {
			err = errors.New("the change has no revision")
		}
		return err
	})
	v.ids["revision"] = fmt.Sprint(change.Revision)
	return v
}

// state is all that the victim has, to see that nobody changed it.
func (v *victim) state(t *testing.T) string {
	t.Helper()
	var all []string
	for _, path := range []string{"", "/projects", "/members", "/management-keys", "/credentials", "/models", "/routes", "/models/" + v.ids["model_id"] + "/prices", "/audit"} {
		raw, err := v.api.Raw(t.Context(), "GET", v.path(path), nil)
		must(t, err)
		all = append(all, string(raw))
	}
	var keys struct {
		Data []struct {
			ID, Status, Hint string
			Version          int
		}
	}
	must(t, v.api.Do(t.Context(), "GET", v.path("/api-keys"), nil, &keys))
	return fmt.Sprint(all, keys)
}

// walk is one operation, called by one stranger.
type walk struct {
	t      *testing.T
	v      *victim
	api    *stand.API
	own    *account
	path   string
	item   *openapi3.PathItem
	method string
	op     *openapi3.Operation
}

// run calls the operation at the victim's address, by id and by slug, and at
// the stranger's own address with the victim's ids. It returns how many calls
// it made.
func (w *walk) run() (calls int) {
	names := w.parameters()
	if slices.Contains(names, "tenant_id") {
		for _, tenant := range []string{w.v.id, w.v.slug} {
			status, body := w.call(tenant)
			calls++
			if status/100 == 2 {
				w.t.Errorf("%s for tenant %s is answered %d: %.300s", w.op.OperationID, tenant, status, body)
			}
		}
	}
	status, body := w.call(w.own.id)
	calls++
	switch foreign := w.foreign(body); {
	case status/100 == 5:
		w.t.Errorf("%s is answered %d: %.300s", w.op.OperationID, status, body)
	case status/100 == 2 && foreign != "":
		w.t.Errorf("%s gives away %q: %.500s", w.op.OperationID, foreign, body)
	case status/100 == 2 && len(names) > 1:
		w.t.Errorf("%s takes the victim's id and is answered %d: %.300s", w.op.OperationID, status, body)
	}
	return calls
}

// parameters are the names in the path.
func (w *walk) parameters() (names []string) {
	for part := range strings.SplitSeq(w.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

func (w *walk) call(tenant string) (status int, body string) {
	path := w.path
	for _, name := range w.parameters() {
		id, ok := w.v.ids[name]
		if !ok {
			w.t.Fatalf("%s: the victim has no %s: give it one in newVictim", w.op.OperationID, name)
		}
		if name == "tenant_id" {
			id = tenant
		}
		path = strings.ReplaceAll(path, "{"+name+"}", id)
	}
	var in any
	if w.op.RequestBody != nil {
		in = w.sample(w.op.RequestBody.Value.Content["application/json"].Schema.Value, "")
	}
	raw, err := w.api.Raw(w.t.Context(), w.method, path, in)
	var refused *stand.StatusError
	switch {
	case errors.As(err, &refused):
		return refused.Status, refused.Body
	case err != nil:
		w.t.Fatal(err)
	}
	return http.StatusOK, string(raw)
}

// foreign finds something of the victim in an answer.
func (w *walk) foreign(body string) string {
	for _, s := range []string{marker, strings.ToLower(marker), w.v.id, w.v.email} {
		if strings.Contains(body, s) {
			return s
		}
	}
	for name, s := range w.v.ids {
		if strings.HasSuffix(name, "_id") && name != "change_id" && strings.Contains(body, s) {
			return s
		}
	}
	return ""
}

// sample makes a valid value: the victim's ids where ids go, else the least
// that the schema takes.
func (w *walk) sample(s *openapi3.Schema, name string) any {
	switch {
	case len(s.AllOf) > 0:
		out := map[string]any{}
		for _, part := range s.AllOf {
			if m, ok := w.sample(part.Value, name).(map[string]any); ok {
				for k, v := range m {
					out[k] = v
				}
			}
		}
		return out
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type.Is("object"):
		out := map[string]any{}
		for field, p := range s.Properties {
			if slices.Contains(s.Required, field) || w.v.ids[field] != "" {
				out[field] = w.sample(p.Value, field)
			}
		}
		return out
	case s.Type.Is("array"):
		return []any{}
	case s.Type.Is("integer"), s.Type.Is("number"):
		return 1
	case s.Type.Is("boolean"):
		return true
	}
	if id := w.v.ids[name]; id != "" {
		return id
	}
	switch name {
	case "email":
		return "stranger@tollgate.test"
	case "password":
		return password
	case "provider":
		return "openai"
	}
	if s.Example != nil {
		return s.Example
	}
	if s.Description != "" && strings.Contains(s.Description, "dollars") {
		return "1"
	}
	return "sample"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAKeyOpensItsOwnTenantOnly: the address names a tenant, the key another.
func TestAKeyOpensItsOwnTenantOnly(t *testing.T) {
	a, b := signUp(t, "OwnA"), signUp(t, "OwnB")
	resp, err := stand.Post(t.Context(), up.gateway+"/t/"+b.slug+"/v1/chat/completions", a.key, []byte(`{"model":"demo","messages":[{"role":"user","content":"hi"}]}`))
	must(t, err)
	defer resp.Body.Close()
	var e struct{ Error struct{ Code string } }
	must(t, json.NewDecoder(resp.Body).Decode(&e))
	if resp.StatusCode != 403 || e.Error.Code != "tenant_mismatch" {
		t.Errorf("status %d, code %q", resp.StatusCode, e.Error.Code)
	}
}
