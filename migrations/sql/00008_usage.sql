-- +goose Up

-- All classes of tokens, units, the tier that a request was served in, and
-- whether its cost is what the provider reported. Rows from before have none.
ALTER TABLE usage_event
  ADD COLUMN cache_write_hour bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_output bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_cache_read bigint NOT NULL DEFAULT 0,
  ADD COLUMN searches bigint NOT NULL DEFAULT 0,
  ADD COLUMN images bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_milliseconds bigint NOT NULL DEFAULT 0,
  ADD COLUMN characters bigint NOT NULL DEFAULT 0,
  ADD COLUMN service_tier text NOT NULL DEFAULT '',
  ADD COLUMN cost_reported boolean NOT NULL DEFAULT false;
ALTER TABLE usage_hour
  ADD COLUMN cache_write_hour bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_output bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_cache_read bigint NOT NULL DEFAULT 0,
  ADD COLUMN searches bigint NOT NULL DEFAULT 0,
  ADD COLUMN images bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_milliseconds bigint NOT NULL DEFAULT 0,
  ADD COLUMN characters bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_day
  ADD COLUMN cache_write_hour bigint NOT NULL DEFAULT 0,
  ADD COLUMN image_output bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_cache_read bigint NOT NULL DEFAULT 0,
  ADD COLUMN searches bigint NOT NULL DEFAULT 0,
  ADD COLUMN images bigint NOT NULL DEFAULT 0,
  ADD COLUMN audio_milliseconds bigint NOT NULL DEFAULT 0,
  ADD COLUMN characters bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE usage_day DROP COLUMN characters, DROP COLUMN audio_milliseconds, DROP COLUMN images, DROP COLUMN searches,
  DROP COLUMN audio_cache_read, DROP COLUMN image_output, DROP COLUMN cache_write_hour;
ALTER TABLE usage_hour DROP COLUMN characters, DROP COLUMN audio_milliseconds, DROP COLUMN images, DROP COLUMN searches,
  DROP COLUMN audio_cache_read, DROP COLUMN image_output, DROP COLUMN cache_write_hour;
ALTER TABLE usage_event DROP COLUMN cost_reported, DROP COLUMN service_tier, DROP COLUMN characters, DROP COLUMN audio_milliseconds,
  DROP COLUMN images, DROP COLUMN searches, DROP COLUMN audio_cache_read, DROP COLUMN image_output, DROP COLUMN cache_write_hour;
