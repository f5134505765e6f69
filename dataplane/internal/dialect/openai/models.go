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
