package postgres

import (
	"crypto/sha256"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
)

// sums turns the totals of rollup rows into one array per column, for unnest.
type sums [22][]int64

func (s *sums) add(t *usage.Totals) {
	k, u := &t.Tokens, &t.Units
	for i, v := range [...]int64{t.Requests, t.Errors, t.Attempts, t.Estimated, k.Input, k.Output, k.CacheRead, k.CacheWrite,
		k.Reasoning, k.AudioInput, k.AudioOutput, k.ImageInput, t.CostNano, t.PriceNano, t.DurationUS,
		k.CacheWriteHour, k.ImageOutput, k.AudioCacheRead, u.Searches, u.Images, u.AudioMilliseconds, u.Characters} {
		s[i] = append(s[i], v)
	}
}

func (s *sums) args(keys ...any) []any {
	for i := range s {
		keys = append(keys, s[i])
	}
	return keys
}

// sumColumns are the sums of both rollups, in the order of sums.
const sumColumns = `requests, errors, attempts, estimated, input, output, cache_read, cache_write,
	reasoning, audio_input, audio_output, image_input, cost_nano, price_nano, duration_us,
	cache_write_hour, image_output, audio_cache_read, searches, images, audio_milliseconds, characters`

// addSums adds a row's sums. Money is held where a bigint ends, as it is for an
// event: tenants choose prices, so they can fill a row, and refusing it would
// keep everybody's events in the same transaction out of the ledger. The
// doctor tells of a row that is full.
const addSums = `requests = r.requests + excluded.requests, errors = r.errors + excluded.errors,
	attempts = r.attempts + excluded.attempts, estimated = r.estimated + excluded.estimated,
	input = r.input + excluded.input, output = r.output + excluded.output,
	cache_read = r.cache_read + excluded.cache_read, cache_write = r.cache_write + excluded.cache_write,
	reasoning = r.reasoning + excluded.reasoning, audio_input = r.audio_input + excluded.audio_input,
	audio_output = r.audio_output + excluded.audio_output, image_input = r.image_input + excluded.image_input,
	cost_nano = CASE WHEN r.cost_nano > 9223372036854775807 - excluded.cost_nano THEN 9223372036854775807 ELSE r.cost_nano + excluded.cost_nano END,
	price_nano = CASE WHEN r.price_nano > 9223372036854775807 - excluded.price_nano THEN 9223372036854775807 ELSE r.price_nano + excluded.price_nano END,
	duration_us = r.duration_us + excluded.duration_us,
	cache_write_hour = r.cache_write_hour + excluded.cache_write_hour, image_output = r.image_output + excluded.image_output,
	audio_cache_read = r.audio_cache_read + excluded.audio_cache_read, searches = r.searches + excluded.searches,
	images = r.images + excluded.images, audio_milliseconds = r.audio_milliseconds + excluded.audio_milliseconds,
	characters = r.characters + excluded.characters`

const addHours = `INSERT INTO usage_hour AS r (tenant_id, hour, route, provider, provider_model, ` + sumColumns + `)
	SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
		$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
		$14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[],
		$21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[])
	ON CONFLICT (tenant_id, hour, route, provider, provider_model) DO UPDATE SET ` + addSums

func queueHours(b *pgx.Batch, rows []usage.HourRow) {
	if len(rows) == 0 {
		return
	}
	var tenants, routes, providers, models []string
	var hours []time.Time
	var s sums
	for i := range rows {
		k := &rows[i].Key
		tenants, hours = append(tenants, k.TenantID), append(hours, time.Unix(k.Hour, 0))
		routes, providers, models = append(routes, k.Route), append(providers, k.Provider), append(models, k.ProviderModel)
		s.add(&rows[i].Totals)
	}
	b.Queue(addHours, s.args(tenants, hours, routes, providers, models)...)
}

const addDays = `INSERT INTO usage_day AS r (tenant_id, day, project_id, api_key_id, route, provider, provider_model, last_at, ` + sumColumns + `)
	SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
		$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
		$17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
		$24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[])
	ON CONFLICT (tenant_id, day, project_id, api_key_id, route, provider, provider_model) DO UPDATE
	SET last_at = greatest(r.last_at, excluded.last_at), ` + addSums

func queueDays(b *pgx.Batch, rows []usage.DayRow) {
	if len(rows) == 0 {
		return
	}
	var tenants, projects, keys, routes, providers, models []string
	var days, last []time.Time
	var s sums
	for i := range rows {
		k := &rows[i].Key
		tenants, days = append(tenants, k.TenantID), append(days, time.Unix(k.Day, 0).UTC())
		projects, keys = append(projects, k.ProjectID), append(keys, k.APIKeyID)
		routes, providers, models = append(routes, k.Route), append(providers, k.Provider), append(models, k.ProviderModel)
		last = append(last, rows[i].LastAt)
		s.add(&rows[i].Totals)
	}
	b.Queue(addDays, s.args(tenants, days, projects, keys, routes, providers, models, last)...)
}

// queueAside keeps one thing once, however often it is sent.
func queueAside(b *pgx.Batch, a usage.Aside) {
	sum := sha256.Sum256(a.Payload)
	b.Queue(`
		INSERT INTO usage_aside AS u (sha256, subject, reason, payload) VALUES ($1, $2, $3, $4)
		ON CONFLICT (sha256) DO UPDATE SET times = u.times + 1, last_at = now()`, sum[:], a.Subject, a.Reason, a.Payload)
}
