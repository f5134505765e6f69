-- +goose Up

-- Urgent changes are numbered ahead of a long queue of others.
CREATE INDEX config_outbox_urgent ON config_outbox (outbox_id) WHERE revision IS NULL AND urgent;

-- +goose Down
DROP INDEX config_outbox_urgent;
