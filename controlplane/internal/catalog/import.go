package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/pricelist"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// ImportRequest is a price list to take over.
type ImportRequest struct {
	// Format is found out when empty.
	Format string
	Files  []pricelist.File
	// Source is where the list is from, for whoever asks later.
	Source string
	// EffectiveFrom is now when zero.
	EffectiveFrom time.Time
	// DryRun only tells what would change.
	DryRun bool
}

// What an import does to a model.
const (
	ImportNew     = "new"
	ImportChanged = "changed"
	// ImportGone is a model that an earlier import of the same format brought
	// and this list lacks; its price stays.
	ImportGone = "gone"
	// ImportPinned is a model that the list has another price for, and whose
	// price stays because it is pinned or the operator set it.
	ImportPinned = "pinned"
)

// Import is what a list changes.
type Import struct {
	Format        string
	Source        string
	EffectiveFrom time.Time
	DryRun        bool
	Items         []ImportItem
	// Same counts models that cost what the list says already.
	Same    int
	Left    []pricelist.Note
	Unknown map[string]int
	// Writes is what the store has to do.
	Writes []EntryWrite
}

// ImportItem is what happens to one model from a moment on.
type ImportItem struct {
	CatalogID     string
	Action        string
	EffectiveFrom time.Time
	Changes       []ImportChange
}

// ImportChange is one class or fact; old or new is empty where there is none.
type ImportChange struct{ Name, Old, New string }

// EntryWrite is a catalogue entry with what is to be written of it.
type EntryWrite struct {
	Entry  Entry
	New    bool
	Facts  bool
	Prices []Price
}

// Count says how many items have an action.
func (i *Import) Count(action string) int {
	n := 0
	for _, item := range i.Items {
		if item.Action == action {
			n++
		}
	}
	return n
}

// ImportPrices reads a list and takes it over, all of it or nothing.
func (s *Service) ImportPrices(ctx context.Context, by change.Actor, req ImportRequest) (*Import, int64, error) {
	now := s.now().UTC().Truncate(time.Second)
	when := NewPrice{EffectiveFrom: req.EffectiveFrom, At: "body."}
	if err := when.Validate(s.now()); err != nil {
		return nil, 0, err
	}
	list, err := pricelist.Parse(req.Format, req.Files)
	if bad, ok := errors.AsType[*pricelist.BadList](err); ok {
		return nil, 0, badList(bad)
	}
	if err != nil {
		return nil, 0, err
	}
	if req.Source == "" {
		req.Source = list.Format
	}
	var plan *Import
	changeID, err := s.ImportCatalog(ctx, by, func(entries []Entry) (*Import, error) {
		p := planner{list: list, now: now, by: by.ID, out: &Import{Format: list.Format, Source: req.Source, EffectiveFrom: when.EffectiveFrom,
			DryRun: req.DryRun, Left: list.Left, Unknown: list.Unknown}}
		plan = p.out
		return plan, p.run(entries)
	})
	return plan, changeID, err
}

func badList(bad *pricelist.BadList) error {
	places := "one place"
	if n := len(bad.Problems) + bad.More; n > 1 {
		places = fmt.Sprintf("%d places", n)
	}
	f := fault.Newf(fault.ValidationFailed, "The price list breaks its schema in %s; nothing of it was taken.", places)
	for _, p := range bad.Problems {
		if strings.Contains(p.Path, " ") { // words instead of a path, such as "byte 5"
			f.WithField("list", p.Path+" "+p.Text, "")
			continue
		}
		f.WithField("list."+p.Path, p.Text, "")
	}
	return f
}

// planner compares a list with the catalogue.
type planner struct {
	list *pricelist.List
	now  time.Time
	by   string
	out  *Import
}

func (p *planner) run(entries []Entry) error {
	known := map[string]*Entry{}
	for i := range entries {
		known[entries[i].ID] = &entries[i]
	}
	covered := map[string]bool{}
	for i := range p.list.Models {
		m := &p.list.Models[i]
		covered[m.ID()] = true
		if err := p.model(m, known[m.ID()]); err != nil {
			return err
		}
	}
	for i := range entries {
		e := &entries[i]
		if covered[e.ID] {
			continue
		}
		if m := p.match(e); m != nil {
			if err := p.model(m, e); err != nil {
				return err
			}
			continue
		}
		if imported := Timeline(pick(e.Prices, Cost, FromImport)); len(imported) > 0 && imported[len(imported)-1].List == p.list.Format {
			p.out.Items = append(p.out.Items, ImportItem{CatalogID: e.ID, Action: ImportGone, EffectiveFrom: p.out.EffectiveFrom})
		}
	}
	slices.SortStableFunc(p.out.Items, func(a, b ImportItem) int { return cmp.Compare(a.CatalogID, b.CatalogID) })
	return nil
}

// match finds the model of the list whose rules the name of an entry fits.
func (p *planner) match(e *Entry) *pricelist.Model {
	for i := range p.list.Models {
		m := &p.list.Models[i]
		if m.Provider == e.Provider && m.Matches != nil && m.Matches(e.ProviderModel) {
			return m
		}
	}
	return nil
}

// model plans one model of the list, for the entry that it is about, or a new
// one.
func (p *planner) model(m *pricelist.Model, have *Entry) error {
	facts := Facts{ContextWindow: int(m.ContextWindow), MaxOutputTokens: int(m.MaxOutputTokens), Capabilities: capabilitiesOf(m.Capabilities)}
	if m.DeprecatedAtUnix > 0 {
		facts.DeprecatedAt = new(time.Unix(m.DeprecatedAtUnix, 0).UTC())
	}
	w := EntryWrite{New: have == nil}
	if w.New {
		if len(m.Prices) == 0 {
			return nil // the list's notes say why
		}
		w.Entry = Entry{ID: m.ID(), Provider: m.Provider, ProviderModel: m.Model, Name: cmp.Or(m.Label, m.Model), Facts: facts}
	} else {
		w.Entry = *have
		// What is known here stays: lists disagree, and the last one read is
		// not the one that is right.
		w.Entry.Facts = have.Facts.or(facts)
		w.Facts = !w.Entry.Facts.Equal(have.Facts)
	}
	items := p.prices(m, &w)
	fixed := have != nil && (have.Pinned || len(pick(have.Prices, Cost, FromOperator)) > 0)
	switch {
	case fixed && len(items) > 0:
		for i := range items {
			items[i].Action = ImportPinned
		}
		w.Prices = nil
	case len(items) == 0 && !w.Facts:
		p.out.Same++
		return nil
	case len(items) == 0:
		items = []ImportItem{{CatalogID: w.Entry.ID, Action: ImportChanged, EffectiveFrom: p.now}}
	}
	if w.Facts && !w.New {
		items[0].Changes = append(items[0].Changes, factChanges(have.Facts, w.Entry.Facts)...)
	}
	p.out.Items = append(p.out.Items, items...)
	if len(w.Prices) > 0 || w.Facts {
		p.out.Writes = append(p.out.Writes, w)
	}
	return p.check(&w)
}

// check refuses what data planes would refuse before any of it is written.
func (p *planner) check(w *EntryWrite) error {
	e := w.Entry
	e.Prices = slices.Concat(e.Prices, w.Prices)
	if _, err := e.Resource(p.now); err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	return nil
}

// moment is when which rates of a list begin.
type moment struct {
	at    time.Time
	rates Rates
}

// moments are the prices of a list from the effective moment on.
func moments(prices []*configv1.Price, from time.Time) []moment {
	var out []moment
	for _, p := range prices {
		m := moment{time.Unix(p.GetEffectiveFromUnix(), 0).UTC(), RatesOf(p)}
		if !m.at.After(from) {
			m.at, out = from, nil
		}
		out = append(out, m)
	}
	return out
}

// prices appends what makes the entry cost what the list says, now and at each
// later date that the list or an earlier import names.
func (p *planner) prices(m *pricelist.Model, w *EntryWrite) []ImportItem {
	want := moments(m.Prices, p.out.EffectiveFrom)
	if len(want) == 0 {
		return nil
	}
	imported := Timeline(pick(w.Entry.Prices, Cost, FromImport))
	have := Timeline(imported, pick(w.Entry.Prices, Cost, FromCatalog))
	if fixed := pick(w.Entry.Prices, Cost, FromOperator); len(fixed) > 0 {
		have = CatalogCost(w.Entry.Prices)
	}
	dates := map[int64]bool{}
	for _, x := range want {
		dates[x.at.Unix()] = true
	}
	for _, x := range have {
		if x.EffectiveFrom.After(p.out.EffectiveFrom) {
			dates[x.EffectiveFrom.Unix()] = true
		}
	}
	current := Effective(have, p.out.EffectiveFrom)
	var items []ImportItem
	for _, unix := range slices.Sorted(maps.Keys(dates)) {
		at := time.Unix(unix, 0).UTC()
		if now := Effective(have, at); now != nil && now.EffectiveFrom.Equal(at) {
			current = now
		}
		i := slices.IndexFunc(want, func(x moment) bool { return x.at.After(at) })
		if i < 0 {
			i = len(want)
		}
		if i == 0 || current != nil && current.Rates.Equal(want[i-1].rates) {
			continue
		}
		next := Price{ID: id.New(id.Price), CatalogID: w.Entry.ID, Side: Cost, Origin: FromImport, EffectiveFrom: at, Rates: want[i-1].rates,
			Source: p.out.Source, List: p.list.Format, CreatedBy: p.by}
		item := ImportItem{CatalogID: w.Entry.ID, Action: ImportChanged, EffectiveFrom: at}
		if current == nil {
			item.Action = ImportNew
			item.Changes = priceChanges(Rates{}, next.Rates, true)
		} else {
			item.Changes = priceChanges(current.Rates, next.Rates, false)
		}
		items = append(items, item)
		w.Prices = append(w.Prices, next)
		// From the first imported price on, our own list's do not count.
		have, current = imported, &next
	}
	return items
}

// priceChanges compares class by class, those of variants under their
// condition.
func priceChanges(old, next Rates, isNew bool) []ImportChange {
	before, after := map[string]money.Nano{}, map[string]money.Nano{}
	var names []string
	flat := func(r Rates, into map[string]money.Nano) {
		put := func(name string, n money.Nano) {
			if _, twice := into[name]; !twice {
				into[name] = n
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		for _, a := range r.Amounts() {
			put(a.Name, a.Nano)
		}
		for _, v := range r.Variants {
			for _, a := range v.Rates.Amounts() {
				put(a.Name+" ("+v.Condition()+")", a.Nano)
			}
		}
	}
	if !isNew {
		flat(old, before)
	}
	flat(next, after)
	var out []ImportChange
	for _, name := range names {
		o, had := before[name]
		n, has := after[name]
		if had && has && o == n {
			continue
		}
		c := ImportChange{Name: name}
		if had {
			c.Old = o.String()
		}
		if has {
			c.New = n.String()
		}
		out = append(out, c)
	}
	return out
}

func factChanges(old, next Facts) []ImportChange {
	var out []ImportChange
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	if old.ContextWindow != next.ContextWindow {
		out = append(out, ImportChange{"context_window", number(old.ContextWindow), number(next.ContextWindow)})
	}
	if old.MaxOutputTokens != next.MaxOutputTokens {
		out = append(out, ImportChange{"max_output_tokens", number(old.MaxOutputTokens), number(next.MaxOutputTokens)})
	}
	if old.DeprecatedAt == nil && next.DeprecatedAt != nil {
		out = append(out, ImportChange{"deprecated_at", "", next.DeprecatedAt.Format(time.DateOnly)})
	}
	if old.Capabilities == nil && next.Capabilities != nil {
		out = append(out, ImportChange{"capabilities", "", "known"})
	}
	return out
}
