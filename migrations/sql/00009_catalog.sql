-- +goose Up

-- All classes of a price, what it is under conditions, and prices that were
-- imported from a list. Amounts are nano-dollars: per million tokens, but for
-- per_*, whose name says of what.
ALTER TABLE price ADD COLUMN cache_write_hour bigint CHECK (cache_write_hour >= 0);
ALTER TABLE price ADD COLUMN image_output bigint CHECK (image_output >= 0);
ALTER TABLE price ADD COLUMN reasoning bigint CHECK (reasoning >= 0);
ALTER TABLE price ADD COLUMN audio_cache_read bigint CHECK (audio_cache_read >= 0);
ALTER TABLE price ADD COLUMN per_search bigint NOT NULL DEFAULT 0 CHECK (per_search >= 0);
ALTER TABLE price ADD COLUMN per_image bigint NOT NULL DEFAULT 0 CHECK (per_image >= 0);
ALTER TABLE price ADD COLUMN per_audio_minute bigint NOT NULL DEFAULT 0 CHECK (per_audio_minute >= 0);
ALTER TABLE price ADD COLUMN per_million_characters bigint NOT NULL DEFAULT 0 CHECK (per_million_characters >= 0);
-- A list of {above_input_tokens, service_tier, from_minute, to_minute, price}.
ALTER TABLE price ADD COLUMN variants jsonb NOT NULL DEFAULT '[]'
  CHECK (jsonb_typeof(variants) = 'array' AND jsonb_array_length(variants) <= 64);
-- The format of the list that an imported price came from; '' for others.
ALTER TABLE price ADD COLUMN list text NOT NULL DEFAULT '';
ALTER TABLE price DROP CONSTRAINT price_origin_check, ADD CONSTRAINT price_origin_check
  CHECK (origin IN ('catalog', 'import', 'operator', 'tenant'));

-- What models can do; null where nobody knows. Imports leave the prices of a
-- pinned model alone.
ALTER TABLE catalog_model ADD COLUMN max_output_tokens integer NOT NULL DEFAULT 0 CHECK (max_output_tokens >= 0);
ALTER TABLE catalog_model ADD COLUMN capabilities jsonb CHECK (jsonb_typeof(capabilities) = 'object');
ALTER TABLE catalog_model ADD COLUMN deprecated_at timestamptz;
ALTER TABLE catalog_model ADD COLUMN pinned boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE catalog_model DROP COLUMN pinned, DROP COLUMN deprecated_at, DROP COLUMN capabilities, DROP COLUMN max_output_tokens;
ALTER TABLE price DROP CONSTRAINT price_origin_check, ADD CONSTRAINT price_origin_check
  CHECK (origin IN ('catalog', 'operator', 'tenant')) NOT VALID;
ALTER TABLE price DROP COLUMN list, DROP COLUMN variants, DROP COLUMN per_million_characters, DROP COLUMN per_audio_minute,
  DROP COLUMN per_image, DROP COLUMN per_search, DROP COLUMN audio_cache_read, DROP COLUMN reasoning, DROP COLUMN image_output,
  DROP COLUMN cache_write_hour;
