package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/fault"
)

type membership = session.Membership

// People are no tenant's, so a tenant's role cannot read them: members are
// read across tenants, and every statement names the tenant.
const memberSelect = `SELECT m.member_id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.version, m.created_at
	FROM member m JOIN app_user u USING (user_id) WHERE m.tenant_id = $1 `

func scanMember(row pgx.CollectableRow) (m member.Member, err error) {
	err = row.Scan(&m.ID, &m.TenantID, &m.UserID, &m.Email, &m.Name, &m.Role, &m.Version, &m.CreatedAt)
	return m, err
}

// Members lists those of a tenant, oldest first.
func (db *DB) Members(ctx context.Context, tenantID, after string, limit int) (out []member.Member, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		out, err = all(ctx, tx, scanMember, memberSelect+`AND m.member_id > $2 ORDER BY m.member_id LIMIT $3`, tenantID, after, limit)
		return err
	})
	return out, err
}

// Member finds one.
func (db *DB) Member(ctx context.Context, tenantID, memberID string) (m member.Member, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		m, err = get(ctx, tx, scanMember, memberSelect+`AND m.member_id = $2`, tenantID, memberID)
		return err
	})
	return m, err
}

// lockMember locks a member and, before it, all owners of the tenant, so that
// two changes cannot each rely on the other's owner.
func lockMember(ctx context.Context, tx Tx, tenantID, memberID string, match int64) (m member.Member, owners int, err error) {
	tag, err := tx.Exec(ctx, `SELECT FROM member WHERE tenant_id = $1 AND role = $2 ORDER BY member_id FOR UPDATE`, tenantID, access.Owner)
	if err != nil {
		return m, 0, fmt.Errorf("lock owners of %s: %w", tenantID, err)
	}
	m, err = get(ctx, tx, scanMember, memberSelect+`AND m.member_id = $2 FOR UPDATE OF m`, tenantID, memberID)
	if err != nil {
		return m, 0, err
	}
	return m, int(tag.RowsAffected()), sameVersion(m.Version, match)
}

// UpdateMember locks a member and writes what edit makes of it.
func (db *DB) UpdateMember(ctx context.Context, tenantID string, by Actor, memberID string, match int64, edit func(*member.Member, int) (change.Record, error)) (m member.Member, err error) {
	_, err = db.OperatorChange(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		var owners int
		if m, owners, err = lockMember(ctx, tx, tenantID, memberID, match); err != nil {
			return err
		}
		rec, err := edit(&m, owners)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `UPDATE member SET role = $3, version = version + 1 WHERE tenant_id = $1 AND member_id = $2 RETURNING version`,
			tenantID, memberID, m.Role).Scan(&m.Version)
		if err != nil {
			return fmt.Errorf("update member %s: %w", memberID, err)
		}
		return r.Write(ctx, rec)
	})
	return m, err
}

// maxMembers of a tenant.
const maxMembers = 1000

// AddMember inserts a member, and an account for one who has none.
func (db *DB) AddMember(ctx context.Context, tenantID string, by Actor, m member.Member, u session.User, advice string) (member.Member, error) {
	_, err := db.OperatorChange(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if err := ensureUser(ctx, tx, &u, advice); err != nil {
			return err
		}
		if err := capped(ctx, tx, tenantID, "member", maxMembers); err != nil {
			return err
		}
		m.UserID, m.Name = u.ID, u.Name
		already, err := exists(ctx, tx, `SELECT FROM member WHERE tenant_id = $1 AND user_id = $2`, tenantID, u.ID)
		if err != nil {
			return fmt.Errorf("look for member: %w", err)
		}
		if already {
			return fault.New(fault.AlreadyExists, "They are a member of this tenant already.", nil).WithFix("Change their role instead.").
				WithField("body.email", "is a member's", "Change their role instead.")
		}
		if err := insertMember(ctx, tx, &m); err != nil {
			return err
		}
		return r.Write(ctx, m.Record("member.create"))
	})
	return m, err
}

// RemoveMember takes out a member that check agrees to.
func (db *DB) RemoveMember(ctx context.Context, tenantID string, by Actor, memberID string, match int64, check func(member.Member, int) (change.Record, error)) error {
	_, err := db.OperatorChange(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		m, owners, err := lockMember(ctx, tx, tenantID, memberID, match)
		if err != nil {
			return err
		}
		rec, err := check(m, owners)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM member WHERE tenant_id = $1 AND member_id = $2`, tenantID, memberID); err != nil {
			return fmt.Errorf("remove member %s: %w", memberID, err)
		}
		return r.Write(ctx, rec)
	})
	return err
}
