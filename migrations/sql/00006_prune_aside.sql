-- +goose Up

-- What was set aside is kept for a month, for people to look into.
GRANT DELETE ON usage_aside TO tollgate_system;

-- +goose Down
REVOKE DELETE ON usage_aside FROM tollgate_system;
