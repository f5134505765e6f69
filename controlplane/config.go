package controlplane

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// DefaultAddr is where the API listens unless told otherwise.
const DefaultAddr = "127.0.0.1:8081"

const (
	defaultDrainDelay = 5 * time.Second
	defaultDrainTime  = 10 * time.Second
)

// FromEnv reads the configuration from environment variables.
func FromEnv(getenv func(string) string) (Config, error) {
	cfg := Config{
		DatabaseURL:            getenv("TOLLGATE_DATABASE_URL"),
		NATSURL:                getenv("TOLLGATE_NATS_URL"),
		Addr:                   getenv("TOLLGATE_API_ADDR"),
		OpsAddr:                getenv("TOLLGATE_OPS_ADDR"),
		DataDir:                getenv("TOLLGATE_DATA_DIR"),
		MasterKeyFile:          getenv("TOLLGATE_MASTER_KEY_FILE"),
		DataPlanePublicKeyFile: getenv("TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE"),
		AdminEmail:             getenv("TOLLGATE_ADMIN_EMAIL"),
		AdminPassword:          getenv("TOLLGATE_ADMIN_PASSWORD"),
		ManagementKey:          getenv("TOLLGATE_MANAGEMENT_KEY"),
		PortalKey:              getenv("TOLLGATE_PORTAL_KEY"),
	}
	var errs []error
	if v := getenv("TOLLGATE_MIGRATE"); v != "" {
		migrate, err := strconv.ParseBool(v)
		if err != nil {
			errs = append(errs, errors.New("TOLLGATE_MIGRATE must be true or false"))
		}
		cfg.Migrate = migrate
	}
	switch v := getenv("TOLLGATE_SIGNUP"); v {
	case "", "open":
	case "closed":
		cfg.SignUpClosed = true
	default:
		errs = append(errs, fmt.Errorf("TOLLGATE_SIGNUP is %q: it must be open or closed", v))
	}
	duration := func(name string, otherwise time.Duration) time.Duration {
		d, err := time.ParseDuration(cmp.Or(getenv(name), otherwise.String()))
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("%s must be a duration such as 5s", name))
		}
		return d
	}
	cfg.DrainDelay = duration("TOLLGATE_DRAIN_DELAY", defaultDrainDelay)
	cfg.DrainTime = duration("TOLLGATE_DRAIN_TIME", defaultDrainTime)
	networks := func(name string) network.List {
		l, err := network.Parse(getenv(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return l
	}
	cfg.AllowedNetworks = networks("TOLLGATE_ALLOWED_NETWORKS")
	cfg.TrustedProxies = networks("TOLLGATE_TRUSTED_PROXIES")
	return cfg, errors.Join(errs...)
}

// Validate says everything that is wrong at once. Secrets are not repeated.
func (c *Config) Validate() error {
	var errs []error
	need := func(value, env, what string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is not set: %s", env, what))
		}
	}
	need(c.DatabaseURL, "TOLLGATE_DATABASE_URL", "the URL of Postgres, such as postgres://user:password@host:5432/tollgate")
	need(c.MasterKeyFile, "TOLLGATE_MASTER_KEY_FILE", "a file with 32 random bytes in base64, mode 0600")
	need(c.DataPlanePublicKeyFile, "TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE", "the file with the public half of the data planes' key")
	if c.NATSURL == "" && len(c.NATSOptions) == 0 {
		need("", "TOLLGATE_NATS_URL", "the URL of NATS, such as nats://127.0.0.1:4222")
	}
	if c.DatabaseURL != "" {
		errs = append(errs, postgres.CheckURL(c.DatabaseURL))
	}
	for env, addr := range map[string]string{"TOLLGATE_API_ADDR": c.Addr, "TOLLGATE_OPS_ADDR": c.OpsAddr} {
		if addr == "" {
			continue
		}
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			errs = append(errs, fmt.Errorf("%s is not host:port: %q", env, addr))
		}
	}
	if c.DrainDelay < 0 || c.DrainTime < 0 {
		errs = append(errs, errors.New("TOLLGATE_DRAIN_DELAY and TOLLGATE_DRAIN_TIME must not be negative"))
	}
	if (c.AdminEmail == "") != (c.AdminPassword == "") {
		errs = append(errs, errors.New("TOLLGATE_ADMIN_EMAIL and TOLLGATE_ADMIN_PASSWORD go together"))
	}
	if c.AdminPassword != "" && len(c.AdminPassword) < 10 {
		errs = append(errs, errors.New("TOLLGATE_ADMIN_PASSWORD has fewer than 10 characters"))
	}
	if c.PortalKey != "" && !network.ValidPortalKey(c.PortalKey) {
		errs = append(errs, errors.New("TOLLGATE_PORTAL_KEY needs 16 characters or more, letters and digits alone"))
	}
	if c.ManagementKey != "" && !secretkey.WellFormed(secretkey.Management, c.ManagementKey) {
		errs = append(errs, errors.New("TOLLGATE_MANAGEMENT_KEY is not a management key (tgm_…) that Tollgate made"))
	}
	return errors.Join(errs...)
}
