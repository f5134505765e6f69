package dataplane_test

import (
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
