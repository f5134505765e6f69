package canon

import (
	"cmp"
	"slices"
)

// Model is what a list of models tells of one.
type Model struct {
	ID string
	// OwnedBy is the provider.
	OwnedBy string
	// Created in seconds since 1970.
	Created int64
	// Label is the model's name for people; may be empty.
	Label string
	// ContextWindow and MaxOutputTokens are 0 when not known, and so is
	// RetiresAt, in seconds since 1970: when the provider stops serving it.
	ContextWindow, MaxOutputTokens, RetiresAt int64
	// Abilities is nil when nobody knows them.
	Abilities *Abilities
}

// Abilities are what a model can do, in the words of the catalogue.
type Abilities struct {
	Operations, Input, Output                 []string
	Tools, Reasoning, JSONSchema, Temperature bool
}

// Serves reports whether an operation is among them, or nothing is known.
func (a *Abilities) Serves(operation string) bool {
	return a == nil || len(a.Operations) == 0 || slices.Contains(a.Operations, operation)
}

// Name is how people call the model.
func (m *Model) Name() string { return cmp.Or(m.Label, m.ID) }
