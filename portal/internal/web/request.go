package web

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// request is the detail page of one request.
func (s *Server) request(v *visit) error {
	d, err := control.OK(v.api.GetRequestWithResponse(v.ctx, v.slug, v.c.Param("id")))
	if err != nil {
		return err
	}
	t := v.page.Tenant
	v.at("requests", "Request", view.Crumb{Name: "Requests", URL: t.URL("requests")})
	r := d.Request
	m := view.Request{
		ID: r.RequestId, Outcome: stateOf(r), Title: r.Route, Explain: outcomeText(r, d.Attempts),
		Facts: requestFacts(t, r, d), Where: whereFacts(d, v.projectFact(r.ProjectId)), Timeline: timeline(d), Sums: sums(d),
	}
	if m.Title == "" {
		m.Title = "Request"
	}
	for i, a := range d.Attempts {
		m.Attempts = append(m.Attempts, attemptRow(t, i+1, a))
	}
	return v.render(func(p view.Page) templ.Component { return view.RequestPage(p, m) })
}

func requestFacts(t *view.Tenant, r apiclient.Request, d *apiclient.RequestDetail) []view.Fact {
	key := r.ApiKeyId
	if r.ApiKeyName != nil && *r.ApiKeyName != "" {
		key = *r.ApiKeyName
	}
	kind := "plain"
	if r.Streamed {
		kind = "streamed"
	}
	facts := []view.Fact{
		{Name: "Started (UTC)", Value: view.Moment(view.Instant{Time: r.StartedAt})},
		{Name: "Took", Value: view.Text(view.Micros(r.DurationUs))},
		{Name: "First token after", Value: view.Text(view.Micros(r.FirstTokenUs))},
		{Name: "Operation", Value: view.Text(r.Operation + ", " + kind)},
		{Name: "Status", Value: view.Mono(strings.TrimSpace(strconv.Itoa(r.HttpStatus) + " " + r.ErrorCode))},
		{Name: "Provider and model", Value: view.Mono(dash(strings.Trim(r.Provider+" / "+r.ProviderModel, " /")))},
		{Name: "API key", Value: keyFact(t, r.ApiKeyId, key)},
		{Name: "You pay", Value: view.Amount(view.Money(r.PriceNano))},
		{Name: "Provider charges", Value: view.Amount(view.Money(r.CostNano))},
	}
	tokens := "Reported by the provider"
	switch {
	case r.Estimated:
		tokens = "Estimated by Tollgate"
	case countedTokens(d) == 0:
		tokens = "None were reported"
	}
	if d.ServiceTier != "" {
		facts = append(facts, view.Fact{Name: "Service tier", Value: view.Text(d.ServiceTier)})
	}
	if d.CostReported {
		facts = append(facts, view.Fact{Name: "Provider's charge", Value: view.Text("Reported by the provider")})
	}
	facts = append(facts, view.Fact{Name: "Tokens", Value: view.Text(tokens)})
	for _, c := range []struct {
		name string
		n    int64
		show bool
	}{
		{"Input tokens", r.InputTokens, true}, {"Output tokens", r.OutputTokens, true},
		{"Reasoning tokens (part of output)", r.ReasoningTokens, r.ReasoningTokens > 0},
		{"Cache read tokens", r.CacheReadTokens, r.CacheReadTokens > 0}, {"Cache write tokens", r.CacheWriteTokens, r.CacheWriteTokens > 0},
		{"Audio input tokens", d.AudioInputTokens, d.AudioInputTokens > 0}, {"Audio output tokens", d.AudioOutputTokens, d.AudioOutputTokens > 0},
		{"Image input tokens", d.ImageInputTokens, d.ImageInputTokens > 0}, {"Image output tokens", d.ImageOutputTokens, d.ImageOutputTokens > 0},
		{"Tokens written to a cache for an hour", d.CacheWriteHourTokens, d.CacheWriteHourTokens > 0},
		{"Audio tokens read from a cache", d.AudioCacheReadTokens, d.AudioCacheReadTokens > 0},
		{"Searches", d.Units.Searches, d.Units.Searches > 0}, {"Images made", d.Units.Images, d.Units.Images > 0},
		{"Milliseconds of audio heard", d.Units.AudioMilliseconds, d.Units.AudioMilliseconds > 0},
		{"Characters spoken", d.Units.Characters, d.Units.Characters > 0},
	} {
		if c.show {
			facts = append(facts, view.Fact{Name: c.name, Value: view.Count(c.n)})
		}
	}
	return facts
}

func keyFact(t *view.Tenant, id, name string) templ.Component {
	if id == "" {
		return view.Text("–")
	}
	return view.Link(t.URL("keys", id), name)
}

// projectFact names a project; its id stands in for a name that cannot be had.
func (v *visit) projectFact(id string) templ.Component {
	if id == "" || !v.page.Tenant.Can.Read {
		return view.Mono(dash(id))
	}
	p, err := control.OK(v.api.GetProjectWithResponse(v.ctx, v.slug, id))
	if err != nil {
		return view.Mono(id)
	}
	return view.Link(v.page.Tenant.URL("projects", id), p.Name)
}

func dash(s string) string { return orText(s, "–") }

func whereFacts(d *apiclient.RequestDetail, project templ.Component) []view.Fact {
	return []view.Fact{
		{Name: "Data plane", Value: view.Mono(d.DataPlaneId)},
		{Name: "Event", Value: view.Mono(strconv.FormatInt(d.Epoch, 10) + " / " + strconv.FormatInt(d.Seq, 10))},
		{Name: "Config revision", Value: view.Mono(strconv.FormatInt(d.ConfigRevision, 10))},
		{Name: "In the ledger since (UTC)", Value: view.Moment(view.Instant{Time: d.IngestedAt})},
		{Name: "Caller's address", Value: view.Mono(dash(d.ClientIp))},
		{Name: "User agent", Value: view.Text(dash(d.UserAgent))},
		{Name: "Project", Value: project},
	}
}

// timeline places the whole request and its attempts on one scale.
func timeline(d *apiclient.RequestDetail) []view.Step {
	r := d.Request
	whole := max(r.DurationUs, 1)
	at := func(us int64) int { return int(min(max(us, 0), whole) * 1000 / whole) }
	steps := []view.Step{{Name: "Request", Value: view.Micros(r.DurationUs), Class: "cx", X: 0, W: 1000}}
	for i, a := range d.Attempts {
		from := a.StartedAt.Sub(r.StartedAt).Microseconds()
		class := "c0"
		if a.ErrorCode != "" || a.Status >= 400 {
			class = "ce"
		}
		name := "Attempt " + strconv.Itoa(i+1)
		if a.FirstByteUs > 0 {
			steps = append(steps, view.Step{Name: name + ": to first byte", Value: view.Micros(a.FirstByteUs), Class: "c2", X: at(from), W: max(at(a.FirstByteUs), 4)})
		}
		steps = append(steps, view.Step{Name: name + ": whole", Value: view.Micros(a.DurationUs), Class: class, X: at(from), W: max(at(a.DurationUs), 4)})
	}
	if r.FirstTokenUs > 0 {
		steps = append(steps, view.Step{Name: "First token to caller", Value: view.Micros(r.FirstTokenUs), Class: "c1", X: max(at(r.FirstTokenUs)-2, 0), W: 4})
	}
	return steps
}

func attemptRow(t *view.Tenant, n int, a apiclient.Attempt) view.AttemptRow {
	row := view.AttemptRow{
		N: n, Provider: a.Provider, Model: a.ProviderModel, Error: a.ErrorCode,
		Bad: a.ErrorCode != "" || a.Status >= 400, At: view.Instant{Time: a.StartedAt},
		FirstByte: view.Micros(a.FirstByteUs), Elapsed: view.Micros(a.DurationUs), Status: "–",
	}
	if a.Status != 0 {
		row.Status = strconv.Itoa(a.Status)
	}
	if a.CredentialId != "" {
		row.CredentialURL = t.URL("credentials", a.CredentialId)
	}
	return row
}

func priceSource(p apiclient.Price) string {
	from := map[apiclient.PriceOrigin]string{
		apiclient.PriceOriginCatalog: "From the catalogue", apiclient.PriceOriginImport: "From an imported list",
		apiclient.PriceOriginOperator: "Set by the operator", apiclient.PriceOriginTenant: "Set by your organisation",
	}[p.Origin]
	if p.Source == "" {
		return from + "."
	}
	return from + ": " + strings.TrimSuffix(p.Source, ".") + "."
}
