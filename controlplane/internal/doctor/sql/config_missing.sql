-- Data planes are told of every tenant, key, credential, model and route.
SELECT kind, tenant_id, resource_id FROM (
  SELECT 1 AS kind, tenant_id, tenant_id AS resource_id FROM tenant
  UNION ALL SELECT 2, tenant_id, api_key_id FROM api_key
  UNION ALL SELECT 3, tenant_id, credential_id FROM credential WHERE retired_at IS NULL
  UNION ALL SELECT 4, tenant_id, model_id FROM model WHERE retired_at IS NULL
  UNION ALL SELECT 5, tenant_id, route_id FROM route
) want
WHERE NOT EXISTS (SELECT FROM config_resource r WHERE (r.tenant_id, r.kind, r.resource_id) = (want.tenant_id, want.kind, want.resource_id) AND r.payload IS NOT NULL)
  AND NOT EXISTS (SELECT FROM config_outbox o WHERE o.revision IS NULL AND (o.tenant_id, o.kind, o.resource_id) = (want.tenant_id, want.kind, want.resource_id))
