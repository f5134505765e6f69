package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// selectSums adds up the columns of usage.Totals under their own names. A sum
// of bigint is numeric in Postgres; one beyond bigint is an error and never a
// wrong number, but for money, which tenants can drive there with prices of
// their own: it is held at the end, as in the rollups, or one tenant would break
// the operator's pages.
const selectSums = `sum(requests)::bigint AS requests, sum(errors)::bigint AS errors, sum(attempts)::bigint AS attempts,
	sum(estimated)::bigint AS estimated, sum(input)::bigint AS input, sum(output)::bigint AS output,
	sum(cache_read)::bigint AS cache_read, sum(cache_write)::bigint AS cache_write, sum(reasoning)::bigint AS reasoning,
	sum(audio_input)::bigint AS audio_input, sum(audio_output)::bigint AS audio_output, sum(image_input)::bigint AS image_input,
	least(sum(cost_nano), 9223372036854775807)::bigint AS cost_nano, least(sum(price_nano), 9223372036854775807)::bigint AS price_nano,
	sum(duration_us)::bigint AS duration_us, sum(cache_write_hour)::bigint AS cache_write_hour, sum(image_output)::bigint AS image_output,
	sum(audio_cache_read)::bigint AS audio_cache_read, sum(searches)::bigint AS searches, sum(images)::bigint AS images,
	sum(audio_milliseconds)::bigint AS audio_milliseconds, sum(characters)::bigint AS characters`

func totalsTargets(t *usage.Totals) []any {
	k, u := &t.Tokens, &t.Units
	return []any{&t.Requests, &t.Errors, &t.Attempts, &t.Estimated, &k.Input, &k.Output, &k.CacheRead, &k.CacheWrite, &k.Reasoning,
		&k.AudioInput, &k.AudioOutput, &k.ImageInput, &t.CostNano, &t.PriceNano, &t.DurationUS,
		&k.CacheWriteHour, &k.ImageOutput, &k.AudioCacheRead, &u.Searches, &u.Images, &u.AudioMilliseconds, &u.Characters}
}

// conditions are the WHERE of a query with its arguments; on a rollup also which
// one that is.
type conditions struct {
	table, at string
	where     []string
	args      []any
}

func conditionsOf(q usage.Query) conditions {
	r := conditions{table: "usage_day", at: "day"}
	if q.Interval == usage.Hour {
		r = conditions{table: "usage_hour", at: "hour"}
	}
	r.filter(r.at+" >= $%d", q.From)
	r.filter(r.at+" < $%d", q.To)
	if q.Route != "" {
		r.filter("route = $%d", q.Route)
	}
	if q.APIKeyID != "" {
		r.filter("api_key_id = $%d", q.APIKeyID)
	}
	if q.ProjectID != "" {
		r.filter("project_id = $%d", q.ProjectID)
	}
	return r
}

// filter adds a condition on the argument that follows.
func (r *conditions) filter(condition string, arg any) {
	r.args = append(r.args, arg)
	r.where = append(r.where, fmt.Sprintf(condition, len(r.args)))
}

func (r *conditions) arg(v any) string {
	r.args = append(r.args, v)
	return fmt.Sprintf("$%d", len(r.args))
}

func (r *conditions) from() string { return r.table + " WHERE " + strings.Join(r.where, " AND ") }

// groupColumn is the SQL of a split.
func groupColumn(g usage.GroupBy) string {
	switch g {
	case usage.ByModel:
		return "CASE WHEN provider = '' THEN '' ELSE provider || '/' || provider_model END"
	case usage.ByRoute:
		return "route"
	case usage.ByProvider:
		return "provider"
	case usage.ByKey:
		return "api_key_id"
	case usage.ByProject:
		return "project_id"
	case usage.ByTenant:
		return "tenant_id"
	}
	return "''"
}

// UsagePoints sums a rollup by interval and group. Groups beyond q.Groups, by
// price, are one group. Everything comes from one statement, so that it is of
// one moment.
func (db *DB) UsagePoints(ctx context.Context, tenantID string, q usage.Query) (points []usage.Point, names usage.Names, err error) {
	r := conditionsOf(q)
	r.filter("tenant_id = $%d", tenantID)
	sql := `WITH cell AS (
			SELECT ` + r.at + ` AS at, ` + groupColumn(q.GroupBy) + ` AS g, ` + selectSums + ` FROM ` + r.from() + ` GROUP BY 1, 2
		), top AS (
			SELECT g FROM cell GROUP BY g ORDER BY sum(price_nano) DESC, sum(requests) DESC, g LIMIT ` + r.arg(q.Groups) + `
		)
		SELECT at, coalesce(top.g, ` + r.arg(usage.Others) + `), ` + selectSums + ` FROM cell LEFT JOIN top USING (g) GROUP BY 1, 2 ORDER BY 1, 2`
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		if points, err = all(ctx, tx, scanPoint, sql, r.args...); err != nil {
			return fmt.Errorf("usage of %s: %w", tenantID, err)
		}
		names, err = groupNames(ctx, tx, tenantID, q.GroupBy, points)
		return err
	})
	return points, names, err
}

func scanPoint(row pgx.CollectableRow) (p usage.Point, err error) {
	err = row.Scan(append([]any{&p.At, &p.Group}, totalsTargets(&p.Totals)...)...)
	p.At = p.At.UTC()
	return p, err
}

// groupNames looks up what people call keys and projects.
func groupNames(ctx context.Context, tx Tx, tenantID string, by usage.GroupBy, points []usage.Point) (usage.Names, error) {
	var sql string
	switch by {
	case usage.ByKey:
		sql = `SELECT api_key_id, name FROM api_key WHERE tenant_id = $1 AND api_key_id = ANY($2)`
	case usage.ByProject:
		sql = `SELECT project_id, name FROM project WHERE tenant_id = $1 AND project_id = ANY($2)`
	default:
		return nil, nil
	}
	seen, ids := map[string]bool{}, []string{}
	for _, p := range points {
		if !seen[p.Group] {
			seen[p.Group] = true
			ids = append(ids, p.Group)
		}
	}
	names := usage.Names{}
	rows, err := tx.Query(ctx, sql, tenantID, ids)
	if err != nil {
		return nil, fmt.Errorf("names of groups: %w", err)
	}
	var id, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil })
	return names, err
}

// UsageOverview sums all tenants.
func (db *DB) UsageOverview(ctx context.Context, q usage.Query, top int) (o usage.OverviewRows, err error) {
	r := conditionsOf(q)
	points := `SELECT ` + r.at + `, '', ` + selectSums + ` FROM ` + r.from() + ` GROUP BY 1 ORDER BY 1`
	err = db.InSystem(ctx, func(tx Tx) error {
		if o.Points, err = all(ctx, tx, scanPoint, points, r.args...); err != nil {
			return fmt.Errorf("overview: %w", err)
		}
		err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM tenant), (SELECT count(DISTINCT tenant_id) FROM `+r.from()+`)`, r.args...).
			Scan(&o.Tenants, &o.ActiveTenants)
		if err != nil {
			return fmt.Errorf("count tenants: %w", err)
		}
		if o.TopModels, err = topGroups(ctx, tx, r, usage.ByModel, top); err != nil {
			return err
		}
		o.TopTenants, err = topGroups(ctx, tx, r, usage.ByTenant, top)
		return err
	})
	return o, err
}

func topGroups(ctx context.Context, tx Tx, r conditions, by usage.GroupBy, top int) ([]usage.Group, error) {
	name := "''"
	if by == usage.ByTenant {
		name = "coalesce((SELECT t.name FROM tenant t WHERE t.tenant_id = g), '')"
	}
	args := append(r.args[:len(r.args):len(r.args)], top)
	groups, err := all(ctx, tx, func(row pgx.CollectableRow) (g usage.Group, err error) {
		return g, row.Scan(append([]any{&g.Group, &g.Name}, totalsTargets(&g.Totals)...)...)
	}, `WITH grouped AS (
			SELECT `+groupColumn(by)+` AS g, `+selectSums+` FROM `+r.from()+` GROUP BY 1
			ORDER BY sum(price_nano) DESC, sum(requests) DESC, 1 LIMIT `+fmt.Sprintf("$%d", len(args))+`
		)
		SELECT g, `+name+`, `+sumColumns+` FROM grouped ORDER BY price_nano DESC, requests DESC, g`, args...)
	if err != nil {
		return nil, fmt.Errorf("top by %s: %w", by, err)
	}
	return groups, nil
}

// TenantTotals sums the days from from, before to, of each tenant.
func (db *DB) TenantTotals(ctx context.Context, tenantIDs []string, from, to time.Time) (map[string]usage.Totals, error) {
	out := make(map[string]usage.Totals, len(tenantIDs))
	err := db.InSystem(ctx, func(tx Tx) error {
		rows, err := tx.Query(ctx, `SELECT tenant_id, `+selectSums+` FROM usage_day
			WHERE tenant_id = ANY($1) AND day >= $2 AND day < $3 GROUP BY 1`, tenantIDs, from, to)
		if err != nil {
			return err
		}
		var id string
		var t usage.Totals
		_, err = pgx.ForEachRow(rows, append([]any{&id}, totalsTargets(&t)...), func() error { out[id] = t; return nil })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("totals of %d tenants: %w", len(tenantIDs), err)
	}
	return out, nil
}

const selectEvents = `SELECT data_plane_id, epoch, seq, e.tenant_id, e.project_id, e.api_key_id, request_id, route, operation,
	provider, provider_model, started_at, duration_us, first_token_us, outcome, http_status, error_code,
	streamed, estimated, input, output, cache_read, cache_write, reasoning, audio_input, audio_output,
	image_input, cost_nano, price_nano, cost_price_id, sell_price_id, config_revision, attempt_detail, client_ip, user_agent,
	ingested_at, cache_write_hour, image_output, audio_cache_read, searches, images, audio_milliseconds, characters,
	service_tier, cost_reported, coalesce(k.name, '')
	FROM usage_event e LEFT JOIN api_key k ON k.tenant_id = e.tenant_id AND k.api_key_id = e.api_key_id `

func scanEvent(row pgx.CollectableRow) (e usage.Request, err error) {
	var outcome int16
	t, u := &e.Tokens, &e.Units
	err = row.Scan(&e.DataPlaneID, &e.Epoch, &e.Seq, &e.TenantID, &e.ProjectID, &e.APIKeyID, &e.RequestID, &e.Route, &e.Operation,
		&e.Provider, &e.ProviderModel, &e.StartedAt, &e.DurationUS, &e.FirstTokenUS, &outcome, &e.HTTPStatus, &e.ErrorCode,
		&e.Streamed, &e.Estimated, &t.Input, &t.Output, &t.CacheRead, &t.CacheWrite, &t.Reasoning, &t.AudioInput, &t.AudioOutput,
		&t.ImageInput, &e.CostNano, &e.PriceNano, &e.CostPriceID, &e.SellPriceID, &e.ConfigRevision, &e.Attempts, &e.ClientIP, &e.UserAgent,
		&e.IngestedAt, &t.CacheWriteHour, &t.ImageOutput, &t.AudioCacheRead, &u.Searches, &u.Images, &u.AudioMilliseconds, &u.Characters,
		&e.ServiceTier, &e.CostReported, &e.APIKeyName)
	e.Outcome, e.StartedAt, e.IngestedAt = usagev1.Outcome(outcome), e.StartedAt.UTC(), e.IngestedAt.UTC()
	return e, err
}

// UsageEvents lists events of one window, newest first.
func (db *DB) UsageEvents(ctx context.Context, tenantID string, q usage.EventQuery) ([]usage.Request, error) {
	r := conditions{}
	r.filter("e.tenant_id = $%d", tenantID)
	r.filter("started_at >= $%d", q.Begin)
	r.filter("started_at < $%d", q.End)
	if a := q.After; a != nil && a.DataPlaneID != "" {
		at, id, epoch, seq := r.arg(a.At), r.arg(a.DataPlaneID), r.arg(a.Epoch), r.arg(a.Seq)
		r.where = append(r.where, "(started_at < "+at+" OR (data_plane_id, epoch, seq) > ("+id+", "+epoch+", "+seq+"))")
	}
	if q.Route != "" {
		r.filter("route = $%d", q.Route)
	}
	if q.APIKeyID != "" {
		r.filter("e.api_key_id = $%d", q.APIKeyID)
	}
	if q.Outcome != usagev1.Outcome_OUTCOME_UNSPECIFIED {
		r.filter("outcome = $%d", int16(q.Outcome))
	}
	if q.ErrorsOnly {
		r.where = append(r.where, errorOutcomes())
	}
	sql := selectEvents + "WHERE " + strings.Join(r.where, " AND ") + " ORDER BY started_at DESC, data_plane_id, epoch, seq LIMIT " + r.arg(q.Limit)
	events, err := list(ctx, db, tenantID, scanEvent, sql, r.args...)
	if err != nil {
		return nil, fmt.Errorf("requests of %s: %w", tenantID, err)
	}
	return events, nil
}

// errorOutcomes is usage.Event.IsError in SQL.
func errorOutcomes() string {
	var numbers []string
	for n := range usagev1.Outcome_name {
		if e := (usage.Event{Outcome: usagev1.Outcome(n)}); e.IsError() {
			numbers = append(numbers, strconv.Itoa(int(n)))
		}
	}
	slices.Sort(numbers)
	return "outcome IN (" + strings.Join(numbers, ", ") + ")"
}

// UsageEvent finds the newest event with a request id since a moment.
func (db *DB) UsageEvent(ctx context.Context, tenantID, requestID string, since time.Time) (e usage.Request, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		e, err = get(ctx, tx, scanEvent, selectEvents+`WHERE e.tenant_id = $1 AND request_id = $2 AND started_at >= $3
			ORDER BY started_at DESC LIMIT 1`, tenantID, requestID, since)
		return err
	})
	return e, err
}

// PricesByID finds price versions that a tenant's requests name.
func (db *DB) PricesByID(ctx context.Context, tenantID string, ids ...string) (map[string]catalog.Price, error) {
	prices, err := list(ctx, db, tenantID, scanPrice, `SELECT `+priceColumns+` FROM price
		WHERE price_id = ANY($2) AND (tenant_id = $1 OR tenant_id IS NULL)`, tenantID, ids)
	if err != nil {
		return nil, fmt.Errorf("prices of a request of %s: %w", tenantID, err)
	}
	out := make(map[string]catalog.Price, len(prices))
	for _, p := range prices {
		out[p.ID] = p
	}
	return out, nil
}
