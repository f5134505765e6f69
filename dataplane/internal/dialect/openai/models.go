package openai

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendModel writes one model.
func AppendModel(b []byte, m canon.Model) []byte {
	b = append(b, `{"id":`...)
	b = canon.AppendQuoted(b, m.ID)
	b = append(b, `,"object":"model","created":`...)
	b = strconv.AppendInt(b, m.Created, 10)
	b = append(b, `,"owned_by":`...)
	b = canon.AppendQuoted(b, m.OwnedBy)
	return append(appendFacts(b, &m), '}')
}

// appendFacts writes what is known of a model into fields that OpenAI's own
// list does not have and its SDKs keep.
func appendFacts(b []byte, m *canon.Model) []byte {
	if m.Label != "" {
		b = canon.AppendQuoted(append(b, `,"name":`...), m.Label)
	}
	for _, f := range []struct {
		name  string
		value int64
	}{{"context_window", m.ContextWindow}, {"max_output_tokens", m.MaxOutputTokens}, {"retires_at", m.RetiresAt}} {
		if f.value > 0 {
			b = append(append(append(b, `,"`...), f.name...), `":`...)
			b = strconv.AppendInt(b, f.value, 10)
		}
	}
	a := m.Abilities
	if a == nil {
		return b
	}
	b = append(b, `,"capabilities":{`...)
	for i, l := range []struct {
		name  string
		words []string
	}{{"operations", a.Operations}, {"input", a.Input}, {"output", a.Output}} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), l.name...), `":[`...)
		for k, w := range l.words {
			if k > 0 {
				b = append(b, ',')
			}
			b = canon.AppendQuoted(b, w)
		}
		b = append(b, ']')
	}
	for _, f := range []struct {
		name string
		has  bool
	}{{"tools", a.Tools}, {"reasoning", a.Reasoning}, {"json_schema", a.JSONSchema}, {"temperature", a.Temperature}} {
		b = append(append(append(b, `,"`...), f.name...), `":`...)
		b = strconv.AppendBool(b, f.has)
	}
	return append(b, '}')
}

// AppendModels writes the list of models.
func AppendModels(b []byte, models []canon.Model) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendModel(b, m)
	}
	return append(b, "]}"...)
}
