package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/project"
)

const projectColumns = `project_id, tenant_id, name, parameter_rules, version, created_at`

func scanProject(row pgx.CollectableRow) (p project.Project, err error) {
	err = row.Scan(&p.ID, &p.TenantID, &p.Name, &p.Rules, &p.Version, &p.CreatedAt)
	return p, err
}

// Projects lists those of a tenant, oldest first.
func (db *DB) Projects(ctx context.Context, tenantID, after string, limit int) ([]project.Project, error) {
	return list(ctx, db, tenantID, scanProject, `SELECT `+projectColumns+` FROM project
		WHERE tenant_id = $1 AND project_id > $2 ORDER BY project_id LIMIT $3`, tenantID, after, limit)
}

// Project finds one.
func (db *DB) Project(ctx context.Context, tenantID, projectID string) (p project.Project, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		p, err = lockProject(ctx, tx, tenantID, projectID, "")
		return err
	})
	return p, err
}

func lockProject(ctx context.Context, tx Tx, tenantID, projectID, lock string) (project.Project, error) {
	return get(ctx, tx, scanProject, `SELECT `+projectColumns+` FROM project WHERE tenant_id = $1 AND project_id = $2 `+lock, tenantID, projectID)
}

// CreateProject inserts one.
func (db *DB) CreateProject(ctx context.Context, tenantID string, by Actor, p project.Project) (project.Project, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if err := insertProject(ctx, tx, &p); err != nil {
			return err
		}
		rec, err := p.Record("project.create", false)
		if err != nil {
			return err
		}
		return r.Write(ctx, rec)
	})
	return p, changeID, err
}

func insertProject(ctx context.Context, tx Tx, p *project.Project) error {
	rules, err := p.Rules.Column()
	if err != nil {
		return fmt.Errorf("rules of project %s: %w", p.ID, err)
	}
	err = tx.QueryRow(ctx, `INSERT INTO project (tenant_id, project_id, name, parameter_rules) VALUES ($1, $2, $3, $4) RETURNING version, created_at`,
		p.TenantID, p.ID, p.Name, rules).Scan(&p.Version, &p.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert project %s: %w", p.ID, err)
	}
	return nil
}

// UpdateProject locks a project and writes what edit makes of it.
func (db *DB) UpdateProject(ctx context.Context, tenantID string, by Actor, projectID string, match int64, edit func(*project.Project) (change.Record, error)) (p project.Project, changeID int64, err error) {
	changeID, err = db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if p, err = lockProject(ctx, tx, tenantID, projectID, "FOR UPDATE"); err != nil {
			return err
		}
		if err := sameVersion(p.Version, match); err != nil {
			return err
		}
		rec, err := edit(&p)
		if err != nil {
			return err
		}
		rules, err := p.Rules.Column()
		if err != nil {
			return fmt.Errorf("rules of project %s: %w", projectID, err)
		}
		err = tx.QueryRow(ctx, `UPDATE project SET name = $3, parameter_rules = $4, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND project_id = $2 RETURNING version`, tenantID, projectID, p.Name, rules).Scan(&p.Version)
		if err != nil {
			return fmt.Errorf("update project %s: %w", projectID, err)
		}
		return r.Write(ctx, rec)
	})
	return p, changeID, err
}

// DeleteProject removes a project that check agrees to. All projects of the
// tenant are locked, so that two deletions cannot each leave the other's.
func (db *DB) DeleteProject(ctx context.Context, tenantID string, by Actor, projectID string, match int64, check func(projects, keys int) error) (int64, error) {
	return db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		tag, err := tx.Exec(ctx, `SELECT FROM project WHERE tenant_id = $1 ORDER BY project_id FOR UPDATE`, tenantID)
		if err != nil {
			return fmt.Errorf("lock projects of %s: %w", tenantID, err)
		}
		p, err := lockProject(ctx, tx, tenantID, projectID, "")
		if err != nil {
			return err
		}
		if err := sameVersion(p.Version, match); err != nil {
			return err
		}
		var keys int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM api_key WHERE tenant_id = $1 AND project_id = $2`, tenantID, projectID).Scan(&keys)
		if err != nil {
			return fmt.Errorf("count keys of %s: %w", projectID, err)
		}
		if err := check(int(tag.RowsAffected()), keys); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM project WHERE tenant_id = $1 AND project_id = $2`, tenantID, projectID); err != nil {
			return fmt.Errorf("delete project %s: %w", projectID, err)
		}
		had := len(p.Rules) > 0
		p.Rules = nil
		rec, err := p.Record("project.delete", had)
		if err != nil {
			return err
		}
		return r.Write(ctx, rec)
	})
}
