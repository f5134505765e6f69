package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
)

// ClaimIdempotency makes the row of a claim and returns nil, or returns the
// row that exists.
func (db *DB) ClaimIdempotency(ctx context.Context, c idempotency.Claim) (*idempotency.Row, error) {
	var row *idempotency.Row
	err := db.InSystem(ctx, func(tx Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO idempotency (scope, key, fingerprint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			c.Scope, c.Key, c.Fingerprint)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		var status *int
		var header []byte
		var age float64
		row = &idempotency.Row{}
		err = tx.QueryRow(ctx, `SELECT fingerprint, status, header, body, extract(epoch FROM now() - created_at) FROM idempotency WHERE scope = $1 AND key = $2`,
			c.Scope, c.Key).Scan(&row.Fingerprint, &status, &header, &row.Sealed, &age)
		if errors.Is(err, pgx.ErrNoRows) {
			// It was released between the two statements; the caller is told
			// that it is busy and comes again.
			row.Fingerprint = c.Fingerprint
			return nil
		}
		if err != nil {
			return err
		}
		row.Age = time.Duration(age * float64(time.Second))
		if status != nil {
			row.Status = *status
		}
		if header != nil {
			return json.Unmarshal(header, &row.Header)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim idempotency key: %w", err)
	}
	return row, nil
}

// FinishIdempotency keeps the answer to a claim.
func (db *DB) FinishIdempotency(ctx context.Context, c idempotency.Claim, status int, header http.Header, sealed []byte) error {
	h, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE idempotency SET status = $3, header = $4, body = $5 WHERE scope = $1 AND key = $2`,
			c.Scope, c.Key, status, h, sealed)
		return err
	})
}

// ReleaseIdempotency forgets a claim that has no answer yet.
func (db *DB) ReleaseIdempotency(ctx context.Context, c idempotency.Claim) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND status IS NULL`, c.Scope, c.Key)
		return err
	})
}

// PruneIdempotency forgets answers older than age.
func (db *DB) PruneIdempotency(ctx context.Context, age time.Duration) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE created_at < now() - make_interval(secs => $1)`, age.Seconds())
		return err
	})
}
