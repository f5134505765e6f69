package dataplane

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/seal"
)

// Config of a data plane. Zero values mean the defaults, but for DataDir and
// the private key, which are required.
type Config struct {
	// Logger gets everything that is said; nil says nothing.
	Logger *slog.Logger
	// AccessLog takes a line of JSON for each request; nil sends them through
	// Logger, which costs more.
	AccessLog io.Writer
	// OnReady is called once, when the data plane listens on addr.
	OnReady func(addr string)

	// Addr is where callers are served: TOLLGATE_GATEWAY_ADDR, 127.0.0.1:8080.
	Addr string
	// OpsAddr, when set, serves /metrics and health, and Addr no longer serves
	// /metrics: TOLLGATE_OPS_ADDR.
	OpsAddr string
	// PublicURL is what operators are shown: TOLLGATE_GATEWAY_URL.
	PublicURL string

	// NATSURL reaches the control plane's NATS: TOLLGATE_NATS_URL. Without it
	// the data plane lives from its snapshot and keeps usage in its spool.
	NATSURL string
	// NATSOptions are added to the connection's, for example to reach a server
	// in the same process.
	NATSOptions []nats.Option

	// DataDir holds the spool and the copy of the config: TOLLGATE_DATA_DIR.
	// No two data planes may share it.
	DataDir string
	// PrivateKey opens credentials; PrivateKeyFile is where it is read from
	// when PrivateKey is nil: TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE.
	PrivateKey     *seal.PrivateKey
	PrivateKeyFile string
	// ID names this data plane: TOLLGATE_DATAPLANE_ID. Empty makes one and
	// keeps it in DataDir.
	ID string
	// Snapshot is a file or URL to start from when DataDir has no config:
	// TOLLGATE_SNAPSHOT. SnapshotToken is sent to a URL:
	// TOLLGATE_MANAGEMENT_KEY.
	Snapshot      string
	SnapshotToken string
	// AllowedNetworks may be reached though they are private or loopback, and
	// by plain http: TOLLGATE_ALLOWED_NETWORKS.
	AllowedNetworks network.List
	// MachineIdentity lets tenants use the identity that this machine has at
	// Google: their credentials with the secret "metadata" then call Vertex AI
	// in its name. TOLLGATE_MACHINE_IDENTITY=google.
	MachineIdentity bool
	// TrustedProxies are those whose X-Forwarded-For is believed:
	// TOLLGATE_TRUSTED_PROXIES.
	TrustedProxies network.List

	// MaxConnections and MaxInFlight bound what callers can open at once:
	// 20,000 and 10,000. TOLLGATE_MAX_CONNECTIONS, TOLLGATE_MAX_IN_FLIGHT.
	MaxConnections, MaxInFlight int
	// MaxUploadBytes bounds a body that passes as it arrives, of audio, images
	// and files: 512 MiB. TOLLGATE_MAX_UPLOAD_BYTES.
	MaxUploadBytes int64
	// SpoolMaxBytes caps the spool on disk, 4 GiB; SpoolRetain is how long
	// events stay in it after the ledger has confirmed them, 15 minutes:
	// TOLLGATE_SPOOL_MAX_BYTES, TOLLGATE_SPOOL_RETAIN.
	SpoolMaxBytes int64
	SpoolRetain   time.Duration
	// DrainDelay is how long callers are still accepted after readiness went
	// off, DrainTime how long open requests may take after that:
	// TOLLGATE_DRAIN_DELAY (5s) and TOLLGATE_DRAIN_TIME (30s) in FromEnv.
	DrainDelay, DrainTime time.Duration
	// Version is shown to operators.
	Version string
}

const (
	defaultAddr        = "127.0.0.1:8080"
	defaultDrainDelay  = 5 * time.Second
	defaultSpoolRetain = 15 * time.Minute
	defaultDrainTime   = 30 * time.Second
)

// FromEnv reads the configuration from environment variables. It is the only
// place that knows their names.
func FromEnv(getenv func(string) string) (Config, error) {
	or := func(name, otherwise string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	c := Config{
		Addr:           or("TOLLGATE_GATEWAY_ADDR", defaultAddr),
		OpsAddr:        getenv("TOLLGATE_OPS_ADDR"),
		PublicURL:      getenv("TOLLGATE_GATEWAY_URL"),
		NATSURL:        getenv("TOLLGATE_NATS_URL"),
		DataDir:        or("TOLLGATE_DATA_DIR", ".tollgate"),
		PrivateKeyFile: getenv("TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE"),
		ID:             getenv("TOLLGATE_DATAPLANE_ID"),
		Snapshot:       getenv("TOLLGATE_SNAPSHOT"),
		SnapshotToken:  getenv("TOLLGATE_MANAGEMENT_KEY"),
	}
	var errs []error
	networks := func(name string) network.List {
		l, err := network.Parse(getenv(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return l
	}
	c.AllowedNetworks = networks("TOLLGATE_ALLOWED_NETWORKS")
	c.TrustedProxies = networks("TOLLGATE_TRUSTED_PROXIES")
	duration := func(name string, otherwise time.Duration) time.Duration {
		d, err := time.ParseDuration(or(name, otherwise.String()))
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("%s must be a duration such as 5s", name))
		}
		return d
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(or(name, "0"), 10, 64)
		if err != nil || n < 0 {
			errs = append(errs, fmt.Errorf("%s must be a whole number of 0 or more, where 0 means the default", name))
		}
		return n
	}
	switch v := getenv("TOLLGATE_MACHINE_IDENTITY"); v {
	case "", "none":
	case "google":
		c.MachineIdentity = true
	default:
		errs = append(errs, errors.New("TOLLGATE_MACHINE_IDENTITY must be google or none"))
	}
	c.DrainDelay = duration("TOLLGATE_DRAIN_DELAY", defaultDrainDelay)
	c.DrainTime = duration("TOLLGATE_DRAIN_TIME", defaultDrainTime)
	c.MaxConnections = int(number("TOLLGATE_MAX_CONNECTIONS"))
	c.MaxInFlight = int(number("TOLLGATE_MAX_IN_FLIGHT"))
	c.MaxUploadBytes = number("TOLLGATE_MAX_UPLOAD_BYTES")
	c.SpoolMaxBytes = number("TOLLGATE_SPOOL_MAX_BYTES")
	// 0s means not at all, and zero in Config the default.
	c.SpoolRetain = max(duration("TOLLGATE_SPOOL_RETAIN", defaultSpoolRetain), 1)
	return c, errors.Join(errs...)
}

// Validate says what is missing or wrong, all of it at once.
func (c *Config) Validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("TOLLGATE_DATA_DIR is not set: a directory of this data plane alone"))
	}
	if c.PrivateKey == nil && c.PrivateKeyFile == "" {
		errs = append(errs, errors.New("TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE is not set: the file with the private half of the data planes' key"))
	}
	if c.NATSURL == "" && len(c.NATSOptions) == 0 && c.Snapshot == "" && c.isNew() {
		errs = append(errs, errors.New("TOLLGATE_NATS_URL is not set: the URL of NATS, such as nats://127.0.0.1:4222; without it a new data plane needs TOLLGATE_SNAPSHOT"))
	}
	for name, addr := range map[string]string{"TOLLGATE_GATEWAY_ADDR": c.Addr, "TOLLGATE_OPS_ADDR": c.OpsAddr} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("%s must be host:port: %w", name, err))
		}
	}
	if c.SpoolMaxBytes < 0 || c.SpoolRetain < 0 {
		errs = append(errs, errors.New("SpoolMaxBytes and SpoolRetain must not be negative"))
	}
	if c.DrainDelay < 0 || c.DrainTime < 0 {
		errs = append(errs, errors.New("DrainDelay and DrainTime must not be negative"))
	}
	return errors.Join(errs...)
}

// isNew says whether there is nothing on disk to begin with.
func (c *Config) isNew() bool {
	_, err := os.Stat(c.DataDir)
	return errors.Is(err, fs.ErrNotExist)
}

// privateKey reads the key that opens credentials. The file must be readable
// by its owner alone.
func (c *Config) privateKey() (*seal.PrivateKey, error) {
	if c.PrivateKey != nil {
		return c.PrivateKey, nil
	}
	info, err := os.Stat(c.PrivateKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the data plane's private key %s is not there: copy it from the control plane's set-up", c.PrivateKeyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the private key %s can be read by others: chmod 600 it", c.PrivateKeyFile)
	}
	b, err := os.ReadFile(c.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	k, err := seal.ParsePrivate(string(b))
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", c.PrivateKeyFile, err)
	}
	return k, nil
}
