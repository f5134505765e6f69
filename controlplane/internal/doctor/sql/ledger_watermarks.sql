-- A watermark promises only what the ledger holds. (Looked at when the whole ledger is.)
SELECT w.data_plane_id, w.epoch, w.contiguous_seq, w.highest_seq, e.held, e.highest
FROM usage_watermark w LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE seq <= w.contiguous_seq) AS held, coalesce(max(seq), 0) AS highest
  FROM usage_event WHERE data_plane_id = w.data_plane_id AND epoch = w.epoch
) e ON true
WHERE $1::timestamptz <= 'epoch' AND (e.held <> w.contiguous_seq OR e.highest <> w.highest_seq)
