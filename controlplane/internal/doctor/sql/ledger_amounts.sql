-- Every amount is tokens times the price version that it names.
WITH amount AS (
  SELECT e.data_plane_id, e.epoch, e.seq, e.tenant_id, e.request_id, side.name AS side, side.price_id, side.nano, e.cost_nano, p.price_id AS known,
    CASE WHEN p.price_id IS NOT NULL THEN least(div(
      e.input::numeric * p.input + e.output::numeric * p.output
        + e.cache_read::numeric * coalesce(p.cache_read, p.input) + e.cache_write::numeric * coalesce(p.cache_write, p.input)
        + e.audio_input::numeric * coalesce(p.audio_input, p.input) + e.audio_output::numeric * coalesce(p.audio_output, p.output)
        + e.image_input::numeric * coalesce(p.image_input, p.input) + 500000, 1000000) + p.per_request, 9223372036854775807) END AS should
  FROM usage_event e
  CROSS JOIN LATERAL (VALUES ('cost', e.cost_price_id, e.cost_nano), ('sell', e.sell_price_id, e.price_nano)) AS side(name, price_id, nano)
  LEFT JOIN price p ON p.price_id = side.price_id
  WHERE e.started_at >= date_trunc('day', $1::timestamptz, 'UTC')
)
SELECT data_plane_id, epoch, seq, tenant_id, request_id, side, price_id, nano, should
FROM amount
WHERE CASE
  WHEN known IS NOT NULL THEN nano <> should
  WHEN price_id <> '' THEN true
  WHEN side = 'sell' THEN nano <> cost_nano
  ELSE nano <> 0
END
