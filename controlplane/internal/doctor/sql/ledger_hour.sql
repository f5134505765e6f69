-- Usage by hour is the sum of the ledger, to the nano-dollar.
WITH ledger AS (
  SELECT tenant_id, date_trunc('hour', started_at, 'UTC') AS hour,
    CASE WHEN error_code = 'model_not_found' THEN '(unknown)' ELSE route END AS route, provider, provider_model,
    count(*) AS requests, count(*) FILTER (WHERE outcome IN (2, 3, 5)) AS errors, sum(attempts) AS attempts,
    count(*) FILTER (WHERE estimated) AS estimated, sum(input) AS input, sum(output) AS output, sum(cache_read) AS cache_read,
    sum(cache_write) AS cache_write, sum(reasoning) AS reasoning, sum(audio_input) AS audio_input, sum(audio_output) AS audio_output,
    sum(image_input) AS image_input, sum(cost_nano) AS cost_nano, sum(price_nano) AS price_nano, sum(duration_us) AS duration_us,
    sum(cache_write_hour) AS cache_write_hour, sum(image_output) AS image_output, sum(audio_cache_read) AS audio_cache_read, sum(searches) AS searches,
    sum(images) AS images, sum(audio_milliseconds) AS audio_milliseconds, sum(characters) AS characters
  FROM usage_event WHERE started_at >= date_trunc('day', $1::timestamptz, 'UTC')
  GROUP BY 1, 2, 3, 4, 5
), rollup AS (
  SELECT * FROM usage_hour WHERE hour >= date_trunc('day', $1::timestamptz, 'UTC')
)
SELECT tenant_id, hour, route, provider, provider_model, l.requests AS ledger_requests, r.requests AS rollup_requests,
  l.cost_nano AS ledger_cost, r.cost_nano AS rollup_cost, l.price_nano AS ledger_price, r.price_nano AS rollup_price
FROM ledger l FULL JOIN rollup r USING (tenant_id, hour, route, provider, provider_model)
WHERE (l.requests, l.errors, l.attempts, l.estimated, l.input, l.output, l.cache_read, l.cache_write, l.reasoning,
    l.audio_input, l.audio_output, l.image_input, l.cost_nano, l.price_nano, l.duration_us, l.cache_write_hour, l.image_output, l.audio_cache_read, l.searches, l.images, l.audio_milliseconds, l.characters)
  IS DISTINCT FROM
  (r.requests, r.errors, r.attempts, r.estimated, r.input, r.output, r.cache_read, r.cache_write, r.reasoning,
    r.audio_input, r.audio_output, r.image_input, r.cost_nano, r.price_nano, r.duration_us, r.cache_write_hour, r.image_output, r.audio_cache_read, r.searches, r.images, r.audio_milliseconds, r.characters)
