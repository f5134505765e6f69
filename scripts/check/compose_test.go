package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{filepath.Join(repo(t).root, "docker-compose.yml")},
		cli.WithoutEnvironmentResolution,
		cli.WithEnv([]string{"POSTGRES_PASSWORD=p", "TOLLGATE_ADMIN_EMAIL=a@example.com", "TOLLGATE_ADMIN_PASSWORD=long enough", "TOLLGATE_PORTAL_KEY=0123456789abcdef"}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("docker-compose.yml is not valid: %v", err)
	}
	return p
}

func TestComposeFileHasTheWholeProduct(t *testing.T) {
	p := compose(t)
	names := p.ServiceNames()
	for _, want := range []string{"postgres", "nats", "controlplane", "dataplane-1", "dataplane-2", "portal", "migrate", "keygen"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no service %s", want)
		}
	}
	dockerfile := ""
	for _, s := range p.Services {
		if s.Build == nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.Build.Context, s.Build.Dockerfile))
		if err != nil {
			t.Fatal(err)
		}
		dockerfile = string(b)
		if !strings.Contains(dockerfile, " AS "+s.Build.Target+"\n") {
			t.Errorf("%s builds target %s, which the Dockerfile does not have", s.Name, s.Build.Target)
		}
	}
	for _, m := range regexp.MustCompile(`\./([a-z]+/cmd/[a-z]+|deploy/tollgate)`).FindAllStringSubmatch(dockerfile, -1) {
		if _, err := os.Stat(filepath.Join(repo(t).root, m[1])); err != nil {
			t.Errorf("the Dockerfile builds %s, which does not exist", m[1])
		}
	}
}

func TestComposeKeepsSecretsApart(t *testing.T) {
	p := compose(t)
	mounts := func(service string) string {
		var b strings.Builder
		for _, v := range p.Services[service].Volumes {
			b.WriteString(v.Source + " ")
		}
		return b.String()
	}
	if strings.Contains(mounts("controlplane"), "dataplane-keys") {
		t.Error("the control plane has the data planes' private key")
	}
	if strings.Contains(mounts("dataplane-1"), "control-keys") || strings.Contains(mounts("portal"), "keys") {
		t.Error("a program has keys that it does not need")
	}
	if _, ok := p.Services["dataplane-1"].Environment["TOLLGATE_DATABASE_URL"]; ok {
		t.Error("a data plane knows the database")
	}
	for name, s := range p.Services {
		if _, ok := s.Environment["TOLLGATE_PORTAL_KEY"]; ok != (name == "controlplane" || name == "portal") {
			t.Errorf("%s has the portal's key: %v", name, ok)
		}
	}
	if mounts("dataplane-1") == mounts("dataplane-2") {
		t.Error("two data planes share a spool")
	}
}

// A variable that no program reads is a setting that silently does nothing.
func TestVariablesAreKnown(t *testing.T) {
	r := repo(t)
	known := map[string]map[string]bool{}
	for _, f := range r.goes {
		m := module(f.dir)
		// The three programs read the environment in the root package and in cmd;
		// further down a name is one in a snippet or a test's.
		inside := m != "deploy" && f.dir != m && !strings.HasPrefix(f.dir, m+"/cmd/")
		if f.test || inside {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		if known[m] == nil {
			known[m] = map[string]bool{}
		}
		for _, v := range variable.FindAllString(string(b), -1) {
			known[m][v] = true
		}
	}
	for _, s := range compose(t).Services {
		program, ok := strings.CutPrefix(s.Image, "tollgate/")
		if !ok {
			continue
		}
		if program == "tollgate" {
			program = "deploy"
		}
		for v := range s.Environment {
			if !known[program][v] {
				t.Errorf("docker-compose.yml: %s sets %s, which %s does not read", s.Name, v, program)
			}
		}
	}
	for _, problem := range undocumented(known, explained(t, r.root)) {
		t.Errorf("docs/operations.md: %s", problem)
	}
}

// variableDocs is what docs/operations.md says of variables.
type variableDocs struct {
	// programs holds, for each row of the tables, the programs that it names;
	// empty for tables about one program.
	programs map[string]string
	// mentioned holds all that the page names anywhere.
	mentioned map[string]bool
}

var variable = regexp.MustCompile(`\bTOLLGATE_[A-Z0-9_]*[A-Z0-9]\b`)

func explained(t *testing.T, root string) variableDocs {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := variableDocs{programs: map[string]string{}, mentioned: map[string]bool{}}
	column := false
	for line := range strings.Lines(string(b)) {
		for _, v := range variable.FindAllString(line, -1) {
			docs.mentioned[v] = true
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 {
			continue
		}
		if strings.TrimSpace(cells[1]) == "variable" {
			column = strings.TrimSpace(cells[2]) == "program"
		}
		for _, v := range variable.FindAllString(cells[1], -1) {
			docs.programs[v] = ""
			if column {
				docs.programs[v] = cells[2]
			}
		}
	}
	return docs
}

// undocumented compares the tables with what each module reads, both ways. The
// names of what up writes for scripts stand in the text.
func undocumented(known map[string]map[string]bool, docs variableDocs) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for module, program := range map[string]string{"controlplane": "control plane", "dataplane": "data plane", "portal": "portal"} {
		for v := range known[module] {
			cell, row := docs.programs[v]
			if !row {
				say("no table explains %s, which the %s reads", v, program)
			} else if cell != "" && !strings.Contains(cell, program) && strings.TrimSpace(cell) != "all" {
				say("%s is said to be read by %s, and the %s reads it", v, strings.TrimSpace(cell), program)
			}
		}
		for v, cell := range docs.programs {
			if strings.Contains(cell, program) && !known[module][v] {
				say("%s is said to be read by the %s, which does not", v, program)
			}
		}
	}
	for v := range known["deploy"] {
		if !docs.mentioned[v] && !strings.HasPrefix(v, "TOLLGATE_TEST_") {
			say("nothing explains %s, which the tollgate binary reads", v)
		}
	}
	for v := range docs.mentioned {
		if !known["controlplane"][v] && !known["dataplane"][v] && !known["portal"][v] && !known["deploy"][v] && v != "TOLLGATE_RESET" {
			say("%s is explained, and nothing reads it", v)
		}
	}
	return problems
}

// The check above must notice what it is for.
func TestUndocumentedVariablesAreNoticed(t *testing.T) {
	known := map[string]map[string]bool{"controlplane": {"TOLLGATE_A": true}, "portal": {"TOLLGATE_B": true}, "deploy": {}}
	docs := func(rows ...string) variableDocs {
		d := variableDocs{programs: map[string]string{}, mentioned: map[string]bool{"TOLLGATE_A": true, "TOLLGATE_B": true}}
		for i := 0; i < len(rows); i += 2 {
			d.programs[rows[i]] = rows[i+1]
		}
		return d
	}
	for name, c := range map[string]struct {
		docs     variableDocs
		problems int
	}{
		"all is well":       {docs("TOLLGATE_A", " control plane ", "TOLLGATE_B", " all "), 0},
		"in the text alone": {docs("TOLLGATE_A", " control plane "), 1},
		"another program's": {docs("TOLLGATE_A", " data plane ", "TOLLGATE_B", ""), 2},
	} {
		if got := undocumented(known, c.docs); len(got) != c.problems {
			t.Errorf("%s: %q", name, got)
		}
	}
}
