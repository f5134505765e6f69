-- Every day of the ledger has a partition of its own.
SELECT (started_at AT TIME ZONE 'UTC')::date AS day, count(*) AS events FROM usage_event_other GROUP BY 1
