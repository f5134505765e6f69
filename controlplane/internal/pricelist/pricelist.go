// Package pricelist owns how public price lists are read: their formats, their
// names of providers and models, and their ways to write an amount. What comes
// out is in the product's own words and exact to the nano-dollar. It knows
// neither the store nor HTTP, and it fetches nothing.
package pricelist

import (
	"fmt"
	"slices"
	"strings"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Formats of lists.
const (
	GenaiPrices = "genai-prices"
	LiteLLM     = "litellm"
	ModelsDev   = "models.dev"
	OpenRouter  = "openrouter"
)

// Formats lists what Parse can read.
func Formats() []string { return []string{GenaiPrices, LiteLLM, ModelsDev, OpenRouter} }

// File is one file of a list. Most lists are one file.
type File struct{ Name, Text string }

// List is what a price list says.
type List struct {
	Format string
	// Models in the order of the list, each provider and model once.
	Models []Model
	// Left is what the list says and a price cannot hold.
	Left []Note
	// Unknown counts models by the list's name of a provider that is none here.
	Unknown map[string]int
}

// Model is one model of a list.
type Model struct {
	// Where in the list it stands.
	Where           string
	Provider, Model string
	Label           string
	ContextWindow   uint32
	MaxOutputTokens uint32
	// DeprecatedAtUnix is 0 when the list names no day.
	DeprecatedAtUnix int64
	// Capabilities is nil when the list does not tell.
	Capabilities *configv1.Capabilities
	// Prices by time, without ids; the first may begin at 0, for always. Empty
	// when the list has none that can be held.
	Prices []*configv1.Price
	// Matches reports whether another name stands for this model; nil when none
	// does.
	Matches func(name string) bool
}

// ID is the model's name in the catalogue.
func (m *Model) ID() string { return m.Provider + "/" + m.Model }

// Note says what of a list was left out, and why.
type Note struct{ Where, Text string }

// Problem is one thing that makes a list unreadable.
type Problem struct{ Path, Text string }

// BadList is a list that breaks its schema: nothing of it can be trusted.
type BadList struct {
	// Problems are the first few, in the order of the list.
	Problems []Problem
	// More is how many were not kept.
	More int
}

func (e *BadList) Error() string {
	var b strings.Builder
	b.WriteString("the price list breaks its schema")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "; %s %s", p.Path, p.Text)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	return b.String()
}

// maxProblems is how many problems are worth reading.
const maxProblems = 10

// reader collects what is found while a list is read.
type reader struct {
	list *List
	bad  BadList
	seen map[string]int
	// steps is how large the regular expressions are so far.
	steps int
	// quiet is set while a model of an unknown provider is read: what of it
	// has no place is nobody's loss.
	quiet bool
}

func (r *reader) problem(path, format string, args ...any) {
	if len(r.bad.Problems) >= maxProblems {
		r.bad.More++
		return
	}
	r.bad.Problems = append(r.bad.Problems, Problem{path, fmt.Sprintf(format, args...)})
}

func (r *reader) leave(where, format string, args ...any) {
	if r.quiet {
		return
	}
	r.list.Left = append(r.list.Left, Note{where, fmt.Sprintf(format, args...)})
}

// add keeps a model. Of two with one name the first counts, unless better says
// that the later one is the list's own name for it.
func (r *reader) add(m Model, better bool) {
	if i, twice := r.seen[m.ID()]; twice {
		have := &r.list.Models[i]
		lost := m.Where
		if better {
			lost = have.Where
			*have = m
		}
		r.leave(lost, "stands for %s, as does %s", m.ID(), have.Where)
		return
	}
	r.seen[m.ID()] = len(r.list.Models)
	r.list.Models = append(r.list.Models, m)
}

// Parse reads a list; format may be empty, and is then found out. A list that
// breaks its schema anywhere is refused whole, with a *BadList.
func Parse(format string, files []File) (*List, error) {
	r := &reader{list: &List{Format: format, Unknown: map[string]int{}}, seen: map[string]int{}}
	if len(files) == 0 {
		return nil, &BadList{Problems: []Problem{{"files", "is empty"}}}
	}
	root, err := r.decode(files)
	if err != nil {
		return nil, err
	}
	if format == "" {
		if format = detect(root); format == "" {
			return nil, &BadList{Problems: []Problem{{root.where(), "is none of the formats " + strings.Join(Formats(), ", ")}}}
		}
		r.list.Format = format
	}
	switch format {
	case GenaiPrices:
		r.genai(root)
	case LiteLLM:
		r.litellm(root)
	case ModelsDev:
		r.modelsDev(root)
	case OpenRouter:
		r.openRouter(root)
	default:
		return nil, &BadList{Problems: []Problem{{"format", "is not one of " + strings.Join(Formats(), ", ")}}}
	}
	if len(r.bad.Problems) == 0 && len(r.list.Models) == 0 {
		r.problem(root.where(), "has no model of a provider that is known here")
	}
	if len(r.bad.Problems) > 0 {
		return nil, &r.bad
	}
	return r.list, nil
}

// detect finds a list's format by what all of its entries have.
func detect(root node) string {
	if list, ok := root.value.([]any); ok {
		if len(list) > 0 && (node{value: list[0]}).has("models") {
			return GenaiPrices
		}
		return ""
	}
	m, _ := root.value.(map[string]any)
	if data, ok := m["data"].([]any); ok {
		if len(data) > 0 && (node{value: data[0]}).has("pricing") {
			return OpenRouter
		}
		return ""
	}
	count := map[string]int{}
	for _, v := range m {
		for _, key := range []string{"litellm_provider", "models"} {
			if (node{value: v}).has(key) {
				count[key]++
			}
		}
	}
	switch {
	case count["litellm_provider"] > 0 && count["litellm_provider"] >= count["models"]:
		return LiteLLM
	case count["models"] > 0:
		return ModelsDev
	}
	return ""
}

// sortVariants puts those with more conditions first, and of tiers the higher.
func sortVariants(p *configv1.Price) {
	weight := func(v *configv1.PriceVariant) int {
		n := 0
		if v.GetServiceTier() != "" {
			n += 4
		}
		if v.GetFromMinute() != v.GetToMinute() {
			n += 2
		}
		if v.GetAboveInputTokens() > 0 {
			n++
		}
		return n
	}
	slices.SortStableFunc(p.Variants, func(a, b *configv1.PriceVariant) int {
		if d := weight(b) - weight(a); d != 0 {
			return d
		}
		return int(b.GetAboveInputTokens() - a.GetAboveInputTokens())
	})
}
