package anthropic

import (
	"bytes"
	"encoding/base64"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// marks are how base64 data of the types that the API knows start.
var marks = [...]struct{ start, typ string }{
	{"iVBOR", "image/png"},
	{"/9j/", "image/jpeg"},
	{"R0lGOD", "image/gif"},
	{"UklGR", "image/webp"},
	{"JVBER", "application/pdf"},
}

// mediaType gives a media type, from the data if nobody named it.
func mediaType(m *canon.Media) canon.Text {
	if m.Type != nil || len(m.Data) == 0 {
		return m.Type
	}
	for _, k := range marks {
		if bytes.HasPrefix(m.Data[1:], []byte(k.start)) {
			return canon.Quote(k.typ)
		}
	}
	return nil
}

// media starts the block of an image or a document; false when the API does
// not take it.
func (w *writer) media(p *canon.Part, i, k int) bool {
	m := &p.Media
	typ := mediaType(m)
	document := p.Kind == canon.DocumentPart
	if !document {
		w.str(`{"type":"image"`)
	} else {
		w.str(`{"type":"document"`)
	}
	switch {
	case w.hasSource(p):
	case document && p.Content != nil:
		w.str(`,"source":{"type":"content","content":[`)
		for c := range p.Content {
			w.part(&p.Content[c], i, k)
		}
		w.str("]}")
	case document && p.Text != nil:
		w.source("text", "media_type", canon.Quote("text/plain"), "data", p.Text)
	case m.FileID != nil:
		w.source("file", "file_id", m.FileID, "", nil)
	case m.URL != nil:
		w.source("url", "url", m.URL, "", nil)
	case m.Data == nil:
		return false
	case w.own:
		w.source("base64", "media_type", m.Type, "data", m.Data)
	case document:
		if !w.document(typ, m.Data) {
			return false
		}
	case typ == nil:
		return false
	default:
		w.source("base64", "media_type", typ, "data", m.Data)
	}
	if document {
		field(w, `,"title":`, m.Name)
	} else if !m.Name.Empty() {
		w.lose(w.at(i, k) + ".name")
	}
	if !m.Detail.Empty() && !m.Detail.Is("auto") {
		w.lose(w.at(i, k) + ".detail")
	}
	return true
}

// hasSource says that the source stands in the part's extra fields.
func (w *writer) hasSource(p *canon.Part) bool {
	for i := range p.Extra {
		if w.own && p.Extra[i].Name == "source" {
			return true
		}
	}
	return false
}

func (w *writer) source(typ, name1 string, value1 canon.Text, name2 string, value2 canon.Text) {
	w.str(`,"source":{"type":"`)
	w.str(typ)
	w.str(`"`)
	for _, f := range [...]struct {
		name  string
		value canon.Text
	}{{name1, value1}, {name2, value2}} {
		if f.value != nil {
			w.str(`,"`)
			w.str(f.name)
			w.str(`":`)
			w.b = append(w.b, f.value...)
		}
	}
	w.str("}")
}

// document writes data of the two types that the API takes: PDF, and text in
// clear.
func (w *writer) document(typ, data canon.Text) bool {
	if typ.Is("application/pdf") {
		w.source("base64", "media_type", typ, "data", data)
		return true
	}
	if !bytes.HasPrefix(typ, []byte(`"text/`)) {
		return false
	}
	clear, err := base64.StdEncoding.DecodeString(data.String())
	if err != nil {
		return false
	}
	w.source("text", "media_type", canon.Quote("text/plain"), "data", canon.Quote(string(clear)))
	return true
}
