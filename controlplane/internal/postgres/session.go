package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/fault"
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

// SetPassword writes a new hash and ends the user's sessions but one. Of two
// changes at once the second finds another password and fails.
func (db *DB) SetPassword(ctx context.Context, by Actor, u session.User, hash, keepSession string) error {
	_, err := db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		tag, err := tx.Exec(ctx, `UPDATE app_user SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2`, u.ID, u.PasswordHash, hash)
		if err != nil {
			return fmt.Errorf("set password of %s: %w", u.ID, err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.Conflict, "The password was changed at the same moment.", nil).WithFix("Sign in with the new one.")
		}
		if _, err := tx.Exec(ctx, `DELETE FROM session WHERE user_id = $1 AND session_id <> $2`, u.ID, keepSession); err != nil {
			return fmt.Errorf("end sessions of %s: %w", u.ID, err)
		}
		return r.Audit(ctx, Entry{Action: "user.password", ResourceKind: "user", ResourceID: u.ID, Detail: map[string]any{"email": u.Email}})
	})
	return err
}

func insertUser(ctx context.Context, tx Tx, u session.User) error {
	_, err := tx.Exec(ctx, `INSERT INTO app_user (user_id, email, name, password_hash, is_operator) VALUES ($1, $2, $3, $4, $5)`,
		u.ID, u.Email, u.Name, u.PasswordHash, u.Operator)
	if err != nil {
		return fmt.Errorf("insert user %s: %w", u.ID, err)
	}
	return nil
}

// CreateSession inserts a session; the token's hash is all that is kept. The
// user's oldest go when there are too many.
func (db *DB) CreateSession(ctx context.Context, s session.Session) error {
	return db.InSystem(ctx, func(tx Tx) error {
		// One sign-in of a user after another, so that each counts the others'.
		if _, err := tx.Exec(ctx, `SELECT FROM app_user WHERE user_id = $1 FOR NO KEY UPDATE`, s.UserID); err != nil {
			return fmt.Errorf("lock user %s: %w", s.UserID, err)
		}
		if err := insertSession(ctx, tx, s); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE user_id = $1 AND session_id <> $2 AND session_id NOT IN (
				SELECT session_id FROM session WHERE user_id = $1 AND session_id <> $2 AND expires_at >= now()
				ORDER BY created_at DESC, session_id DESC LIMIT $3)`, s.UserID, s.ID, session.MostLive-1)
		if err != nil {
			return fmt.Errorf("end the oldest sessions of user %s: %w", s.UserID, err)
		}
		return nil
	})
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
