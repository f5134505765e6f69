-- No request stands in the ledger twice.
SELECT data_plane_id, epoch, seq, count(*) AS times
FROM usage_event WHERE started_at >= date_trunc('day', $1::timestamptz, 'UTC')
GROUP BY 1, 2, 3 HAVING count(*) > 1
