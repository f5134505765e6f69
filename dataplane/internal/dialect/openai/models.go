package openai

import "strconv"

// Model is an entry of the list of models.
type Model struct {
	ID      string
	OwnedBy string
	// Created is in seconds since 1970.
	Created int64
}

// AppendModel writes one model.
func AppendModel(b []byte, m Model) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, m.ID)
	b = append(b, `,"object":"model","created":`...)
	b = strconv.AppendInt(b, m.Created, 10)
	b = append(b, `,"owned_by":`...)
	b = appendString(b, m.OwnedBy)
	return append(b, '}')
}

// AppendModels writes the list of models.
func AppendModels(b []byte, models []Model) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i, m := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendModel(b, m)
	}
	return append(b, "]}"...)
}
