-- Every table with a tenant is under forced row-level security.
SELECT c.oid::regclass AS relation
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR c.relispartition))
