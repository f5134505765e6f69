package check

import (
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
		cli.WithEnv([]string{"POSTGRES_PASSWORD=p", "TOLLGATE_ADMIN_EMAIL=a@example.com", "TOLLGATE_ADMIN_PASSWORD=long enough"}))
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
	if mounts("dataplane-1") == mounts("dataplane-2") {
		t.Error("two data planes share a spool")
	}
}

// A variable that no program reads is a setting that silently does nothing.
func TestVariablesAreKnown(t *testing.T) {
	r := repo(t)
	name := regexp.MustCompile(`\bTOLLGATE_[A-Z0-9_]*[A-Z0-9]\b`)
	known := map[string]map[string]bool{}
	for _, f := range r.goes {
		if f.test {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		m := module(f.dir)
		if known[m] == nil {
			known[m] = map[string]bool{}
		}
		for _, v := range name.FindAllString(string(b), -1) {
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
	doc, err := os.ReadFile(filepath.Join(r.root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, v := range name.FindAllString(string(doc), -1) {
		documented[v] = true
		if !known["controlplane"][v] && !known["dataplane"][v] && !known["portal"][v] && !known["deploy"][v] && v != "TOLLGATE_RESET" {
			t.Errorf("docs/operations.md explains %s, which nothing reads", v)
		}
	}
	for _, m := range []string{"controlplane", "dataplane", "portal", "deploy"} {
		for v := range known[m] {
			if !documented[v] && !strings.HasPrefix(v, "TOLLGATE_TEST_") {
				t.Errorf("docs/operations.md does not explain %s, which %s reads", v, m)
			}
		}
	}
}
