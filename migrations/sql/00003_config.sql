-- +goose Up

-- Changes wait here, in the transaction that made them, for the publisher to
-- give them a revision. payload NULL is a tombstone.
CREATE TABLE config_outbox (
  outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    text NOT NULL DEFAULT '',
  kind         smallint NOT NULL,
  resource_id  text NOT NULL,
  payload      bytea,
  urgent       boolean NOT NULL DEFAULT false,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revision     bigint UNIQUE,
  published_at timestamptz
);
CREATE INDEX config_outbox_unnumbered ON config_outbox (outbox_id) WHERE revision IS NULL;
CREATE INDEX config_outbox_unpublished ON config_outbox (revision) WHERE published_at IS NULL;
CREATE INDEX config_outbox_resource ON config_outbox (tenant_id, resource_id, revision);
SELECT isolate('config_outbox');

-- +goose StatementBegin
CREATE FUNCTION wake_publisher() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tollgate_config', '');
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER config_outbox_wake AFTER INSERT ON config_outbox
  FOR EACH STATEMENT EXECUTE FUNCTION wake_publisher();

-- The newest numbered payload of each resource: what a snapshot holds.
CREATE TABLE config_resource (
  tenant_id    text NOT NULL,
  kind         smallint NOT NULL,
  resource_id  text NOT NULL,
  revision     bigint NOT NULL,
  payload      bytea,
  committed_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, kind, resource_id)
);
CREATE INDEX config_resource_revision ON config_resource (revision);
SELECT isolate('config_resource');

-- One row: the fencing token and where publication stands.
CREATE TABLE publisher (
  singleton       boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  epoch           bigint NOT NULL DEFAULT 0,
  last_revision   bigint NOT NULL DEFAULT 0,
  stream_created  bigint NOT NULL DEFAULT 0,
  stream_sequence bigint NOT NULL DEFAULT 0,
  snapshot_revision bigint NOT NULL DEFAULT 0
);
INSERT INTO publisher DEFAULT VALUES;

CREATE TABLE data_plane (
  data_plane_id     text PRIMARY KEY,
  epoch             bigint NOT NULL,
  version           text NOT NULL,
  address           text NOT NULL,
  started_at        timestamptz NOT NULL,
  last_seen_at      timestamptz NOT NULL,
  revision          bigint NOT NULL,
  revision_at       timestamptz,
  tenants           bigint NOT NULL DEFAULT 0,
  api_keys          bigint NOT NULL DEFAULT 0,
  in_flight         bigint NOT NULL DEFAULT 0,
  spool_bytes       bigint NOT NULL DEFAULT 0,
  spool_unconfirmed bigint NOT NULL DEFAULT 0,
  usage_lost        bigint NOT NULL DEFAULT 0,
  last_seq          bigint NOT NULL DEFAULT 0,
  stopped           boolean NOT NULL DEFAULT false
);

-- When which data plane had everything up to a revision.
CREATE TABLE config_ack (
  data_plane_id text NOT NULL,
  revision      bigint NOT NULL,
  received_at   timestamptz NOT NULL,
  PRIMARY KEY (data_plane_id, revision)
);
CREATE INDEX config_ack_age ON config_ack (received_at);

CREATE TABLE config_refusal (
  tenant_id     text NOT NULL DEFAULT '',
  data_plane_id text NOT NULL,
  kind          smallint NOT NULL,
  resource_id   text NOT NULL,
  revision      bigint NOT NULL,
  path          text NOT NULL,
  message       text NOT NULL,
  received_at   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, kind, resource_id, data_plane_id)
);
SELECT isolate('config_refusal');

GRANT SELECT, INSERT ON config_outbox TO tollgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config_outbox, config_resource, config_ack, config_refusal, data_plane TO tollgate_system;
GRANT SELECT ON config_refusal TO tollgate_app;
GRANT SELECT, UPDATE ON publisher TO tollgate_system;

-- +goose Down
DROP TABLE config_refusal, config_ack, data_plane, publisher, config_resource, config_outbox;
DROP FUNCTION wake_publisher();
