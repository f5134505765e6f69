// Package password owns how people's passwords are stored and checked:
// argon2id, with a bound on how many hashes run at once, because each takes
// memory and a core. It knows neither users nor rows.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/tollgate/tollgate/proto/fault"
)

// Cost says how dear a hash is.
type Cost struct {
	// MemoryKiB is held while one hash runs.
	MemoryKiB uint32
	// Passes over the memory.
	Passes uint32
}

// DefaultCost takes about 30 ms of one core and 19 MiB.
var DefaultCost = Cost{MemoryKiB: 19 << 10, Passes: 2}

const (
	saltSize = 16
	keySize  = 32
	prefix   = "$argon2id$v=19$"
	// The bounds of what is verified: a row must not make a program run out
	// of memory.
	maxMemoryKiB = 1 << 20
	maxPasses    = 16
)

// Hasher makes and checks hashes.
type Hasher struct {
	cost Cost
	slot chan struct{}
	// decoy is verified for people who do not exist, so that the time of an
	// answer does not tell whether they do.
	decoy string
}

// New allows atOnce hashes to run at the same time.
func New(cost Cost, atOnce int) *Hasher {
	h := &Hasher{cost: cost, slot: make(chan struct{}, max(atOnce, 1))}
	h.decoy = encode(cost, make([]byte, saltSize), make([]byte, keySize))
	return h
}

// Hash makes the text to store. It waits for its turn as long as ctx lives.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return encode(h.cost, salt, h.cost.key(password, salt)), nil
}

// Verify reports whether password is the one of the hash. An empty hash
// stands for somebody who does not exist: it takes as long and is false.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (bool, error) {
	exists := hash != ""
	if !exists {
		hash = h.decoy
	}
	cost, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	same := subtle.ConstantTimeCompare(cost.key(password, salt), want) == 1
	return same && exists, nil
}

func (h *Hasher) enter(ctx context.Context) error {
	// A caller who left must not win a free slot by chance.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wait to hash a password: %w", err)
	}
	select {
	case h.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Overloaded, "Too many people sign in at this moment.", ctx.Err())
	}
}

func (h *Hasher) leave() { <-h.slot }

func (c Cost) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, 1, keySize)
}

// encode writes the PHC string form.
func encode(c Cost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%sm=%d,t=%d,p=1$%s$%s", prefix, c.MemoryKiB, c.Passes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

var errForm = errors.New("a stored password hash has an unknown form")

func decode(s string) (Cost, []byte, []byte, error) {
	var c Cost
	rest, ok := strings.CutPrefix(s, prefix)
	parts := strings.Split(rest, "$")
	if !ok || len(parts) != 3 {
		return c, nil, nil, errForm
	}
	n, err := fmt.Sscanf(parts[0], "m=%d,t=%d,p=1", &c.MemoryKiB, &c.Passes)
	if err != nil || n != 2 || c.MemoryKiB < 8 || c.MemoryKiB > maxMemoryKiB || c.Passes < 1 || c.Passes > maxPasses {
		return c, nil, nil, errForm
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[1])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || len(key) != keySize {
		return c, nil, nil, errForm
	}
	return c, salt, key, nil
}
