-- Every change that is older than a minute is published.
SELECT outbox_id, tenant_id, kind, resource_id, committed_at FROM config_outbox
WHERE (revision IS NULL OR published_at IS NULL) AND committed_at < now() - interval '60 seconds'
