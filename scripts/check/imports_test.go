package check

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which modules of ours each module may use, and why no more.
var mayImport = map[string]struct {
	modules []string
	reason  string
}{
	"proto":        {nil, "the contract depends on nobody, so that everybody can depend on it"},
	"migrations":   {[]string{"proto"}, "the shape of the database is older than any program"},
	"controlplane": {[]string{"proto", "migrations"}, "the programs know one another by the contract alone, so that each can be deployed, restarted and replaced by itself"},
	"dataplane":    {[]string{"proto"}, "the request path has no database and no control plane in it"},
	"portal":       {[]string{"proto"}, "the portal is a client of the control plane's API and of nothing else"},
	"deploy":       {[]string{"proto", "migrations", "controlplane", "dataplane", "portal"}, "deploy joins the programs; the checks and journeys of scripts come after it"},
	"scripts":      {[]string{"proto", "migrations", "controlplane", "dataplane", "portal", "deploy"}, ""},
}

// importProblem says why a file in dir may not import a path of ours.
func importProblem(dir, path string) string {
	from, to := module(dir), module(path)
	rule, known := mayImport[from]
	switch {
	case !known:
		return fmt.Sprintf("module %q has no row in mayImport", from)
	case from != to && !slices.Contains(rule.modules, to):
		return fmt.Sprintf("%s may not import %s: %s", from, to, rule.reason)
	case from == to:
		return layerProblem(from, strings.TrimPrefix(dir, from), strings.TrimPrefix(strings.TrimPrefix(path, modulePrefix), from))
	}
	return ""
}

// edges turn the outside world into calls of the noun packages. Nothing but the
// root may know them.
var edges = map[string][]string{
	"controlplane": {"/internal/httpapi", "/internal/publish", "/internal/ingest"},
	"dataplane":    {"/internal/httpapi"},
	"portal":       {"/internal/web"},
}

// layerProblem checks cmd → root → edges → the rest, inside one module; from
// and to are directories below the module.
func layerProblem(mod, from, to string) string {
	if edges[mod] == nil {
		return ""
	}
	isEdge := func(dir string) bool {
		return slices.ContainsFunc(edges[mod], func(e string) bool { return dir == e || strings.HasPrefix(dir, e+"/") })
	}
	switch {
	case strings.HasPrefix(to, "/cmd/"):
		return "nothing imports a command: its work belongs in the root package"
	case to == "" && !strings.HasPrefix(from, "/cmd/"):
		return "only the command imports the root package: the root joins the parts, the parts do not know the whole"
	case isEdge(to) && from != "" && !strings.HasPrefix(from, to[:strings.LastIndex(to, "/")+1]):
		return "only the root imports an edge package"
	case isEdge(to) && from != "" && !isEdge(from):
		return "only the root imports an edge package: rules must not depend on how they are reached"
	}
	return ""
}

func TestOwnImports(t *testing.T) {
	for _, f := range repo(t).goes {
		if f.test {
			continue
		}
		for _, path := range f.imports() {
			if !strings.HasPrefix(path, modulePrefix) {
				continue
			}
			if p := importProblem(f.dir, path); p != "" {
				t.Errorf("%s imports %s: %s", f.path, path, p)
			}
		}
	}
}

// Tests may reach further inside their module, but never across programs.
func TestOwnImportsOfTests(t *testing.T) {
	for _, f := range repo(t).goes {
		if !f.test {
			continue
		}
		for _, path := range f.imports() {
			if !strings.HasPrefix(path, modulePrefix) || module(path) == module(f.dir) {
				continue
			}
			rule := mayImport[module(f.dir)]
			if m := module(path); m != "migrations" && !slices.Contains(rule.modules, m) {
				t.Errorf("%s imports %s: %s", f.path, path, rule.reason)
			}
		}
	}
}

func TestRulesCatchWhatTheyForbid(t *testing.T) {
	for _, c := range []struct{ dir, path string }{
		{"controlplane/internal/tenant", "dataplane"},
		{"portal/internal/web", "controlplane/internal/tenant"},
		{"dataplane", "migrations"},
		{"proto/fault", "controlplane"},
		{"dataplane/internal/pipeline", "dataplane/internal/httpapi"},
		{"controlplane/internal/tenant", "controlplane/internal/httpapi"},
		{"controlplane/internal/httpapi", "controlplane"},
		{"portal", "portal/cmd/portal"},
		{"deploy/tollgate", "scripts/loadgen"},
	} {
		if importProblem(c.dir, modulePrefix+c.path) == "" {
			t.Errorf("%s may import %s, which the rules should forbid", c.dir, c.path)
		}
	}
	for _, c := range []struct{ dir, path string }{
		{"controlplane", "controlplane/internal/httpapi"},
		{"controlplane/cmd/controlplane", "controlplane"},
		{"controlplane/internal/httpapi", "controlplane/internal/tenant"},
		{"dataplane/internal/pipeline", "proto/fault"},
		{"deploy/tollgate", "dataplane"},
	} {
		if p := importProblem(c.dir, modulePrefix+c.path); p != "" {
			t.Errorf("%s may not import %s: %s", c.dir, c.path, p)
		}
	}
}

// What a program must not carry, not even through others.
func TestProgramsDoNotLink(t *testing.T) {
	for _, c := range []struct{ program, library, reason string }{
		{"dataplane/cmd/dataplane", "github.com/nats-io/nats-server", "it would make the binary four times as large"},
		{"dataplane/cmd/dataplane", "github.com/jackc/pgx", "the request path has no database"},
		{"portal/cmd/portal", "github.com/jackc/pgx", "the portal has no database"},
		{"portal/cmd/portal", "github.com/nats-io/", "the portal speaks the API alone"},
		{"controlplane/cmd/controlplane", "github.com/nats-io/nats-server", "it runs beside a NATS"},
	} {
		cmd := exec.Command("go", "list", "-deps", "./"+c.program)
		cmd.Dir = repo(t).root
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("list what %s links: %v", c.program, err)
			continue
		}
		for dep := range strings.Lines(string(out)) {
			if strings.HasPrefix(dep, c.library) {
				t.Errorf("%s links %s: %s", c.program, strings.TrimSpace(dep), c.reason)
				break
			}
		}
	}
}
