package allinone

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tollgate/tollgate/deploy/internal/keyfile"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// secrets are made once and kept: losing the master key means losing every
// stored credential.
type secrets struct {
	dir  string
	kept kept

	keys keyfile.Files
}

// kept is the file secrets.json.
type kept struct {
	AdminEmail    string `json:"admin_email"`
	AdminPassword string `json:"admin_password"`
	ManagementKey string `json:"management_key"`
	DemoEmail     string `json:"demo_email"`
	DemoPassword  string `json:"demo_password"`
	DemoAPIKey    string `json:"demo_api_key"`
	// DemoSignUp makes the sign-up safe to repeat after a crash in between.
	DemoSignUp string `json:"demo_sign_up"`
	// DemoChange is the config change that made the key.
	DemoChange  int64  `json:"demo_change,omitempty"`
	DataPlaneID string `json:"data_plane_id"`
}

func loadSecrets(dataDir string, getenv func(string) string) (*secrets, error) {
	dir := filepath.Join(dataDir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of secrets: %w", err)
	}
	s := &secrets{dir: dir, keys: keyfile.In(dir, dir)}
	if _, err := keyfile.Ensure(s.keys); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(s.file())
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read secrets: %w", err)
	default:
		if err := json.Unmarshal(b, &s.kept); err != nil {
			return nil, fmt.Errorf("%s is damaged: put it back from a backup: %w", s.file(), err)
		}
	}
	s.fill(getenv)
	return s, s.save()
}

// fill makes what is missing. What the operator says in the environment wins
// over what was made before.
func (s *secrets) fill(getenv func(string) string) {
	set := func(to *string, variable string, make func() string) {
		if v := getenv(variable); variable != "" && v != "" {
			*to = v
		}
		if *to == "" {
			*to = make()
		}
	}
	set(&s.kept.AdminEmail, "TOLLGATE_ADMIN_EMAIL", func() string { return "admin@tollgate.local" })
	set(&s.kept.AdminPassword, "TOLLGATE_ADMIN_PASSWORD", password)
	set(&s.kept.ManagementKey, "TOLLGATE_MANAGEMENT_KEY", func() string { return secretkey.New(secretkey.Management) })
	set(&s.kept.DemoEmail, "", func() string { return "demo@tollgate.local" })
	set(&s.kept.DemoPassword, "", password)
	set(&s.kept.DemoSignUp, "", rand.Text)
	set(&s.kept.DataPlaneID, "TOLLGATE_DATAPLANE_ID", func() string { return id.New(id.DataPlane) })
}

// password is easy to type from a terminal: four groups of lower-case letters
// and digits without look-alikes, 79 bits.
func password() string {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
	b := make([]byte, 16)
	rand.Read(b)
	var out []byte
	for i, c := range b {
		if i > 0 && i%4 == 0 {
			out = append(out, '-')
		}
		out = append(out, alphabet[c%32])
	}
	return string(out)
}

func (s *secrets) file() string { return filepath.Join(s.dir, "secrets.json") }

func (s *secrets) save() error {
	b, err := json.MarshalIndent(s.kept, "", "  ")
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	return keyfile.Write(s.file(), string(b))
}
