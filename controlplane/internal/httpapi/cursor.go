package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/tollgate/tollgate/proto/fault"
)

// defaultLimit is how many rows a page has when the caller does not say; the
// OpenAPI document states it too, and bounds what may be said.
const defaultLimit = 20

// pageLimit is the size of the page that the caller wants.
func pageLimit(limit *int) int {
	if limit == nil {
		return defaultLimit
	}
	return *limit
}

const cursorMAC = 12

// after reads a cursor: the position after which the page begins, nil for the
// first page. Cursors are authenticated and bound to the list and tenant they
// were made for, so what comes back is always what next wrote.
func (s *Server) after(ctx context.Context, cursor *string) ([]string, error) {
	if cursor == nil || *cursor == "" {
		return nil, nil
	}
	bad := fault.New(fault.ValidationFailed, "The cursor is not one of this list.", nil).
		WithField("query.cursor", "is not a cursor of this list", "Send next_cursor of the page before, unchanged, or leave it out.")
	raw, err := base64.RawURLEncoding.DecodeString(*cursor)
	// The decoder overlooks line breaks and spare bits.
	if err != nil || len(raw) < cursorMAC || base64.RawURLEncoding.EncodeToString(raw) != *cursor {
		return nil, bad
	}
	mac, body := raw[:cursorMAC], raw[cursorMAC:]
	if !hmac.Equal(mac, s.cursorMAC(ctx, body)) {
		return nil, bad
	}
	var position []string
	if err := json.Unmarshal(body, &position); err != nil || len(position) == 0 {
		return nil, bad
	}
	return position, nil
}

// window reads cursor and limit of a list that is ordered by one thing.
func (s *Server) window(ctx context.Context, cursor *string, limit *int) (position string, size int, err error) {
	parts, err := s.after(ctx, cursor)
	if len(parts) > 0 {
		position = parts[0]
	}
	return position, pageLimit(limit), err
}

// next writes the cursor of the page after this one.
func (s *Server) next(ctx context.Context, position ...string) *string {
	body, err := json.Marshal(position)
	if err != nil {
		// Strings always marshal.
		panic(err)
	}
	c := base64.RawURLEncoding.EncodeToString(append(s.cursorMAC(ctx, body), body...))
	return &c
}

// page cuts rows that were read with one more than limit, and makes the
// cursor of the next page from the last row that stays.
func page[T any](ctx context.Context, s *Server, rows []T, limit int, position func(T) []string) ([]T, bool, *string) {
	if len(rows) <= limit {
		return rows, false, nil
	}
	rows = rows[:limit]
	return rows, true, s.next(ctx, position(rows[limit-1])...)
}

func (s *Server) cursorMAC(ctx context.Context, body []byte) []byte {
	c := current(ctx)
	h := hmac.New(sha256.New, s.cfg.CursorKey)
	// A list's name holds no zero byte, an id neither.
	h.Write([]byte(c.operation + "\x00" + c.place.TenantID + "\x00"))
	h.Write(body)
	return h.Sum(nil)[:cursorMAC]
}
