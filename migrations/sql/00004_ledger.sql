-- +goose Up

-- One row per request, forever as it was reported. Identity is (data plane,
-- epoch, seq); started_at is in the key because rows are partitioned by day.
CREATE TABLE usage_event (
  data_plane_id   text NOT NULL,
  epoch           bigint NOT NULL,
  seq             bigint NOT NULL,
  tenant_id       text NOT NULL,
  project_id      text NOT NULL,
  api_key_id      text NOT NULL,
  request_id      text NOT NULL,
  route           text NOT NULL,
  operation       text NOT NULL,
  provider        text NOT NULL,
  provider_model  text NOT NULL,
  started_at      timestamptz NOT NULL,
  duration_us     bigint NOT NULL,
  first_token_us  bigint NOT NULL,
  outcome         smallint NOT NULL,
  http_status     smallint NOT NULL,
  error_code      text NOT NULL,
  streamed        boolean NOT NULL,
  estimated       boolean NOT NULL,
  input           bigint NOT NULL,
  output          bigint NOT NULL,
  cache_read      bigint NOT NULL,
  cache_write     bigint NOT NULL,
  reasoning       bigint NOT NULL,
  audio_input     bigint NOT NULL,
  audio_output    bigint NOT NULL,
  image_input     bigint NOT NULL,
  cost_nano       bigint NOT NULL,
  price_nano      bigint NOT NULL,
  cost_price_id   text NOT NULL,
  sell_price_id   text NOT NULL,
  config_revision bigint NOT NULL,
  attempts        smallint NOT NULL,
  attempt_detail  jsonb NOT NULL,
  client_ip       text NOT NULL,
  user_agent      text NOT NULL,
  ingested_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (data_plane_id, epoch, seq, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX usage_event_list ON usage_event (tenant_id, started_at DESC, data_plane_id, epoch, seq);
CREATE INDEX usage_event_request ON usage_event (tenant_id, request_id);
CREATE TABLE usage_event_other PARTITION OF usage_event DEFAULT;
SELECT isolate('usage_event');
ALTER TABLE usage_event_other ENABLE ROW LEVEL SECURITY;
-- Events of a day without a partition are safe here, and should not be: the
-- invariant checks look.
CREATE POLICY system ON usage_event_other FOR SELECT TO tollgate_system USING (true);
GRANT SELECT ON usage_event_other TO tollgate_system;

-- ensure_usage_days makes the partitions of the days from first to last (UTC).
-- It runs as the owner, because the roles of the programs make no tables.
-- +goose StatementBegin
CREATE FUNCTION ensure_usage_days(first date, last date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE d date := first; made integer := 0; name text;
BEGIN
  IF last - first > 400 THEN
    RAISE EXCEPTION 'more than 400 days at once';
  END IF;
  PERFORM pg_advisory_xact_lock(7301);
  WHILE d <= last LOOP
    name := 'usage_event_' || to_char(d, 'YYYYMMDD');
    IF to_regclass(name) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF usage_event FOR VALUES FROM (%L) TO (%L)',
        name, d::text || ' 00:00:00+00', (d + 1)::text || ' 00:00:00+00');
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
      made := made + 1;
    END IF;
    d := d + 1;
  END LOOP;
  RETURN made;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION ensure_usage_days(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_usage_days(date, date) TO tollgate_system;

-- Rollups, written in the transaction that writes the events: hours without
-- the key, days with it. An error is a refusal, a failed provider or an
-- interrupted request.
CREATE TABLE usage_hour (
  tenant_id      text NOT NULL,
  hour           timestamptz NOT NULL,
  route          text NOT NULL,
  provider       text NOT NULL,
  provider_model text NOT NULL,
  requests       bigint NOT NULL,
  errors         bigint NOT NULL,
  attempts       bigint NOT NULL,
  estimated      bigint NOT NULL,
  input          bigint NOT NULL,
  output         bigint NOT NULL,
  cache_read     bigint NOT NULL,
  cache_write    bigint NOT NULL,
  reasoning      bigint NOT NULL,
  audio_input    bigint NOT NULL,
  audio_output   bigint NOT NULL,
  image_input    bigint NOT NULL,
  cost_nano      bigint NOT NULL,
  price_nano     bigint NOT NULL,
  duration_us    bigint NOT NULL,
  PRIMARY KEY (tenant_id, hour, route, provider, provider_model)
);
CREATE INDEX usage_hour_hour ON usage_hour (hour);
SELECT isolate('usage_hour');

CREATE TABLE usage_day (
  tenant_id      text NOT NULL,
  day            date NOT NULL,
  project_id     text NOT NULL,
  api_key_id     text NOT NULL,
  route          text NOT NULL,
  provider       text NOT NULL,
  provider_model text NOT NULL,
  requests       bigint NOT NULL,
  errors         bigint NOT NULL,
  attempts       bigint NOT NULL,
  estimated      bigint NOT NULL,
  input          bigint NOT NULL,
  output         bigint NOT NULL,
  cache_read     bigint NOT NULL,
  cache_write    bigint NOT NULL,
  reasoning      bigint NOT NULL,
  audio_input    bigint NOT NULL,
  audio_output   bigint NOT NULL,
  image_input    bigint NOT NULL,
  cost_nano      bigint NOT NULL,
  price_nano     bigint NOT NULL,
  duration_us    bigint NOT NULL,
  last_at        timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, day, project_id, api_key_id, route, provider, provider_model)
);
CREATE INDEX usage_day_day ON usage_day (day);
CREATE INDEX usage_day_key ON usage_day (tenant_id, api_key_id, day);
SELECT isolate('usage_day');

-- How far the ledger holds each data plane's events: everything up to
-- contiguous_seq, and nothing above highest_seq.
CREATE TABLE usage_watermark (
  data_plane_id  text NOT NULL,
  epoch          bigint NOT NULL,
  contiguous_seq bigint NOT NULL,
  highest_seq    bigint NOT NULL,
  gap_since      timestamptz,
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (data_plane_id, epoch)
);

-- What data planes sent and the ledger could not take as it was sent, each
-- once. Anything here is a defect to look into; nothing vanishes in silence.
CREATE TABLE usage_aside (
  sha256   bytea PRIMARY KEY,
  subject  text NOT NULL,
  reason   text NOT NULL,
  payload  bytea NOT NULL,
  times    bigint NOT NULL DEFAULT 1,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at  timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON usage_event, usage_hour, usage_day TO tollgate_app;
GRANT SELECT, INSERT, UPDATE ON usage_aside TO tollgate_system;
GRANT SELECT, INSERT ON usage_event TO tollgate_system;
GRANT SELECT, INSERT, UPDATE ON usage_hour, usage_day, usage_watermark TO tollgate_system;
GRANT SELECT ON member, project TO tollgate_system;

-- +goose Down
DROP TABLE usage_aside, usage_watermark, usage_day, usage_hour, usage_event;
DROP FUNCTION ensure_usage_days(date, date);
