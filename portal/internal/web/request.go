package web

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/money"
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
		{"Image input tokens", d.ImageInputTokens, d.ImageInputTokens > 0},
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

// sums is the arithmetic of what the tenant pays and of what the provider
// charges; one of them when both sides have the same price.
func sums(d *apiclient.RequestDetail) []view.Sum {
	cost := sum("cost", "What the provider charges", d, d.CostPrice, d.Request.CostNano)
	if d.SellPrice == nil || d.CostPrice != nil && d.SellPrice.Id == d.CostPrice.Id && d.Request.PriceNano == d.Request.CostNano {
		if d.CostPrice == nil {
			cost.Title = "Cost"
		} else {
			cost.Title = "Cost, as the provider charges it and as you pay it"
		}
		return []view.Sum{cost}
	}
	return []view.Sum{sum("price", "What you pay", d, d.SellPrice, d.Request.PriceNano), cost}
}

func sum(id, title string, d *apiclient.RequestDetail, p *apiclient.Price, recorded int64) view.Sum {
	s := view.Sum{ID: id, Title: title, Recorded: view.Money(recorded)}
	if p == nil {
		s.Unpriced, s.Nothing = true, recorded == 0 && countedTokens(d) == 0
		return s
	}
	s.PriceID, s.Since, s.Source = p.Id, view.Instant{Time: p.EffectiveFrom}, priceSource(*p)
	// Amounts of a line are in units of 1e-15 dollars: nano-dollars per million.
	total := new(big.Int)
	add := func(class, note string, tokens int64, price string) {
		nano, err := money.Parse(price)
		if err != nil || tokens < 0 {
			return
		}
		line := new(big.Int).Mul(big.NewInt(tokens), big.NewInt(int64(nano)))
		total.Add(total, line)
		s.Lines = append(s.Lines, view.SumLine{Class: class, Note: note, Tokens: view.Int(tokens), Price: "$" + price, Amount: femto(line)})
	}
	for _, c := range tokenClasses(d, p) {
		if c.tokens > 0 || c.always {
			add(c.name, c.note, c.tokens, c.price)
		}
	}
	if nano, err := money.Parse(p.PerRequest); err == nil && nano > 0 {
		line := new(big.Int).Mul(big.NewInt(int64(nano)), big.NewInt(1_000_000))
		total.Add(total, line)
		s.Lines = append(s.Lines, view.SumLine{Class: "Request", Tokens: "1", Price: "$" + p.PerRequest + " each", Amount: femto(line)})
	}
	s.Exact = femto(total)
	rounded := new(big.Int).Add(total, big.NewInt(500_000))
	rounded.Div(rounded, big.NewInt(1_000_000))
	s.Rounded = view.Dollars(rounded.Int64())
	s.Agrees = rounded.IsInt64() && rounded.Int64() == recorded
	return s
}

// countedTokens are all tokens of a request, whoever counted them.
func countedTokens(d *apiclient.RequestDetail) int64 {
	r := d.Request
	return r.InputTokens + r.OutputTokens + r.CacheReadTokens + r.CacheWriteTokens + d.AudioInputTokens + d.AudioOutputTokens + d.ImageInputTokens
}

type tokenClass struct {
	name, note, price string
	tokens            int64
	always            bool
}

// tokenClasses pairs tokens with their prices; a class without a price of its
// own costs as input or output does.
func tokenClasses(d *apiclient.RequestDetail, p *apiclient.Price) []tokenClass {
	r := d.Request
	or := func(own *string, fallback, as string) (price, note string) {
		if own != nil && *own != "" {
			return *own, ""
		}
		return fallback, "priced as " + as
	}
	list := []tokenClass{
		{name: "Input", price: p.Input, tokens: r.InputTokens, always: true},
		{name: "Output", price: p.Output, tokens: r.OutputTokens, always: true},
	}
	for _, c := range []struct {
		name, as, fallback string
		own                *string
		tokens             int64
	}{
		{"Cache read", "input", p.Input, p.CacheRead, r.CacheReadTokens},
		{"Cache write", "input", p.Input, p.CacheWrite, r.CacheWriteTokens},
		{"Audio input", "input", p.Input, p.AudioInput, d.AudioInputTokens},
		{"Audio output", "output", p.Output, p.AudioOutput, d.AudioOutputTokens},
		{"Image input", "input", p.Input, p.ImageInput, d.ImageInputTokens},
	} {
		price, note := or(c.own, c.fallback, c.as)
		list = append(list, tokenClass{name: c.name, note: note, price: price, tokens: c.tokens})
	}
	return list
}

// femto writes an amount in units of 1e-15 dollars exactly.
func femto(n *big.Int) string {
	s := n.String()
	for len(s) <= 15 {
		s = "0" + s
	}
	whole, frac := s[:len(s)-15], strings.TrimRight(s[len(s)-15:], "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return "$" + whole + "." + frac
}

func priceSource(p apiclient.Price) string {
	from := map[apiclient.PriceOrigin]string{
		apiclient.PriceOriginCatalog: "From the catalogue", apiclient.PriceOriginOperator: "Set by the operator", apiclient.PriceOriginTenant: "Set by your organisation",
	}[p.Origin]
	if p.Source == "" {
		return from + "."
	}
	return from + ": " + strings.TrimSuffix(p.Source, ".") + "."
}
