package tenantconfig_test

import (
	"testing"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// TestRulesOfKeysProjectsAndRoutes: rules come from a snapshot and with
// changes, keys made alike share theirs, and all go when they are taken away.
func TestRulesOfKeysProjectsAndRoutes(t *testing.T) {
	b, w := startBroker(t), newWorld(t)
	b.serve(w)
	a := w.account("acme")
	rules := []*configv1.ParameterRule{{Parameter: "stream", Action: configv1.ParameterAction_PARAMETER_ACTION_FORBID}}
	ruled := func(secret string) *configv1.ApiKey {
		k := a.key(secret)
		k.ParameterRules = rules
		return k
	}
	first := ruled("first")
	w.put(a.tenant, first)
	w.put(a.tenant, ruled("second"))
	limited := ruled("limited")
	limited.AllowedRoutes = []string{"gpt"}
	w.put(a.tenant, limited)
	w.put(a.tenant, a.key("plain"))
	s, _ := following(t, b, w, plain)

	one, _ := s.LookupKey(hash("first"))
	two, _ := s.LookupKey(hash("second"))
	three, _ := s.LookupKey(hash("limited"))
	four, _ := s.LookupKey(hash("plain"))
	if one.Rules == nil || one.Rules != two.Rules {
		t.Error("two keys with the same rules do not share them")
	}
	if three.Rules == nil || len(three.AllowedRoutes) != 1 || len(one.AllowedRoutes) != 0 || four.Rules != nil {
		t.Errorf("limits: %+v, %+v", three, four)
	}
	pinned := one.Tenant.Pin()
	if r, _ := pinned.Route("gpt"); r.Rules != nil || pinned.ProjectRules(a.project) != nil {
		t.Error("rules that nobody made")
	}
	w.put(a.tenant, &configv1.Project{Id: a.project, ParameterRules: rules})
	w.put(a.tenant, &configv1.Route{Id: a.route_, Name: "gpt", Targets: []*configv1.Target{{ModelId: a.model}}, ParameterRules: rules})
	eventually(t, "project and route have rules", func() bool {
		c := one.Tenant.Pin()
		r, ok := c.Route("gpt")
		return ok && r.Rules != nil && c.ProjectRules(a.project) != nil && c.ProjectRules("prj_other") == nil
	})
	free := proto.CloneOf(first)
	free.ParameterRules = nil
	w.put(a.tenant, free)
	w.remove(a.tenant, configv1.Kind_KIND_PROJECT, a.project)
	eventually(t, "key and project have none", func() bool {
		k, ok := s.LookupKey(hash("first"))
		return ok && k.Rules == nil && one.Tenant.Pin().ProjectRules(a.project) == nil
	})
}
