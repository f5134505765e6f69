-- +goose Up

-- Rules about the parameters of calls: an array of objects in the words of
-- the API. A value stands in them as a string of JSON, because jsonb would
-- change the order of its keys.
ALTER TABLE api_key ADD COLUMN parameter_rules jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(parameter_rules) = 'array');
ALTER TABLE project ADD COLUMN parameter_rules jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(parameter_rules) = 'array');
ALTER TABLE route ADD COLUMN parameter_rules jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(parameter_rules) = 'array');

-- +goose Down
ALTER TABLE route DROP COLUMN parameter_rules;
ALTER TABLE project DROP COLUMN parameter_rules;
ALTER TABLE api_key DROP COLUMN parameter_rules;
