package catalog

import (
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/money"
)

// The list is data, not code: one line per model, reviewed as a table.
//
//go:embed prices.csv
var pricesCSV string

// Listing is one line of our own price list.
type Listing struct {
	Entry         Entry
	EffectiveFrom time.Time
	Rates         Rates
	Source        string
}

// List reads our own price list. A list that does not parse, names a model
// twice or holds an implausible price is refused whole: a wrong line must not
// set costs to zero.
func List() ([]Listing, error) {
	list, err := parseList(strings.NewReader(pricesCSV))
	if err != nil {
		return nil, err
	}
	facts, err := parseFacts(strings.NewReader(factsCSV))
	if err != nil {
		return nil, err
	}
	for i := range list {
		e := &list[i].Entry
		e.Facts = e.Facts.or(facts[e.ID])
		delete(facts, e.ID)
	}
	for id := range facts {
		return nil, fmt.Errorf("list of facts: %s has no price", id)
	}
	return list, nil
}

// maxListed is the highest plausible list price: 1,000 dollars per million
// tokens.
const maxListed = 1000 * money.PerDollar

func parseList(in io.Reader) ([]Listing, error) {
	r := csv.NewReader(in)
	r.Comment = '#'
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("price list: header: %w", err)
	}
	if got := strings.Join(header, ","); got != listHeader {
		return nil, fmt.Errorf("price list: header is %q, not %q", got, listHeader)
	}
	var out []Listing
	seen := map[string]bool{}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			if len(out) == 0 {
				return nil, errors.New("price list is empty")
			}
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("price list: %w", err)
		}
		line, _ := r.FieldPos(0)
		l, err := parseListing(rec)
		if err != nil {
			return nil, fmt.Errorf("price list line %d: %w", line, err)
		}
		if seen[l.Entry.ID] {
			return nil, fmt.Errorf("price list line %d: %s stands twice", line, l.Entry.ID)
		}
		seen[l.Entry.ID] = true
		out = append(out, l)
	}
}

const listHeader = "provider,model,name,context_window,built_in,effective_from,input,output,cache_read,cache_write,audio_input,audio_output,image_input,per_request,source"

func parseListing(f []string) (Listing, error) {
	l := Listing{Source: f[14]}
	l.Entry = Entry{ID: f[0] + "/" + f[1], Provider: f[0], ProviderModel: f[1], Name: f[2], BuiltIn: f[4] == "yes"}
	if !configcheck.ValidCatalogID(l.Entry.ID) || l.Entry.Name == "" {
		return l, fmt.Errorf("%q is not a model", l.Entry.ID)
	}
	if !strings.HasPrefix(l.Source, "https://") && !l.Entry.BuiltIn {
		return l, fmt.Errorf("%s has no source", l.Entry.ID)
	}
	var err error
	if l.Entry.ContextWindow, err = strconv.Atoi(f[3]); err != nil {
		return l, fmt.Errorf("%s: context window: %w", l.Entry.ID, err)
	}
	if l.EffectiveFrom, err = time.Parse(time.DateOnly, f[5]); err != nil {
		return l, fmt.Errorf("%s: effective date: %w", l.Entry.ID, err)
	}
	r := &l.Rates
	for i, to := range []*money.Nano{&r.Input, &r.Output} {
		if *to, err = listed(f[6+i]); err != nil {
			return l, fmt.Errorf("%s: %w", l.Entry.ID, err)
		}
	}
	for i, to := range []**money.Nano{&r.CacheRead, &r.CacheWrite, &r.AudioInput, &r.AudioOutput, &r.ImageInput} {
		if f[8+i] == "" {
			continue
		}
		n, err := listed(f[8+i])
		if err != nil {
			return l, fmt.Errorf("%s: %w", l.Entry.ID, err)
		}
		*to = &n
	}
	if f[13] != "" {
		if r.PerRequest, err = listed(f[13]); err != nil {
			return l, fmt.Errorf("%s: %w", l.Entry.ID, err)
		}
	}
	return l, nil
}

func listed(s string) (money.Nano, error) {
	n, err := money.Parse(s)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > maxListed {
		return 0, fmt.Errorf("%s dollars are not plausible", s)
	}
	return n, nil
}

// NextPrice is the price to append so that the list's is in force among ours;
// nil when it is already. The past stays as it was charged: a correction of an
// older date begins now.
func (l *Listing) NextPrice(have []Price, now time.Time) *Price {
	ours := Timeline(pick(have, Cost, FromCatalog))
	from := l.EffectiveFrom
	if n := len(ours); n > 0 {
		if ours[n-1].Rates.Equal(l.Rates) {
			return nil
		}
		if !from.After(now) {
			from = now.UTC().Truncate(time.Second)
		}
	}
	return &Price{CatalogID: l.Entry.ID, Side: Cost, Origin: FromCatalog, EffectiveFrom: from, Rates: l.Rates, Source: l.Source, CreatedBy: "catalog"}
}

// Merge is the entry of the list with what only the store knows.
func (l *Listing) Merge(have Entry) Entry {
	e := l.Entry
	e.Pinned, e.Facts, e.Prices = have.Pinned, e.Facts.or(have.Facts), have.Prices
	return e
}

// Seed brings the catalogue of the store up to our own list.
func (s *Service) Seed(ctx context.Context) (int, error) {
	list, err := List()
	if err != nil {
		return 0, err
	}
	return s.SeedCatalog(ctx, change.System("price list"), list)
}
