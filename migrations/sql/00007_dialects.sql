-- +goose Up

-- Endpoints so far were all spoken to as OpenAI's.
ALTER TABLE credential ADD COLUMN dialect text NOT NULL DEFAULT 'openai-chat'
  CHECK (dialect IN ('openai-chat', 'anthropic-messages', 'gemini'));
ALTER TABLE route ADD COLUMN on_loss text NOT NULL DEFAULT 'drop' CHECK (on_loss IN ('drop', 'refuse'));

-- +goose Down
ALTER TABLE route DROP COLUMN on_loss;
ALTER TABLE credential DROP COLUMN dialect;
