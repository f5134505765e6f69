package allinone

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/tollgate/tollgate/deploy/internal/keyfile"
)

// writeEnv writes what scripts need, in a form that a shell can source.
func writeEnv(dataDir string, i *Info) error {
	i.EnvFile = filepath.Join(dataDir, "up.env")
	var b strings.Builder
	for _, v := range i.Variables() {
		// Single quotes: nothing in a value is for the shell.
		fmt.Fprintf(&b, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return keyfile.Write(i.EnvFile, strings.TrimSuffix(b.String(), "\n"))
}

// Variables are the names and values of up.env.
func (i *Info) Variables() [][2]string {
	return [][2]string{
		{"TOLLGATE_GATEWAY_URL", i.GatewayURL},
		{"TOLLGATE_API_URL", i.APIURL},
		{"TOLLGATE_PORTAL_URL", i.PortalURL},
		{"TOLLGATE_TENANT", i.Tenant},
		{"TOLLGATE_API_KEY", i.APIKey},
		{"TOLLGATE_MANAGEMENT_KEY", i.ManagementKey},
		{"TOLLGATE_DEMO_EMAIL", i.DemoEmail},
		{"TOLLGATE_DEMO_PASSWORD", i.DemoPassword},
		{"TOLLGATE_ADMIN_EMAIL", i.AdminEmail},
		{"TOLLGATE_ADMIN_PASSWORD", i.AdminPassword},
	}
}
