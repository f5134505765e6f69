-- Every connected data plane has all config that is older than a minute.
SELECT d.data_plane_id, d.revision, (SELECT last_revision FROM publisher) AS newest
FROM data_plane d
WHERE NOT d.stopped AND d.last_seen_at > now() - interval '15 seconds' AND d.started_at < now() - interval '60 seconds'
  AND EXISTS (SELECT FROM config_resource r WHERE r.revision > d.revision AND r.committed_at < now() - interval '60 seconds')
