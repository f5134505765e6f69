package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollgate/tollgate/deploy/internal/allinone"
)

// startPage is what a newcomer reads: where, who, and a call that works.
func startPage(i allinone.Info, logName string, colour bool) string {
	paint := func(code, s string) string {
		if !colour {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	bold := func(s string) string { return paint("1", s) }
	dim := func(s string) string { return paint("2", s) }
	link := func(s string) string { return paint("36", s) }

	var b strings.Builder
	row := func(label, value string) { fmt.Fprintf(&b, "  %s  %s\n", dim(fmt.Sprintf("%-9s", label)), value) }
	fmt.Fprintf(&b, "\n  %s %s\n\n", paint("1;32", "▌"), bold("Tollgate is running"))
	row("Portal", link(i.PortalURL))
	row("Sign in", i.DemoEmail+"  "+i.DemoPassword)
	row("Operator", i.AdminEmail+"  "+i.AdminPassword)
	b.WriteByte('\n')
	row("Gateway", link(i.GatewayURL+"/v1"))
	row("API key", i.APIKey)
	row("API", link(i.APIURL)+dim("  (its management key is in the file of variables)"))
	row("Guides", "docs/  "+dim("and ")+link(i.APIURL+"/v1/openapi.json"))
	fmt.Fprintf(&b, "\n  %s\n\n", bold("Your first call")+dim("  (the demo model is built in and needs no account)"))
	fmt.Fprintf(&b, "curl %s/v1/chat/completions \\\n", i.GatewayURL)
	fmt.Fprintf(&b, "  -H 'Authorization: Bearer %s' \\\n", i.APIKey)
	b.WriteString("  -H 'Content-Type: application/json' \\\n")
	b.WriteString(`  -d '{"model":"demo","messages":[{"role":"user","content":"Hello!"}]}'` + "\n\n")
	row("Data", short(filepath.Dir(i.EnvFile))+dim("  ("+i.Database+")"))
	row("Variables", "set -a; . "+short(i.EnvFile)+"; set +a")
	row("Log", short(logName))
	fmt.Fprintf(&b, "\n  %s\n\n", dim("Ctrl-C stops everything; the data stays."))
	return b.String()
}

// short makes a path relative where that is shorter.
func short(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
