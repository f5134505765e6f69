-- Tokens of an interrupted request are an estimate, and say so.
SELECT data_plane_id, epoch, seq, tenant_id, request_id
FROM usage_event
WHERE started_at >= date_trunc('day', $1::timestamptz, 'UTC') AND outcome = 5 AND NOT estimated
  AND input + output + cache_read + cache_write + audio_input + audio_output + image_input > 0
