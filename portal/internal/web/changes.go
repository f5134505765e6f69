package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// How long a page follows a change: quickly first, then once a second.
const (
	quickPolls = 20
	allPolls   = 32
)

// change is the status line of a change, as a fragment.
func (s *Server) change(v *visit) error {
	id, err := strconv.ParseInt(v.c.Param("id"), 10, 64)
	if err != nil {
		return errNotFound
	}
	polls, err := strconv.Atoi(v.c.QueryParam("n"))
	if err != nil || polls < 0 {
		polls = 0
	}
	c := v.changeStatus(id, polls)
	return v.write(http.StatusOK, view.ChangeLine(c))
}

// changeStatus asks how far a change has come. A page does not fail because
// this line cannot be had: it then stays at "on its way".
func (v *visit) changeStatus(id int64, polls int) view.Change {
	t := view.Tenant{Slug: v.slug}
	c := view.Change{
		PollURL:    fmt.Sprintf("%s?n=%d", t.URL("changes", strconv.FormatInt(id, 10)), polls+1),
		RefreshURL: fmt.Sprintf("?change=%d", id),
		Wait:       "150ms",
		GivenUp:    polls >= allPolls,
	}
	if polls >= quickPolls {
		c.Wait = "1s"
	}
	status, err := control.OK(v.api.GetChangeWithResponse(v.ctx, v.slug, id))
	if err != nil {
		v.s.log.Warn("change status", "request_id", requestID(v.c), "tenant", v.slug, "change", id, "error", err.Error())
		return c
	}
	c.Known, c.Live, c.Total = true, status.Live, status.Total
	c.Refusals = refusalsOf(status)
	if status.Revision != nil && status.Total > 0 && status.Live >= status.Total {
		c.Done, c.GivenUp = true, false
		if status.SlowestMs != nil {
			c.Milliseconds = view.Millis(float64(*status.SlowestMs))
		}
	}
	if len(c.Refusals) > 0 && len(c.Refusals)+c.Live >= c.Total {
		c.Done = true
	}
	return c
}

func refusalsOf(status *apiclient.ChangeStatus) []view.Refusal {
	var out []view.Refusal
	for _, d := range status.DataPlanes {
		if d.Refused != nil {
			out = append(out, refusal(*d.Refused))
		}
	}
	return out
}

func refusal(r apiclient.Refusal) view.Refusal {
	return view.Refusal{
		DataPlane: r.DataPlaneId, Kind: r.ResourceKind, ID: r.ResourceId,
		Path: r.Path, Message: r.Message, At: view.Instant{Time: r.ReceivedAt}.Text(),
	}
}
