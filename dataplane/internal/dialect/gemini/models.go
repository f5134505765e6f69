package gemini

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendModel writes one model.
func AppendModel(b []byte, m canon.Model) []byte {
	b = canon.AppendQuoted(append(b, `{"name":`...), "models/"+m.ID)
	b = canon.AppendQuoted(append(b, `,"displayName":`...), m.Name())
	b = canon.AppendQuoted(append(b, `,"description":`...), m.OwnedBy)
	if m.ContextWindow > 0 {
		b = strconv.AppendInt(append(b, `,"inputTokenLimit":`...), m.ContextWindow, 10)
	}
	if m.MaxOutputTokens > 0 {
		b = strconv.AppendInt(append(b, `,"outputTokenLimit":`...), m.MaxOutputTokens, 10)
	}
	if m.Abilities != nil {
		b = strconv.AppendBool(append(b, `,"thinking":`...), m.Abilities.Reasoning)
	}
	b = append(b, `,"supportedGenerationMethods":[`...)
	if m.Abilities.Serves("chat") {
		b = append(b, `"generateContent","streamGenerateContent","countTokens"`...)
	}
	if m.Abilities != nil && len(m.Abilities.Operations) > 0 && m.Abilities.Serves("embeddings") {
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(b, `"embedContent","batchEmbedContents"`...)
	}
	return append(b, "]}"...)
}

// AppendModels writes the list of models.
func AppendModels(b []byte, models []canon.Model) []byte {
	b = append(b, `{"models":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendModel(b, m)
	}
	return append(b, "]}"...)
}

// AppendTokenCount writes the answer to countTokens.
func AppendTokenCount(b []byte, tokens int64) []byte {
	b = strconv.AppendInt(append(b, `{"totalTokens":`...), tokens, 10)
	return append(b, '}')
}
