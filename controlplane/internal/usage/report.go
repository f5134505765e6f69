package usage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

// Interval is the width of a point in a series.
type Interval string

// Intervals; Day is a day in UTC.
const (
	Hour Interval = "hour"
	Day  Interval = "day"
)

func (i Interval) width() time.Duration {
	if i == Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// GroupBy is what a series is split by.
type GroupBy string

// Splits. By key and by project there are days alone.
const (
	ByNothing  GroupBy = "none"
	ByModel    GroupBy = "model"
	ByRoute    GroupBy = "route"
	ByProvider GroupBy = "provider"
	ByKey      GroupBy = "key"
	ByProject  GroupBy = "project"
	// ByTenant is the operator's.
	ByTenant GroupBy = "tenant"
)

// Others is the group of all that are too small to be shown by themselves. It
// is no valid name of anything.
const Others = "(others)"

// Bounds of one question: enough for any page, little enough for any database.
const (
	maxHours  = 31 * 24
	maxDays   = 400
	maxPoints = 20_000
	maxGroups = 100
)

// Query asks for usage of a period.
type Query struct {
	// From is inclusive, To exclusive; both are widened to whole intervals.
	From, To time.Time
	Interval Interval
	GroupBy  GroupBy
	// Filters; empty is all.
	APIKeyID, ProjectID, Route string
	// Groups is how many groups are shown by themselves; set by Normalise.
	Groups int
}

// Point is one interval of one group.
type Point struct {
	At     time.Time
	Group  string
	Totals Totals
}

// Group is one group over the whole period.
type Group struct {
	Group, Name string
	Totals      Totals
}

// Report answers a Query. Totals, groups and points are sums of the same rows
// and agree to the nano-dollar.
type Report struct {
	From, To time.Time
	Interval Interval
	Totals   Totals
	Groups   []Group
	Points   []Point
}

// Normalise fills in what is missing, widens the period to whole intervals,
// and refuses what cannot be answered.
func (q Query) Normalise(now time.Time) (Query, error) {
	q.Interval, q.GroupBy = cmp.Or(q.Interval, Day), cmp.Or(q.GroupBy, ByNothing)
	var err error
	if q.From, q.To, err = period(q.From, q.To, now); err != nil {
		return q, err
	}
	width := q.Interval.width()
	q.From = q.From.Truncate(width)
	if to := q.To.Truncate(width); to.Equal(q.To) {
		q.To = to
	} else {
		q.To = to.Add(width)
	}
	most := maxDays
	if q.Interval == Hour {
		most = maxHours
		if q.GroupBy == ByKey || q.GroupBy == ByProject || q.APIKeyID != "" || q.ProjectID != "" {
			return q, fault.New(fault.ValidationFailed, "Usage by key and by project is kept by day.", nil).
				WithField("query.interval", "must be day for keys and projects", "Send interval=day.")
		}
	}
	n := int(q.To.Sub(q.From) / width)
	if n > most {
		return q, fault.Newf(fault.ValidationFailed, "The period has %d intervals; %d are allowed.", n, most).
			WithField("query.from", "is too long ago for this interval", "Ask for a shorter period or for days.")
	}
	q.Groups = max(10, min(maxGroups, maxPoints/n))
	return q, nil
}

// period fills in the last 30 days and refuses what is upside down or out of
// the range of timestamps.
func period(from, to, now time.Time) (time.Time, time.Time, error) {
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	from, to = from.UTC(), to.UTC()
	if !from.Before(to) {
		return from, to, fault.New(fault.ValidationFailed, "The period ends before it begins.", nil).
			WithField("query.to", "must be after from", "Send an end that is later than the start.")
	}
	if from.Year() < 1970 || to.Year() > 9998 {
		return from, to, fault.New(fault.ValidationFailed, "The period is out of range.", nil).
			WithField("query.from", "must be between 1970 and 9998", "Send a date of this century.")
	}
	return from, to, nil
}

// Names gives groups their names for people.
type Names map[string]string

// newReport sums points, which hold each interval and group once.
func newReport(q Query, points []Point, names Names) Report {
	r := Report{From: q.From, To: q.To, Interval: q.Interval, Points: points, Groups: []Group{}}
	groups := map[string]*Group{}
	for _, p := range points {
		r.Totals.Add(p.Totals)
		if q.GroupBy == ByNothing {
			continue
		}
		g := groups[p.Group]
		if g == nil {
			g = &Group{Group: p.Group, Name: nameOf(p.Group, names)}
			groups[p.Group] = g
		}
		g.Totals.Add(p.Totals)
	}
	for _, g := range groups {
		r.Groups = append(r.Groups, *g)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		if (a.Group == Others) != (b.Group == Others) {
			return cmp.Compare(boolInt(a.Group == Others), boolInt(b.Group == Others))
		}
		return cmp.Or(cmp.Compare(b.Totals.PriceNano, a.Totals.PriceNano), cmp.Compare(b.Totals.Requests, a.Totals.Requests), cmp.Compare(a.Group, b.Group))
	})
	return r
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func nameOf(group string, names Names) string {
	switch group {
	case "":
		return "(none)"
	case Others:
		return "All others"
	case UnknownRoute:
		return "Unknown models"
	}
	return cmp.Or(names[group], group)
}

// Overview is what the operator sees of all tenants.
type Overview struct {
	Report
	Tenants, ActiveTenants int64
	TopTenants, TopModels  []Group
}

// OverviewRows is what the store finds for an Overview.
type OverviewRows struct {
	Points                 []Point
	Tenants, ActiveTenants int64
	TopTenants, TopModels  []Group
}

// Store answers questions from the ledger and the rollups.
type Store interface {
	UsagePoints(ctx context.Context, tenantID string, q Query) ([]Point, Names, error)
	UsageOverview(ctx context.Context, q Query, top int) (OverviewRows, error)
	TenantTotals(ctx context.Context, tenantIDs []string, from, to time.Time) (map[string]Totals, error)
	UsageEvents(ctx context.Context, tenantID string, q EventQuery) ([]Request, error)
	// UsageEvent finds the newest event with a request id that started at since
	// or later.
	UsageEvent(ctx context.Context, tenantID, requestID string, since time.Time) (Request, error)
}

// Service answers questions about usage.
type Service struct {
	store Store
	now   func() time.Time
}

// NewService answers from the store; now nil is time.Now.
func NewService(s Store, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: s, now: now}
}

// Report answers one tenant's question.
func (s *Service) Report(ctx context.Context, tenantID string, q Query) (Report, error) {
	q, err := q.Normalise(s.now())
	if err != nil {
		return Report{}, err
	}
	points, names, err := s.store.UsagePoints(ctx, tenantID, q)
	if err != nil {
		return Report{}, err
	}
	return newReport(q, points, names), nil
}

// topN is how many tenants and models an overview names.
const topN = 10

// Overview answers the operator's question about all tenants.
func (s *Service) Overview(ctx context.Context, from, to time.Time, interval Interval) (Overview, error) {
	q, err := Query{From: from, To: to, Interval: interval}.Normalise(s.now())
	if err != nil {
		return Overview{}, err
	}
	rows, err := s.store.UsageOverview(ctx, q, topN)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Report: newReport(q, rows.Points, nil), Tenants: rows.Tenants, ActiveTenants: rows.ActiveTenants,
		TopTenants: rows.TopTenants, TopModels: rows.TopModels}
	for _, top := range [][]Group{o.TopTenants, o.TopModels} {
		for i := range top {
			top[i].Name = cmp.Or(top[i].Name, nameOf(top[i].Group, nil))
		}
	}
	return o, nil
}

// RecentTotals gives the last 30 days, whole days, of tenants that have any.
func (s *Service) RecentTotals(ctx context.Context, tenantIDs []string) (map[string]Totals, error) {
	to := s.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	return s.store.TenantTotals(ctx, tenantIDs, to.AddDate(0, 0, -31), to)
}
