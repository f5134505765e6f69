-- Every amount is what was used times the price version that it names, in its variant that fits; a cost that the provider reported names none.
WITH version AS MATERIALIZED (
  SELECT price_id, variants, to_jsonb(price) AS base FROM price
), side AS (
  SELECT e.*, s.side, s.price_id, s.nano,
    floor(extract(epoch FROM e.started_at - date_trunc('day', e.started_at, 'UTC')) / 60) AS minute,
    e.input::numeric + e.cache_read + e.cache_write + e.cache_write_hour + e.audio_input + e.audio_cache_read + e.image_input AS prompt
  FROM usage_event e
  CROSS JOIN LATERAL (VALUES ('cost', e.cost_price_id, e.cost_nano), ('sell', e.sell_price_id, e.price_nano)) AS s(side, price_id, nano)
  WHERE e.started_at >= date_trunc('day', $1::timestamptz, 'UTC')
), rated AS (
  SELECT side.*, p.price_id AS known, CASE WHEN p.variants = '[]' THEN p.base ELSE coalesce((
    SELECT v -> 'price' FROM jsonb_array_elements(p.variants) WITH ORDINALITY AS each(v, n)
    WHERE (coalesce((v ->> 'above_input_tokens')::numeric, 0) = 0 OR side.prompt > (v ->> 'above_input_tokens')::numeric)
      AND (coalesce(v ->> 'service_tier', '') = '' OR v ->> 'service_tier' = side.service_tier)
      AND CASE
        WHEN coalesce((v ->> 'from_minute')::int, 0) < coalesce((v ->> 'to_minute')::int, 0)
          THEN side.minute >= coalesce((v ->> 'from_minute')::int, 0) AND side.minute < (v ->> 'to_minute')::int
        WHEN coalesce((v ->> 'from_minute')::int, 0) > coalesce((v ->> 'to_minute')::int, 0)
          THEN side.minute >= (v ->> 'from_minute')::int OR side.minute < coalesce((v ->> 'to_minute')::int, 0)
        ELSE true END
    ORDER BY n LIMIT 1), p.base) END AS rate
  FROM side LEFT JOIN version p ON p.price_id = side.price_id
  OFFSET 0 -- keeps the look-up of the variant from being copied to each use of it
), priced AS (
  SELECT rated.*, r.*, coalesce(r.r_cache_write, r.r_input) AS r_write, coalesce(r.r_audio_input, r.r_input) AS r_audio,
    CASE WHEN r.r_reasoning IS NULL THEN 0 ELSE least(reasoning, output) END AS thought
  FROM rated CROSS JOIN LATERAL (SELECT
    coalesce((rate ->> 'input')::numeric, 0) AS r_input, coalesce((rate ->> 'output')::numeric, 0) AS r_output,
    (rate ->> 'cache_read')::numeric AS r_cache_read, (rate ->> 'cache_write')::numeric AS r_cache_write,
    (rate ->> 'cache_write_hour')::numeric AS r_hour, (rate ->> 'audio_input')::numeric AS r_audio_input,
    (rate ->> 'audio_output')::numeric AS r_audio_output, (rate ->> 'audio_cache_read')::numeric AS r_audio_cache,
    (rate ->> 'image_input')::numeric AS r_image_input, (rate ->> 'image_output')::numeric AS r_image_output,
    (rate ->> 'reasoning')::numeric AS r_reasoning, coalesce((rate ->> 'per_request')::numeric, 0) AS per_request,
    coalesce((rate ->> 'per_search')::numeric, 0) AS per_search, coalesce((rate ->> 'per_image')::numeric, 0) AS per_image,
    coalesce((rate ->> 'per_audio_minute')::numeric, 0) AS per_audio_minute,
    coalesce((rate ->> 'per_million_characters')::numeric, 0) AS per_million_characters) AS r
  OFFSET 0
), amount AS (
  SELECT *, least(div(
    3 * (input * r_input + (output - thought) * r_output + thought * coalesce(r_reasoning, 0)
      + cache_read * coalesce(r_cache_read, r_input) + cache_write * r_write + cache_write_hour * coalesce(r_hour, r_write)
      + audio_input * r_audio + audio_cache_read * coalesce(r_audio_cache, r_cache_read, r_audio)
      + audio_output * coalesce(r_audio_output, r_output) + image_input * coalesce(r_image_input, r_input)
      + image_output * coalesce(r_image_output, r_output) + characters * per_million_characters)
    + 50 * audio_milliseconds * per_audio_minute
    + 3000000 * (searches * per_search + images * per_image + per_request) + 1500000, 3000000), 9223372036854775807) AS should
  FROM priced
)
SELECT data_plane_id, epoch, seq, tenant_id, request_id, side, price_id, nano, should
FROM amount
WHERE CASE
  WHEN known IS NOT NULL THEN nano <> should
  WHEN price_id <> '' THEN true
  WHEN side = 'sell' THEN nano <> cost_nano
  ELSE nano <> 0 AND NOT cost_reported
END
