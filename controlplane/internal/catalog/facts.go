package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Capabilities are what a model can do. The names in JSON are those that are
// stored.
type Capabilities struct {
	Operations  []string `json:"operations,omitempty"`
	Input       []string `json:"input,omitempty"`
	Output      []string `json:"output,omitempty"`
	Tools       bool     `json:"tools"`
	Reasoning   bool     `json:"reasoning"`
	JSONSchema  bool     `json:"json_schema"`
	Temperature bool     `json:"temperature"`
}

// Facts are what is known of a model besides its price. Zero values mean that
// nobody knows.
type Facts struct {
	ContextWindow   int
	MaxOutputTokens int
	// DeprecatedAt is when the provider stops serving it.
	DeprecatedAt *time.Time
	Capabilities *Capabilities
}

// Equal compares what is known.
func (f Facts) Equal(o Facts) bool {
	sameTime := (f.DeprecatedAt == nil) == (o.DeprecatedAt == nil) && (f.DeprecatedAt == nil || f.DeprecatedAt.Equal(*o.DeprecatedAt))
	return f.ContextWindow == o.ContextWindow && f.MaxOutputTokens == o.MaxOutputTokens && sameTime && f.Capabilities.equal(o.Capabilities)
}

func (c *Capabilities) equal(o *Capabilities) bool {
	if c == nil || o == nil {
		return c == o
	}
	return slices.Equal(c.Operations, o.Operations) && slices.Equal(c.Input, o.Input) && slices.Equal(c.Output, o.Output) &&
		c.Tools == o.Tools && c.Reasoning == o.Reasoning && c.JSONSchema == o.JSONSchema && c.Temperature == o.Temperature
}

// or is f with what it lacks from o.
func (f Facts) or(o Facts) Facts {
	if f.ContextWindow == 0 {
		f.ContextWindow = o.ContextWindow
	}
	if f.MaxOutputTokens == 0 {
		f.MaxOutputTokens = o.MaxOutputTokens
	}
	if f.DeprecatedAt == nil {
		f.DeprecatedAt = o.DeprecatedAt
	}
	if f.Capabilities == nil {
		f.Capabilities = o.Capabilities
	}
	return f
}

func (c *Capabilities) proto() *configv1.Capabilities {
	if c == nil {
		return nil
	}
	return &configv1.Capabilities{Operations: c.Operations, Input: c.Input, Output: c.Output, Tools: c.Tools, Reasoning: c.Reasoning,
		JsonSchema: c.JSONSchema, Temperature: c.Temperature}
}

func capabilitiesOf(p *configv1.Capabilities) *Capabilities {
	if p == nil {
		return nil
	}
	return &Capabilities{Operations: p.GetOperations(), Input: p.GetInput(), Output: p.GetOutput(), Tools: p.GetTools(), Reasoning: p.GetReasoning(),
		JSONSchema: p.GetJsonSchema(), Temperature: p.GetTemperature()}
}

// EntryPatch is what to change of a catalogue entry; nil leaves as it is.
type EntryPatch struct {
	Name            *string
	Pinned          *bool
	ContextWindow   *int
	MaxOutputTokens *int
	DeprecatedAt    *time.Time
	Capabilities    *Capabilities
}

// Apply makes the change and tells of it for the audit trail.
func (p *EntryPatch) Apply(e *Entry) map[string]any {
	detail := map[string]any{}
	if p.Name != nil {
		e.Name, detail["name"] = *p.Name, *p.Name
	}
	if p.Pinned != nil {
		e.Pinned, detail["pinned"] = *p.Pinned, *p.Pinned
	}
	if p.ContextWindow != nil {
		e.ContextWindow, detail["context_window"] = *p.ContextWindow, *p.ContextWindow
	}
	if p.MaxOutputTokens != nil {
		e.MaxOutputTokens, detail["max_output_tokens"] = *p.MaxOutputTokens, *p.MaxOutputTokens
	}
	if p.DeprecatedAt != nil {
		at := p.DeprecatedAt.UTC().Truncate(time.Second)
		e.DeprecatedAt, detail["deprecated_at"] = &at, at.Format(time.RFC3339)
	}
	if p.Capabilities != nil {
		e.Capabilities, detail["capabilities"] = p.Capabilities, p.Capabilities
	}
	return detail
}

// UpdateEntry changes what is known of a model of the catalogue.
func (s *Service) UpdateEntry(ctx context.Context, by change.Actor, catalogID string, patch EntryPatch) (Entry, int64, error) {
	if patch.Name != nil && *patch.Name == "" {
		return Entry{}, 0, fault.Invalid("body.name", "must not be empty", "")
	}
	return s.UpdateCatalogEntry(ctx, by, catalogID, patch)
}
