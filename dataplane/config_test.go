package dataplane_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane"
)

func TestTrustedProxiesFromEnv(t *testing.T) {
	env := func(value string) func(string) string {
		return func(k string) string { return map[string]string{"TOLLGATE_TRUSTED_PROXIES": value}[k] }
	}
	if c, err := dataplane.FromEnv(env("10.0.0.0/8, 192.0.2.7")); err != nil || len(c.TrustedProxies) != 2 {
		t.Errorf("%v, %v", c.TrustedProxies, err)
	}
	if c, err := dataplane.FromEnv(env("")); err != nil || c.TrustedProxies != nil {
		t.Errorf("%v, %v", c.TrustedProxies, err)
	}
	if _, err := dataplane.FromEnv(env("everybody")); err == nil || !strings.Contains(err.Error(), "TOLLGATE_TRUSTED_PROXIES") {
		t.Errorf("%v", err)
	}
}

// A data plane with nothing to begin from would answer 503 for ever.
func TestAnEmptyDataPlaneNamesAllThatIsMissing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	env := func(more map[string]string) func(string) string {
		return func(k string) string {
			if k == "TOLLGATE_DATA_DIR" && more[k] == "" {
				return none
			}
			return more[k]
		}
	}
	validate := func(more map[string]string) string {
		c, err := dataplane.FromEnv(env(more))
		return fmt.Sprint(errors.Join(err, c.Validate()))
	}
	all := validate(nil)
	for _, name := range []string{"TOLLGATE_NATS_URL is not set", "TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE is not set"} {
		if !strings.Contains(all, name) {
			t.Errorf("%q lacks %q", all, name)
		}
	}
	for name, value := range map[string]string{"TOLLGATE_NATS_URL": "nats://x", "TOLLGATE_SNAPSHOT": "f", "TOLLGATE_DATA_DIR": t.TempDir()} {
		if text := validate(map[string]string{name: value}); strings.Contains(text, "NATS") {
			t.Errorf("with %s: %s", name, text)
		}
	}
	for name, bad := range map[string]string{"TOLLGATE_MAX_CONNECTIONS": "many", "TOLLGATE_MAX_IN_FLIGHT": "-1", "TOLLGATE_MAX_UPLOAD_BYTES": "1G", "TOLLGATE_SPOOL_MAX_BYTES": "4GiB",
		"TOLLGATE_SPOOL_RETAIN": "15", "TOLLGATE_DRAIN_TIME": "x", "TOLLGATE_OPS_ADDR": "9090"} {
		if text := validate(map[string]string{name: bad}); !strings.Contains(text, name+" must be") {
			t.Errorf("%s=%s gave %s", name, bad, text)
		}
	}
}
