-- Every request that a data plane settled before it was lost has arrived.
SELECT d.data_plane_id, d.epoch, d.last_seq, coalesce(w.contiguous_seq, 0) AS contiguous_seq, d.last_seen_at
FROM data_plane d LEFT JOIN usage_watermark w USING (data_plane_id, epoch)
WHERE d.last_seq > coalesce(w.contiguous_seq, 0) AND d.last_seen_at < now() - interval '60 seconds'
