package controlplane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane"
)

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func TestValidateNamesEverythingThatIsMissing(t *testing.T) {
	cfg, err := controlplane.FromEnv(env(nil))
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.Validate()
	if err == nil {
		t.Fatal("an empty configuration was taken")
	}
	for _, name := range []string{"TOLLGATE_DATABASE_URL", "TOLLGATE_NATS_URL", "TOLLGATE_MASTER_KEY_FILE", "TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE"} {
		if !strings.Contains(err.Error(), name+" is not set") {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestBadValuesAreNamedAndSecretsAreNot(t *testing.T) {
	good := map[string]string{
		"TOLLGATE_DATABASE_URL": "postgres://x", "TOLLGATE_NATS_URL": "nats://x", "TOLLGATE_MASTER_KEY_FILE": "k",
		"TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE": "p", "TOLLGATE_ALLOWED_NETWORKS": "10.0.0.0/8, ::1/128", "TOLLGATE_MIGRATE": "true",
		"TOLLGATE_TRUSTED_PROXIES": "10.0.0.1", "TOLLGATE_PORTAL_KEY": "0123456789abcdef",
	}
	cfg, err := controlplane.FromEnv(env(good))
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil || len(cfg.AllowedNetworks) != 2 || len(cfg.TrustedProxies) != 1 || !cfg.Migrate || cfg.DrainDelay != 5*time.Second {
		t.Fatalf("%+v, %v", cfg, err)
	}
	for name, bad := range map[string]string{
		"TOLLGATE_DATABASE_URL": "mysql://u:hunter2@x", "TOLLGATE_API_ADDR": "nowhere", "TOLLGATE_OPS_ADDR": "9090", "TOLLGATE_ADMIN_EMAIL": "a@b.c", "TOLLGATE_ADMIN_PASSWORD": "hunter2",
		"TOLLGATE_MANAGEMENT_KEY": "tgm_hunter2", "TOLLGATE_ALLOWED_NETWORKS": "10.0.0.0/99", "TOLLGATE_MIGRATE": "perhaps",
		"TOLLGATE_TRUSTED_PROXIES": "everybody", "TOLLGATE_PORTAL_KEY": "hunter2", "TOLLGATE_SIGNUP": "perhaps", "TOLLGATE_DRAIN_DELAY": "5", "TOLLGATE_DRAIN_TIME": "-1s",
	} {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		m[name] = bad
		cfg, err := controlplane.FromEnv(env(m))
		if err == nil {
			err = cfg.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s gave %v", name, bad, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v repeats a secret", err)
		}
	}
}
