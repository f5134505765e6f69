package check

import (
	"path"
	"strings"
	"testing"
)

// home says where a third-party library may be imported outside tests. A
// directory stands for everything below it, one that ends in "/." for itself.
type home struct {
	library string // import path or its beginning
	dirs    []string
	reason  string
}

// The first row that fits decides, so that the narrower path comes first.
var homes = []home{
	{"github.com/nats-io/nats-server", []string{"deploy/internal/natsembed", "scripts/natsd"},
		"the server adds 25 MB: programs that run beside a NATS must not link one"},
	{"github.com/nats-io/nats.go", []string{
		"controlplane/.", "controlplane/internal/publish", "controlplane/internal/ingest", "controlplane/internal/lease",
		"dataplane/.", "dataplane/internal/link", "dataplane/internal/tenantconfig", "dataplane/internal/meter",
		"deploy", "scripts"},
		"NATS is transport: only what sends and receives may know it"},
	{"github.com/jackc/pgx", []string{"controlplane/.", "controlplane/internal/postgres", "deploy/internal/database", "scripts"},
		"every SQL statement is in one package, so that the tenant comes first in each of them; the roots only open what migrations need"},
	{"github.com/pressly/goose", []string{"migrations"}, "goose is how migrations run, and nobody else's business"},
	{"github.com/labstack/echo", []string{"controlplane/internal/httpapi", "dataplane/internal/httpapi", "portal/internal/web", "proto/openapi/apiserver"},
		"the HTTP framework stays at the edge, so that it can be replaced"},
	{"github.com/a-h/templ", []string{"portal/internal"}, "HTML is the portal's"},
	{"github.com/oapi-codegen/runtime", []string{"proto/openapi"}, "only generated code needs it"},
	{"github.com/getkin/kin-openapi", []string{"proto/openapi", "controlplane/internal/httpapi", "scripts"}, "the API document is read by generated code and by checks"},
	{"github.com/prometheus", []string{
		"controlplane/.", "controlplane/internal/metrics", "controlplane/internal/httpapi", "controlplane/internal/publish", "controlplane/internal/ingest",
		"dataplane/.", "dataplane/internal/metrics", "portal/internal/web"},
		"edges count; the rules of the nouns do not know who watches"},
	{"github.com/tiktoken-go/tokenizer", []string{"dataplane/internal/count"}, "estimates are made in one place"},
	{"github.com/compose-spec/compose-go", []string{"scripts"}, "only the checks read the compose file"},
	{"github.com/chromedp", []string{"scripts"}, "only journeys drive a browser"},
	{"github.com/openai/openai-go", []string{"scripts"}, "SDKs are what callers use: for journeys"},
	{"github.com/anthropics/anthropic-sdk-go", []string{"scripts"}, "as openai-go"},
	{"google.golang.org/genai", []string{"scripts"}, "as openai-go"},
	{"pgregory.net/rapid", nil, "a test library"},
	{"golang.org/x/crypto/argon2", []string{"controlplane/internal/password"}, "passwords are hashed in one place"},
	{"golang.org/x/crypto", nil, "name the package here when one is needed"},
	{"golang.org/x/sync/errgroup", []string{""}, ""},
	{"golang.org/x/net/html", []string{"scripts"}, "only journeys read HTML"},
	{"golang.org/x/tools", []string{"scripts"}, "only the checks read Go"},
	{"google.golang.org/protobuf", []string{"proto", "controlplane", "dataplane", "scripts"}, "the portal and deploy speak the API, not the wire contract"},
}

// homeProblem says why the file may not import the library.
func homeProblem(file, library string) string {
	for _, h := range homes {
		if library != h.library && !strings.HasPrefix(library, h.library+"/") {
			continue
		}
		for _, d := range h.dirs {
			if d == "" || strings.HasPrefix(file, d+"/") || isRoot(file, d) {
				return ""
			}
		}
		return "its home is " + strings.Join(h.dirs, ", ") + ": " + h.reason
	}
	return "it has no home yet: give it one in scripts/check/homes_test.go, with the reason"
}

// isRoot reports whether the file lies in the directory itself; d ends in "/.".
func isRoot(file, d string) bool {
	root, ok := strings.CutSuffix(d, "/.")
	return ok && path.Dir(file) == root
}

func TestThirdPartyLibrariesStayAtHome(t *testing.T) {
	for _, f := range repo(t).goes {
		for _, lib := range f.imports() {
			first, _, _ := strings.Cut(lib, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(lib, modulePrefix) {
				continue
			}
			p := homeProblem(f.path, lib)
			if p == "" || f.test && !strings.HasPrefix(p, "it has no home") {
				continue
			}
			t.Errorf("%s imports %s: %s", f.path, lib, p)
		}
	}
}

func TestHomesCatchStrays(t *testing.T) {
	for file, library := range map[string]string{
		"dataplane/dataplane.go":               "github.com/nats-io/nats-server/v2/server",
		"controlplane/internal/tenant/a.go":    "github.com/jackc/pgx/v5",
		"dataplane/internal/pipeline/a.go":     "github.com/labstack/echo/v4",
		"controlplane/internal/tenant/rule.go": "github.com/unknown/library",
		"portal/internal/web/a.go":             "github.com/nats-io/nats.go",
	} {
		if homeProblem(file, library) == "" {
			t.Errorf("%s may import %s", file, library)
		}
	}
}
