-- +goose Up

-- Two roles own no table and cannot bypass row-level security. tollgate_app
-- sees one tenant, the one that the transaction names; tollgate_system is for
-- work across tenants: sign-in, publishing, ingest, the operator's pages.
-- +goose StatementBegin
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['tollgate_app', 'tollgate_system'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
      EXECUTE format('GRANT %I TO CURRENT_USER', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', r);
  END LOOP;
END $$;
-- +goose StatementEnd

-- The tenant of this transaction; '' when none is set, which matches no row.
CREATE FUNCTION current_tenant() RETURNS text LANGUAGE sql STABLE
  RETURN coalesce(current_setting('tollgate.tenant_id', true), '');

-- isolate puts a table with tenant_id under forced row-level security.
-- +goose StatementBegin
CREATE FUNCTION isolate(t regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
  EXECUTE format('CREATE POLICY tenant ON %s TO tollgate_app USING (tenant_id = current_tenant()) WITH CHECK (tenant_id = current_tenant())', t);
  EXECUTE format('CREATE POLICY system ON %s TO tollgate_system USING (true) WITH CHECK (true)', t);
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION isolate(regclass) FROM PUBLIC;

CREATE TABLE tenant (
  tenant_id  text PRIMARY KEY,
  slug       text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  status     text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
SELECT isolate('tenant');

-- People. Not a tenant's: one person may be a member of several.
CREATE TABLE app_user (
  user_id       text PRIMARY KEY,
  email         text NOT NULL UNIQUE CHECK (email = lower(email)),
  name          text NOT NULL DEFAULT '',
  password_hash text NOT NULL,
  is_operator   boolean NOT NULL DEFAULT false,
  created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE session (
  session_id   text PRIMARY KEY,
  user_id      text NOT NULL REFERENCES app_user ON DELETE CASCADE,
  token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL
);
CREATE INDEX session_by_user ON session (user_id);

CREATE TABLE member (
  tenant_id  text NOT NULL REFERENCES tenant,
  member_id  text NOT NULL,
  user_id    text NOT NULL REFERENCES app_user,
  role       text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, member_id),
  UNIQUE (tenant_id, user_id)
);
CREATE INDEX member_by_user ON member (user_id);
SELECT isolate('member');

CREATE TABLE project (
  tenant_id  text NOT NULL REFERENCES tenant,
  project_id text NOT NULL,
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, project_id),
  UNIQUE (tenant_id, name)
);
SELECT isolate('project');

CREATE TABLE api_key (
  tenant_id            text NOT NULL REFERENCES tenant,
  api_key_id           text NOT NULL,
  project_id           text NOT NULL,
  name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  secret_sha256        bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  hint                 text NOT NULL,
  previous_sha256      bytea CHECK (length(previous_sha256) = 32),
  previous_valid_until timestamptz,
  allowed_routes       text[] NOT NULL DEFAULT '{}',
  expires_at           timestamptz,
  revoked_at           timestamptz,
  rotated_at           timestamptz,
  created_by           text NOT NULL,
  version              bigint NOT NULL DEFAULT 1,
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, api_key_id),
  FOREIGN KEY (tenant_id, project_id) REFERENCES project
);
SELECT isolate('api_key');

-- Keys of the control plane's API. An operator's key has no tenant and is
-- seen by tollgate_system alone.
CREATE TABLE management_key (
  management_key_id text PRIMARY KEY,
  tenant_id         text REFERENCES tenant,
  name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  role              text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
  secret_sha256     bytea NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
  hint              text NOT NULL,
  expires_at        timestamptz,
  revoked_at        timestamptz,
  created_by        text NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX management_key_tenant ON management_key (tenant_id);
SELECT isolate('management_key');

-- A change and its audit entry are one transaction. Entries of a tenant form
-- a chain: each holds the hash of the one before. tenant_id '' is the
-- operator's own chain.
CREATE TABLE audit_entry (
  tenant_id     text NOT NULL,
  seq           bigint NOT NULL,
  at            timestamptz NOT NULL,
  actor_kind    text NOT NULL CHECK (actor_kind IN ('user', 'management_key', 'system')),
  actor_id      text NOT NULL,
  actor_name    text NOT NULL,
  action        text NOT NULL,
  resource_kind text NOT NULL,
  resource_id   text NOT NULL,
  request_id    text NOT NULL,
  client_ip     text NOT NULL,
  detail        jsonb NOT NULL DEFAULT '{}',
  prev_hash     bytea NOT NULL,
  hash          bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);
SELECT isolate('audit_entry');
CREATE TABLE audit_head (
  tenant_id text PRIMARY KEY,
  seq       bigint NOT NULL,
  hash      bytea NOT NULL
);
SELECT isolate('audit_head');

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_entry
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Answers kept for repeats of a request with the same Idempotency-Key. scope
-- is who asked: a user or management key id, or a client address at sign-up.
CREATE TABLE idempotency (
  scope       text NOT NULL,
  key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,
  status      integer,
  header      jsonb,
  body        bytea,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

GRANT SELECT, INSERT, UPDATE ON tenant, member, project, api_key, management_key, audit_head TO tollgate_app, tollgate_system;
GRANT DELETE ON member, project TO tollgate_app, tollgate_system;
GRANT SELECT, INSERT ON audit_entry TO tollgate_app, tollgate_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON app_user, session, idempotency TO tollgate_system;

-- +goose Down
DROP TABLE idempotency, audit_head, audit_entry, management_key, api_key, project, member, session, app_user, tenant;
DROP FUNCTION refuse_change();
DROP FUNCTION isolate(regclass);
DROP FUNCTION current_tenant();
