-- What is published of each resource is its newest change.
SELECT o.tenant_id, o.kind, o.resource_id, o.revision AS changed, r.revision AS published
FROM (
  SELECT DISTINCT ON (tenant_id, kind, resource_id) tenant_id, kind, resource_id, revision, payload
  FROM config_outbox WHERE revision IS NOT NULL ORDER BY tenant_id, kind, resource_id, revision DESC
) o LEFT JOIN config_resource r USING (tenant_id, kind, resource_id)
WHERE (r.revision IS DISTINCT FROM o.revision OR r.payload IS DISTINCT FROM o.payload)
  AND NOT (r.revision IS NULL AND o.payload IS NULL)
