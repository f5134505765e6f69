package web

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/fault"
)

var usagePeriods = []view.Option{{Value: "today", Label: "Today"}, {Value: "7d", Label: "Last 7 days"}, {Value: "30d", Label: "Last 30 days"}, {Value: "90d", Label: "Last 90 days"}, {Value: custom, Label: "From … to"}}

// custom is the period whose ends are typed.
const custom = "custom"

// longest is how much one page shows; the API has the rest.
const longest = 366 * 24 * time.Hour

// period is what a period picker chose.
type period struct {
	name, label string
	from, to    time.Time // to is exclusive
	interval    string
	// fromDay and toDay stand in the picker.
	fromDay, toDay string
}

// periodOf reads the picker. Ends that were typed count before the period that
// is still chosen beside them. What cannot be read is told as wrong, with the
// last 30 days in its place.
func periodOf(q url.Values, at time.Time) (p period, wrong string) {
	today := at.UTC().Truncate(24 * time.Hour)
	p = period{name: chosenPeriod(q), interval: "day", to: today.AddDate(0, 0, 1)}
	switch p.name {
	case "today":
		p.from, p.label = today, "today"
	case "7d":
		p.from, p.label = today.AddDate(0, 0, -6), "last 7 days"
	case "90d":
		p.from, p.label = today.AddDate(0, 0, -89), "last 90 days"
	case custom:
		from, to, why := span(q, time.DateOnly, today)
		if why == "" {
			p.from, p.to, p.label = from, to.AddDate(0, 0, 1), from.Format(time.DateOnly)+" to "+to.Format(time.DateOnly)
			break
		}
		p.from, p.label, wrong = today.AddDate(0, 0, -29), "last 30 days", why
		p.fromDay, p.toDay = q.Get("from"), q.Get("to")
		return p, wrong
	case "", "30d":
		p.name, p.from, p.label = "30d", today.AddDate(0, 0, -29), "last 30 days"
	default:
		wrong = fmt.Sprintf("There is no period “%s”.", p.name)
		p.name, p.from, p.label = "30d", today.AddDate(0, 0, -29), "last 30 days"
	}
	p.fromDay, p.toDay = p.from.Format(time.DateOnly), p.to.AddDate(0, 0, -1).Format(time.DateOnly)
	return p, wrong
}

// chosenPeriod is the period that is meant. The picker shows the ends of what
// it chose last and sends them along as was, so that ends that were changed can
// be told from ends that merely stand there.
func chosenPeriod(q url.Values) string {
	ends := q.Get("from") + "/" + q.Get("to")
	if ends != "/" && ends != q.Get("was") {
		return custom
	}
	return q.Get("period")
}

// span reads typed ends; without a second one it reaches to now.
func span(q url.Values, layout string, now time.Time) (from, to time.Time, wrong string) {
	from, err := time.Parse(layout, q.Get("from"))
	if err != nil {
		return from, to, "Choose where the period begins, in “From”."
	}
	if to = now; q.Get("to") != "" {
		if to, err = time.Parse(layout, q.Get("to")); err != nil {
			return from, to, "Choose where the period ends, in “to”."
		}
	}
	switch {
	case to.Before(from):
		return from, to, "The period ends before it begins: “From” is later than “to”."
	case to.Sub(from) > longest:
		return from, to, "The period is longer than a year, which is the most that a page shows."
	}
	return from, to, ""
}

// oneOf tells of a filter that does not exist; an empty one is none.
func oneOf(what, value string, options []view.Option) (wrong string) {
	for _, o := range options {
		if o.Value == value {
			return ""
		}
	}
	if value == "" {
		return ""
	}
	return fmt.Sprintf("There is no %s “%s”.", what, value)
}

// wrongFilter is what a page says of filters that it cannot apply; nil and 200
// when there is nothing wrong.
func wrongFilter(wrong ...string) (int, *view.Problem) {
	for _, w := range wrong {
		if w != "" {
			return http.StatusUnprocessableEntity, &view.Problem{Text: w, Fix: "Correct it above; nothing is shown until then.", Code: fault.ValidationFailed.Code}
		}
	}
	return http.StatusOK, nil
}
