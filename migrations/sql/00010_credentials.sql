-- +goose Up

-- Signed requests and tokens of service accounts, versions and regions, and
-- the dialects of AWS, Cohere and OpenAI's Responses.
ALTER TABLE credential ADD COLUMN api_version text NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN region text NOT NULL DEFAULT '';
ALTER TABLE credential DROP CONSTRAINT credential_dialect_check, ADD CONSTRAINT credential_dialect_check
  CHECK (dialect IN ('openai-chat', 'openai-responses', 'anthropic-messages', 'gemini', 'bedrock-converse', 'cohere-v2'));
ALTER TABLE credential DROP CONSTRAINT credential_auth_style_check, ADD CONSTRAINT credential_auth_style_check
  CHECK (auth_style IN ('bearer', 'header', 'none', 'aws', 'google'));

-- +goose Down
ALTER TABLE credential DROP CONSTRAINT credential_auth_style_check, ADD CONSTRAINT credential_auth_style_check
  CHECK (auth_style IN ('bearer', 'header', 'none')) NOT VALID;
ALTER TABLE credential DROP CONSTRAINT credential_dialect_check, ADD CONSTRAINT credential_dialect_check
  CHECK (dialect IN ('openai-chat', 'anthropic-messages', 'gemini')) NOT VALID;
ALTER TABLE credential DROP COLUMN region;
ALTER TABLE credential DROP COLUMN api_version;
