-- +goose Up

-- A provider endpoint with its secret under envelope encryption: the secret
-- by a data key, the data key by the key-encryption key that key_id names.
CREATE TABLE credential (
  tenant_id             text NOT NULL REFERENCES tenant,
  credential_id         text NOT NULL,
  name                  text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  provider              text NOT NULL,
  base_url              text NOT NULL,
  auth_style            text NOT NULL CHECK (auth_style IN ('bearer', 'header', 'none')),
  auth_header           text NOT NULL DEFAULT '',
  secret_ciphertext     bytea,
  wrapped_data_key      bytea,
  key_id                text NOT NULL DEFAULT '',
  secret_hint           text NOT NULL DEFAULT '',
  connect_timeout_ms    integer NOT NULL DEFAULT 0 CHECK (connect_timeout_ms >= 0),
  first_byte_timeout_ms integer NOT NULL DEFAULT 0 CHECK (first_byte_timeout_ms >= 0),
  idle_timeout_ms       integer NOT NULL DEFAULT 0 CHECK (idle_timeout_ms >= 0),
  version               bigint NOT NULL DEFAULT 1,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, credential_id),
  UNIQUE (tenant_id, name)
);
SELECT isolate('credential');

-- The operator's catalogue of models; "provider/model" is its id.
CREATE TABLE catalog_model (
  catalog_id     text PRIMARY KEY,
  provider       text NOT NULL,
  provider_model text NOT NULL,
  name           text NOT NULL,
  context_window integer NOT NULL DEFAULT 0,
  built_in       boolean NOT NULL DEFAULT false,
  listed         boolean NOT NULL DEFAULT true,
  created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE model (
  tenant_id      text NOT NULL REFERENCES tenant,
  model_id       text NOT NULL,
  credential_id  text NOT NULL,
  provider_model text NOT NULL CHECK (length(provider_model) BETWEEN 1 AND 200),
  catalog_id     text REFERENCES catalog_model,
  unknown_price  text NOT NULL DEFAULT 'block' CHECK (unknown_price IN ('block', 'zero')),
  version        bigint NOT NULL DEFAULT 1,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, model_id),
  UNIQUE (tenant_id, credential_id, provider_model),
  FOREIGN KEY (tenant_id, credential_id) REFERENCES credential
);
SELECT isolate('model');

-- Dated prices, nano-dollars per million tokens. A price of the catalogue has
-- no tenant; a tenant's own names its model. Prices are never changed, only
-- followed by newer ones: events refer to them.
CREATE TABLE price (
  price_id       text PRIMARY KEY,
  tenant_id      text REFERENCES tenant,
  model_id       text,
  catalog_id     text REFERENCES catalog_model,
  side           text NOT NULL CHECK (side IN ('cost', 'sell')),
  origin         text NOT NULL CHECK (origin IN ('catalog', 'operator', 'tenant')),
  effective_from timestamptz NOT NULL,
  input          bigint NOT NULL CHECK (input >= 0),
  output         bigint NOT NULL CHECK (output >= 0),
  cache_read     bigint CHECK (cache_read >= 0),
  cache_write    bigint CHECK (cache_write >= 0),
  audio_input    bigint CHECK (audio_input >= 0),
  audio_output   bigint CHECK (audio_output >= 0),
  image_input    bigint CHECK (image_input >= 0),
  per_request    bigint NOT NULL DEFAULT 0 CHECK (per_request >= 0),
  source         text NOT NULL,
  created_by     text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  CHECK ((tenant_id IS NULL) = (model_id IS NULL)),
  CHECK ((catalog_id IS NULL) <> (model_id IS NULL)),
  FOREIGN KEY (tenant_id, model_id) REFERENCES model ON DELETE NO ACTION
);
CREATE INDEX price_catalog ON price (catalog_id, side, effective_from);
CREATE INDEX price_model ON price (tenant_id, model_id, side, effective_from);
ALTER TABLE price ENABLE ROW LEVEL SECURITY;
ALTER TABLE price FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON price FOR SELECT TO tollgate_app USING (tenant_id = current_tenant() OR tenant_id IS NULL);
CREATE POLICY tenant_write ON price FOR INSERT TO tollgate_app WITH CHECK (tenant_id = current_tenant() AND origin = 'tenant');
CREATE POLICY system ON price TO tollgate_system USING (true) WITH CHECK (true);
CREATE TRIGGER price_append_only BEFORE UPDATE OR DELETE ON price
  FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE route (
  tenant_id  text NOT NULL REFERENCES tenant,
  route_id   text NOT NULL,
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  model_id   text NOT NULL,
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, route_id),
  UNIQUE (tenant_id, name),
  FOREIGN KEY (tenant_id, model_id) REFERENCES model
);
SELECT isolate('route');

-- Models with prices stay as retired rows, because prices and events refer to
-- them; retired ones are not shown and hold no route.
ALTER TABLE model ADD COLUMN retired_at timestamptz;
ALTER TABLE model DROP CONSTRAINT model_tenant_id_credential_id_provider_model_key;
CREATE UNIQUE INDEX model_name ON model (tenant_id, credential_id, provider_model) WHERE retired_at IS NULL;
ALTER TABLE credential ADD COLUMN retired_at timestamptz;
ALTER TABLE credential DROP CONSTRAINT credential_tenant_id_name_key;
CREATE UNIQUE INDEX credential_name ON credential (tenant_id, name) WHERE retired_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON credential, model, route TO tollgate_app, tollgate_system;
GRANT SELECT ON catalog_model TO tollgate_app;
GRANT SELECT, INSERT, UPDATE ON catalog_model TO tollgate_system;
GRANT SELECT, INSERT ON price TO tollgate_app, tollgate_system;

-- +goose Down
DROP TABLE route, price, model, catalog_model, credential;
