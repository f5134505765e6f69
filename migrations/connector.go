package migrations

import (
	"context"
	"database/sql/driver"
	"errors"
)

// noConnector stands in where goose asks for a database that is not used.
type noConnector struct{}

func (noConnector) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("no database")
}

func (noConnector) Driver() driver.Driver { return nil }
