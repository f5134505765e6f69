package gemini

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendModels writes the list of models, all on one page.
func AppendModels(b []byte, models []canon.Model) []byte {
	b = append(b, `{"models":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendModel(b, m)
	}
	return append(b, `]}`...)
}

// AppendModel writes one model.
func AppendModel(b []byte, m canon.Model) []byte {
	b = append(b, `{"name":`...)
	b = canon.AppendQuoted(b, "models/"+m.ID)
	b = append(b, `,"displayName":`...)
	b = canon.AppendQuoted(b, m.ID)
	return append(b, `,"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}`...)
}

// AppendTokenCount writes the answer to countTokens.
func AppendTokenCount(b []byte, tokens int64) []byte {
	b = append(b, `{"totalTokens":`...)
	return append(strconv.AppendInt(b, tokens, 10), '}')
}
