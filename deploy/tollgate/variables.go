package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// variable is one that a verb reads. docs/operations.md says more of each; a
// test holds the two together.
type variable struct {
	name string
	// verbs are those that read it, in words.
	verbs string
	// normal is its value when it is not set.
	normal  string
	meaning string
}

func (v variable) of(verb string) bool { return slices.Contains(strings.Fields(v.verbs), verb) }

// variables is what help shows of the environment.
func variables() []variable {
	return append(append(placeVariables(), keyVariables()...), limitVariables()...)
}

func placeVariables() []variable {
	return []variable{
		{"TOLLGATE_GATEWAY_ADDR", "up dataplane", "127.0.0.1:8080", "where callers are served"},
		{"TOLLGATE_API_ADDR", "up controlplane", "127.0.0.1:8081", "where the API is served"},
		{"TOLLGATE_PORTAL_ADDR", "up portal", "127.0.0.1:8082", "where the pages are served"},
		{"TOLLGATE_OPS_ADDR", "up controlplane dataplane", "", "serves /metrics there, and not on the main address"},
		{"TOLLGATE_GATEWAY_URL", "up dataplane portal", "", "public base URL of the gateway"},
		{"TOLLGATE_API_URL", "up portal prices", "", "the control plane, as portal and tools reach it"},
		{"TOLLGATE_PORTAL_URL", "up portal", "", "public base URL of the portal"},
		{"TOLLGATE_DATABASE_URL", "up controlplane migrate doctor", "", "Postgres; up starts a private one without it"},
		{"TOLLGATE_NATS_URL", "controlplane dataplane", "", "NATS with JetStream"},
		{"TOLLGATE_DATA_DIR", "up controlplane dataplane doctor", "", "where files are kept"},
		{"TOLLGATE_SNAPSHOT", "up dataplane", "", "file or URL of a configuration to begin with"},
		{"TOLLGATE_ALLOWED_NETWORKS", "up controlplane dataplane", "", "private networks that providers' URLs may reach"},
		{"TOLLGATE_MACHINE_IDENTITY", "up dataplane", "none", "google lends tenants what this machine is at Google"},
		{"TOLLGATE_TRUSTED_PROXIES", "up controlplane dataplane portal", "", "proxies whose X-Forwarded-For is believed"},
	}
}

func keyVariables() []variable {
	return []variable{
		{"TOLLGATE_MASTER_KEY_FILE", "controlplane", "", "key-encryption key"},
		{"TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE", "controlplane", "", "credentials are sealed to this key"},
		{"TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE", "dataplane", "", "credentials are opened with this key"},
		{"TOLLGATE_DATAPLANE_ID", "dataplane", "", "identity in the ledger; made and kept when not set"},
		{"TOLLGATE_PORTAL_KEY", "up controlplane portal", "", "a secret by which the control plane knows the portal"},
		{"TOLLGATE_ADMIN_EMAIL", "up controlplane", "", "the operator who exists from the start"},
		{"TOLLGATE_ADMIN_PASSWORD", "up controlplane", "", "and the operator's password"},
		{"TOLLGATE_MANAGEMENT_KEY", "up controlplane dataplane prices", "", "a management key of the operator"},
	}
}

func limitVariables() []variable {
	return []variable{
		{"TOLLGATE_MIGRATE", "controlplane", "false", "true brings the schema up to date at the start"},
		{"TOLLGATE_SIGNUP", "up controlplane", "open", "open, or closed: operators alone make tenants and accounts"},
		{"TOLLGATE_LOG_LEVEL", "up controlplane dataplane portal", "info", "debug, info, warn or error"},
		{"TOLLGATE_DRAIN_DELAY", "controlplane dataplane", "5s", "how long calls are taken after readiness went off"},
		{"TOLLGATE_DRAIN_TIME", "controlplane dataplane", "10s; 30s", "how long calls in flight may take after that"},
		{"TOLLGATE_MAX_CONNECTIONS", "up dataplane", "20000", "open connections of callers"},
		{"TOLLGATE_MAX_IN_FLIGHT", "up dataplane", "10000", "requests at once"},
		{"TOLLGATE_MAX_UPLOAD_BYTES", "up dataplane", "536870912", "size of one upload of audio, images or files"},
		{"TOLLGATE_SPOOL_MAX_BYTES", "up dataplane", "4294967296", "usage kept on disk"},
		{"TOLLGATE_SPOOL_RETAIN", "up dataplane", "15m", "how long confirmed usage stays on disk"},
		{"TOLLGATE_PG_BIN", "up", "", "directory with the Postgres to use"},
		{"TOLLGATE_PG_ARCHIVE_URL", "up", "", "an archive of Postgres to fetch as the last resort"},
		{"TOLLGATE_PG_ARCHIVE_SHA512", "up", "", "and its checksum"},
		{"NO_COLOR", "up", "", "no colour on the start page"},
	}
}

// helpOf writes how one verb is used and what it reads.
func helpOf(w io.Writer, v verb) {
	fmt.Fprintf(w, "%s: %s\n\nUsage: %s\n", v.name, v.summary, v.usage)
	if v.more != "" {
		fmt.Fprintf(w, "\n%s\n", v.more)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	some := false
	for _, x := range variables() {
		if !x.of(v.name) {
			continue
		}
		if !some {
			fmt.Fprint(tw, "\nVariables:\n  NAME\tDEFAULT\tMEANING\n")
			some = true
		}
		normal := x.normal
		if normal == "" {
			normal = "-"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", x.name, normal, x.meaning)
	}
	tw.Flush()
	if some {
		fmt.Fprint(w, "\ndocs/operations.md explains each.\n")
	}
}
