package httpapi

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/access"
)

// The table of roles in docs/security.md says what the table of rights says.
// Each row stands for the operations that share its roles.
func TestTheDocumentedRolesAreThoseOfTheTable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Roles\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 || strings.Contains(line, "---") {
			continue
		}
		if strings.TrimSpace(cells[1]) == "may" {
			for i, r := range access.Roles() {
				if strings.TrimSpace(cells[2+i]) != string(r) {
					t.Fatalf("column %d is %q, want %s", i, cells[2+i], r)
				}
			}
			continue
		}
		var roles []string
		for i, r := range access.Roles() {
			if strings.TrimSpace(cells[2+i]) == "yes" {
				roles = append(roles, string(r))
			}
		}
		documented = append(documented, strings.Join(roles, " "))
	}
	// The noun packages keep the role of owner to owners: no operation is
	// theirs alone.
	real := []string{string(access.Owner)}
	for _, r := range rules() {
		var roles []string
		for _, role := range access.Roles() {
			if slices.Contains(r.roles, role) {
				roles = append(roles, string(role))
			}
		}
		if text := strings.Join(roles, " "); text != "" && !slices.Contains(real, text) {
			real = append(real, text)
		}
	}
	slices.Sort(documented)
	slices.Sort(real)
	if !slices.Equal(documented, real) {
		t.Errorf("documented are %q, in force are %q", documented, real)
	}
}
