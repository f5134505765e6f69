package anthropic

import (
	"strconv"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendModels writes the list of models, all on one page.
func AppendModels(b []byte, models []canon.Model) []byte {
	b = append(b, `{"data":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendModel(b, m)
	}
	b = append(b, `],"has_more":false,"first_id":`...)
	if len(models) == 0 {
		return append(b, `null,"last_id":null}`...)
	}
	b = canon.AppendQuoted(b, models[0].ID)
	b = append(b, `,"last_id":`...)
	b = canon.AppendQuoted(b, models[len(models)-1].ID)
	return append(b, '}')
}

// AppendModel writes one model.
func AppendModel(b []byte, m canon.Model) []byte {
	b = append(b, `{"type":"model","id":`...)
	b = canon.AppendQuoted(b, m.ID)
	b = append(b, `,"display_name":`...)
	b = canon.AppendQuoted(b, m.Name())
	b = append(b, `,"created_at":"`...)
	b = time.Unix(m.Created, 0).UTC().AppendFormat(b, time.RFC3339)
	b = append(b, '"')
	if m.ContextWindow > 0 {
		b = strconv.AppendInt(append(b, `,"max_input_tokens":`...), m.ContextWindow, 10)
	}
	if m.MaxOutputTokens > 0 {
		b = strconv.AppendInt(append(b, `,"max_tokens":`...), m.MaxOutputTokens, 10)
	}
	return append(b, '}')
}

// AppendTokenCount writes the answer to count_tokens.
func AppendTokenCount(b []byte, tokens int64) []byte {
	b = append(b, `{"input_tokens":`...)
	return append(strconv.AppendInt(b, tokens, 10), '}')
}
