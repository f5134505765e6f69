package usage

import (
	"context"
	"errors"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Request is an event with what people call its key.
type Request struct {
	Event
	APIKeyName string
}

// Position is a place in the list of requests, newest first. Without a data
// plane it is behind everything that started at At or later.
type Position struct {
	At          time.Time
	DataPlaneID string
	Epoch, Seq  int64
}

// RequestQuery asks for a page of requests.
type RequestQuery struct {
	From, To        time.Time
	Route, APIKeyID string
	Outcome         usagev1.Outcome // unspecified is all
	ErrorsOnly      bool
	After           *Position
	Limit           int
}

// RequestPage is a page of requests; Next is nil on the last one.
type RequestPage struct {
	Requests []Request
	Next     *Position
}

// EventQuery is a RequestQuery within one window of time.
type EventQuery struct {
	RequestQuery
	Begin, End time.Time // of the window: from Begin, before End
}

// searchTime is how long a page is looked for. A filter that matches little
// may have to read much: the page then ends early and says where to go on.
const searchTime = time.Second

// Requests lists requests, newest first. It looks through the period in
// windows that grow, so that neither a busy tenant nor a rare match costs more
// than it must.
func (s *Service) Requests(ctx context.Context, tenantID string, q RequestQuery) (RequestPage, error) {
	var err error
	if q.From, q.To, err = period(q.From, q.To, s.now().Add(clockSlack)); err != nil {
		return RequestPage{}, err
	}
	end := q.To
	if q.After != nil {
		// The position's own moment may hold more.
		end = q.After.At
		if q.After.DataPlaneID != "" {
			end = end.Add(time.Microsecond)
		}
	}
	page := RequestPage{Requests: []Request{}}
	began := s.now()
	for step := 24 * time.Hour; end.After(q.From); step *= 2 {
		begin := end.Add(-step)
		if begin.Before(q.From) {
			begin = q.From
		}
		in := EventQuery{RequestQuery: q, Begin: begin, End: end}
		in.Limit = q.Limit + 1 - len(page.Requests)
		found, err := s.store.UsageEvents(ctx, tenantID, in)
		if err != nil {
			return RequestPage{}, err
		}
		page.Requests = append(page.Requests, found...)
		if len(page.Requests) > q.Limit {
			page.Requests = page.Requests[:q.Limit]
			last := page.Requests[q.Limit-1]
			page.Next = &Position{At: last.StartedAt, DataPlaneID: last.DataPlaneID, Epoch: last.Epoch, Seq: last.Seq}
			return page, nil
		}
		end = begin
		if end.After(q.From) && s.now().Sub(began) > searchTime {
			page.Next = &Position{At: end}
			return page, nil
		}
	}
	return page, nil
}

// clockSlack is how far in the future an event may have started, by the clock
// of its data plane.
const clockSlack = 5 * time.Minute

// Request finds one request by its id, the newest when callers used an id
// twice. People mostly look at what has just happened: two days are asked
// before the whole ledger is, because each day is a partition to look into.
func (s *Service) Request(ctx context.Context, tenantID, requestID string) (Request, error) {
	r, err := s.store.UsageEvent(ctx, tenantID, requestID, s.now().AddDate(0, 0, -2))
	if errors.Is(err, fault.New(fault.NotFound, "", nil)) {
		return s.store.UsageEvent(ctx, tenantID, requestID, time.Unix(0, 0))
	}
	return r, err
}
