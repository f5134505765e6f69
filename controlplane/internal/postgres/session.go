package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/secretkey"
)

const userSelect = `SELECT user_id, email, name, password_hash, is_operator FROM app_user `

func scanUser(row pgx.CollectableRow) (u session.User, err error) {
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.PasswordHash, &u.Operator)
	return u, err
}

// UserByEmail finds a person.
func (db *DB) UserByEmail(ctx context.Context, email string) (u session.User, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		u, err = get(ctx, tx, scanUser, userSelect+`WHERE email = $1`, email)
		return err
	})
	return u, err
}

func insertUser(ctx context.Context, tx Tx, u session.User) error {
	_, err := tx.Exec(ctx, `INSERT INTO app_user (user_id, email, name, password_hash, is_operator) VALUES ($1, $2, $3, $4, $5)`,
		u.ID, u.Email, u.Name, u.PasswordHash, u.Operator)
	if err != nil {
		return fmt.Errorf("insert user %s: %w", u.ID, err)
	}
	return nil
}

// CreateSession inserts a session; the token's hash is all that is kept.
func (db *DB) CreateSession(ctx context.Context, s session.Session) error {
	return db.InSystem(ctx, func(tx Tx) error { return insertSession(ctx, tx, s) })
}

func insertSession(ctx context.Context, tx Tx, s session.Session) error {
	hash := secretkey.Hash(s.Token)
	_, err := tx.Exec(ctx, `INSERT INTO session (session_id, user_id, token_sha256, expires_at) VALUES ($1, $2, $3, $4)`,
		s.ID, s.UserID, hash[:], s.ExpiresAt)
	if err != nil {
		return fmt.Errorf("insert session %s: %w", s.ID, err)
	}
	return nil
}

// DeleteSession ends a session.
func (db *DB) DeleteSession(ctx context.Context, sessionID string) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE session_id = $1`, sessionID)
		return err
	})
}

// PruneSessions forgets sessions that have ended.
func (db *DB) PruneSessions(ctx context.Context) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE expires_at < now()`)
		return err
	})
}
