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

// firstRequest is the newest call of a model there is, if there is one. SDKs
// and tools list models before somebody has called one: that is not what a
// newcomer waits for.
func (v *visit) firstRequest() (view.Wait, error) {
	list, err := control.OK(v.api.ListRequestsWithResponse(v.ctx, v.slug, &apiclient.ListRequestsParams{Limit: ptr(100)}))
	if err != nil {
		return view.Wait{}, err
	}
	i := slices.IndexFunc(list.Data, func(r apiclient.Request) bool { return r.Operation != listsModels })
	if i < 0 {
		return view.Wait{}, nil
	}
	r := list.Data[i]
	return view.Wait{
		Arrived: true, URL: v.page.Tenant.URL("requests", r.RequestId), Route: r.Route,
		Outcome: outcomeBadge(r.Outcome).Text, Failed: r.Outcome != apiclient.Ok,
		Input: r.InputTokens, Output: r.OutputTokens, Cost: view.Money(r.PriceNano),
		Duration: view.Micros(r.DurationUs), At: view.Instant{Time: r.StartedAt},
	}, nil
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
	failing := false
	for {
		wait, err := v.firstRequest()
		if err != nil && !failing && v.ctx.Err() == nil {
			// The page stays open and asks again: the control plane may be back.
			s.log.Warn("live page", "request_id", requestID(v.c), "tenant", v.slug, "error", err.Error())
		}
		failing = err != nil
		if wait.Arrived {
			return v.sendArrived(w, wait)
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

func (v *visit) sendArrived(w http.ResponseWriter, wait view.Wait) error {
	var html bytes.Buffer
	if err := view.WaitLine(wait).Render(v.ctx, &html); err != nil {
		return fmt.Errorf("web: live page: %w", err)
	}
	var event strings.Builder
	for line := range strings.Lines(html.String()) {
		event.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	event.WriteString("\nevent: done\ndata: 1\n\n")
	if _, err := w.Write([]byte(event.String())); err == nil {
		http.NewResponseController(w).Flush()
	}
	return nil
}

func ptr[T any](v T) *T { return &v }
