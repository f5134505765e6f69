package gemini

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendModel writes one model.
func AppendModel(b []byte, m canon.Model) []byte {
	b = canon.AppendQuoted(append(b, `{"name":`...), "models/"+m.ID)
	b = canon.AppendQuoted(append(b, `,"displayName":`...), m.ID)
	b = canon.AppendQuoted(append(b, `,"description":`...), m.OwnedBy)
	return append(b, `,"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}`...)
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
