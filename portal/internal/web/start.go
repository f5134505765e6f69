package web

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

const (
	// waitPoll is how often an open page asks for the first request.
	waitPoll = 700 * time.Millisecond
	// waitMost is how long one stream lasts; the browser opens another.
	waitMost = 5 * time.Minute
	// listsModels is the operation of requests that call no model.
	listsModels = "models"
)

// start is the page of the first call.
func (s *Server) start(v *visit) error {
	v.at("start", "Get started")
	v.page.Live = true
	var wait view.Wait
	route := "demo"
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		wait, err = v.firstRequest()
		return err
	})
	g.Go(func() error {
		models, err := v.catalog(ctx)
		route = builtIn(models, route)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	v.page.Flash = v.takeFlash("start")
	m := view.Start{
		Wait: wait, EventsURL: v.page.Tenant.URL("start", "events"), CheckURL: v.page.Tenant.URL("start", "check"),
		KeysURL: v.page.Tenant.URL("keys", "new"),
	}
	key := ""
	if f := v.page.Flash; f != nil && f.Secret != nil {
		m.Key, key = f.Secret, f.Secret.Value
	}
	m.Snippets = snippets(s.gatewayURL+"/v1", key, route)
	return v.render(func(p view.Page) templ.Component { return view.StartPage(p, m) })
}

// builtIn is a model that every tenant has, preferably the plainest: the one
// with the shortest name.
func builtIn(models []apiclient.CatalogModel, fallback string) string {
	best := ""
	for _, m := range models {
		if m.BuiltIn && (best == "" || len(m.ProviderModel) < len(best)) {
			best = m.ProviderModel
		}
	}
	if best == "" {
		return fallback
	}
	return best
}

// firstRequest is the first call of a model that was answered; until there is
// one it is the newest that was not, with the reason. SDKs and tools list
// models before somebody has called one: that is not what a newcomer waits for.
func (v *visit) firstRequest() (view.Wait, error) {
	list, more, err := v.modelCalls(&apiclient.ListRequestsParams{Limit: ptr(pageSize), Outcome: ptr(apiclient.Ok)})
	if err != nil {
		return view.Wait{}, err
	}
	if n := len(list); n > 0 {
		first := list[n-1]
		if more {
			// The first is further back, and the newest of more interest.
			first = list[0]
		}
		w := v.waitOf(first)
		w.Arrived, w.Many = true, more
		return w, nil
	}
	list, _, err = v.modelCalls(&apiclient.ListRequestsParams{Limit: ptr(pageSize), ErrorsOnly: ptr(true)})
	if err != nil || len(list) == 0 {
		return view.Wait{}, err
	}
	w := v.waitOf(list[0])
	w.Failed = true
	return w, nil
}

// modelCalls are requests that called a model, newest first, and whether there
// are more.
func (v *visit) modelCalls(params *apiclient.ListRequestsParams) ([]apiclient.Request, bool, error) {
	page, err := control.OK(v.api.ListRequestsWithResponse(v.ctx, v.slug, params))
	if err != nil {
		return nil, false, err
	}
	return slices.DeleteFunc(page.Data, func(r apiclient.Request) bool { return r.Operation == listsModels }), page.HasMore, nil
}

func (v *visit) waitOf(r apiclient.Request) view.Wait {
	w := view.Wait{
		URL: v.page.Tenant.URL("requests", r.RequestId), Route: dash(r.Route), Outcome: stateOf(r).Text, Code: r.ErrorCode,
		Reason: outcomeText(r, nil), Input: r.InputTokens, Output: r.OutputTokens, Cost: view.Money(r.PriceNano),
		Duration: view.Micros(r.DurationUs), At: view.Instant{Time: r.StartedAt},
	}
	if k := fault.ByCode(r.ErrorCode); k != nil {
		w.Reason, w.Fix = k.Text, k.Fix
	}
	return w
}

func (s *Server) startCheck(v *visit) error {
	v.at("start", "First request", view.Crumb{Name: "Get started", URL: v.page.Tenant.URL("start")})
	wait, err := v.firstRequest()
	if err != nil {
		return err
	}
	return v.render(func(p view.Page) templ.Component {
		return view.StartCheckPage(p, wait, v.page.Tenant.URL("start", "check"), v.page.Tenant.URL("start"))
	})
}

// startEvents tells an open page of the first request as it arrives.
func (s *Server) startEvents(v *visit) error {
	w := v.c.Response()
	rc := http.NewResponseController(w)
	// A stream outlives the time that a page may take to write.
	if err := rc.SetWriteDeadline(time.Now().Add(waitMost + time.Minute)); err != nil {
		return fmt.Errorf("web: live page: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write([]byte(": connected\n\n")); err != nil {
		return nil
	}
	w.Flush()

	tick := time.NewTicker(waitPoll)
	defer tick.Stop()
	end := time.NewTimer(waitMost)
	defer end.Stop()
	failing, shown := false, ""
	for {
		wait, err := v.firstRequest()
		if err != nil && !failing && v.ctx.Err() == nil {
			// The page stays open and asks again: the control plane may be back.
			s.log.Warn("live page", "request_id", requestID(v.c), "tenant", v.slug, "error", err.Error())
		}
		failing = err != nil
		if wait.Arrived {
			return v.sendWait(w, wait)
		}
		if wait.Failed && wait.URL != shown {
			if shown = wait.URL; v.sendWait(w, wait) != nil {
				return nil
			}
		}
		select {
		case <-tick.C:
			if _, err := w.Write([]byte(": waiting\n\n")); err != nil {
				return nil
			}
			w.Flush()
		case <-end.C:
			return nil
		case <-v.ctx.Done():
			return nil
		case <-s.stopping.Done():
			return nil
		}
	}
}

// sendWait tells the page what it waits for; what was answered ends the wait.
func (v *visit) sendWait(w http.ResponseWriter, wait view.Wait) error {
	var html bytes.Buffer
	if err := view.WaitLine(wait).Render(v.ctx, &html); err != nil {
		return fmt.Errorf("web: live page: %w", err)
	}
	var event strings.Builder
	for line := range strings.Lines(html.String()) {
		event.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	event.WriteString("\n")
	if wait.Arrived {
		event.WriteString("event: done\ndata: 1\n\n")
	}
	if _, err := w.Write([]byte(event.String())); err == nil {
		http.NewResponseController(w).Flush()
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
