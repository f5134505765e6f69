// Package operator owns those who run Tollgate, and that they are never locked
// out: the administrator and the management key that the configuration names
// exist whenever the program runs. It knows neither rows nor HTTP.
package operator

import (
	"context"
	"fmt"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// KeyName is how the configured management key is called.
const KeyName = "Configured operator key"

// Store keeps operators. Each change is one transaction with an entry in the
// operators' own audit trail.
type Store interface {
	UserByEmail(ctx context.Context, email string) (session.User, error)
	// PutOperator makes the user an operator with this password, new or not.
	PutOperator(ctx context.Context, u session.User, by change.Actor) error
	// PutOperatorKey inserts the key unless its hash is there, and revokes
	// operators' keys of the same name with another hash.
	PutOperatorKey(ctx context.Context, k managementkey.Key, by change.Actor) error
}

// EnsureAdmin makes sure that this person exists, is an operator and has this
// password. Nothing is written when all of it is so.
func EnsureAdmin(ctx context.Context, store Store, passwords *password.Hasher, email, secret string) error {
	email, err := session.CheckEmail(email)
	if err != nil {
		return fmt.Errorf("administrator's e-mail address: %w", err)
	}
	u, err := store.UserByEmail(ctx, email)
	if err != nil && fault.From(err).Kind != fault.NotFound {
		return fmt.Errorf("look for the administrator: %w", err)
	}
	same, err := passwords.Verify(ctx, u.PasswordHash, secret)
	if err != nil {
		return fmt.Errorf("check the administrator's password: %w", err)
	}
	if same && u.Operator {
		return nil
	}
	if u.ID == "" {
		u = session.User{ID: id.New(id.User), Email: email, Name: "Administrator"}
	}
	u.Operator = true
	if u.PasswordHash, err = passwords.Hash(ctx, secret); err != nil {
		return fmt.Errorf("hash the administrator's password: %w", err)
	}
	if err := store.PutOperator(ctx, u, change.System("configuration")); err != nil {
		return fmt.Errorf("keep the administrator: %w", err)
	}
	return nil
}

// EnsureKey makes sure that this management key works for an operator, and
// that the one configured before it does not.
func EnsureKey(ctx context.Context, store Store, secret string) error {
	hash := secretkey.Hash(secret)
	k := managementkey.Key{ID: id.New(id.ManagementKey), Name: KeyName, Role: access.Owner,
		SecretSHA256: hash[:], Hint: secretkey.Hint(secret), CreatedBy: "configuration"}
	if err := store.PutOperatorKey(ctx, k, change.System("configuration")); err != nil {
		return fmt.Errorf("keep the operator's management key: %w", err)
	}
	return nil
}
