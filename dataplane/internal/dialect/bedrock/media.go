package bedrock

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// formats are the API's names of formats, with the media types that mean them
// and how their base64 starts. The name is the usual end of a file's name too.
var formats = [...]struct {
	kind   canon.Kind
	format string
	types  []string
	start  string
}{
	{canon.ImagePart, "png", []string{"image/png"}, "iVBOR"},
	{canon.ImagePart, "jpeg", []string{"image/jpeg", "image/jpg"}, "/9j/"},
	{canon.ImagePart, "gif", []string{"image/gif"}, "R0lGOD"},
	{canon.ImagePart, "webp", []string{"image/webp"}, "UklGR"},
	{canon.DocumentPart, "pdf", []string{"application/pdf"}, "JVBER"},
	{canon.DocumentPart, "csv", []string{"text/csv"}, ""},
	{canon.DocumentPart, "doc", []string{"application/msword"}, ""},
	{canon.DocumentPart, "docx", []string{"application/vnd.openxmlformats-officedocument.wordprocessingml.document"}, ""},
	{canon.DocumentPart, "xls", []string{"application/vnd.ms-excel"}, ""},
	{canon.DocumentPart, "xlsx", []string{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, ""},
	{canon.DocumentPart, "html", []string{"text/html"}, ""},
	{canon.DocumentPart, "md", []string{"text/markdown", "text/x-markdown"}, ""},
	{canon.DocumentPart, "txt", []string{"text/plain", "application/json"}, ""},
	{canon.VideoPart, "mp4", []string{"video/mp4"}, ""},
	{canon.VideoPart, "mov", []string{"video/quicktime"}, ""},
	{canon.VideoPart, "mkv", []string{"video/x-matroska"}, "GkXfo"},
	{canon.VideoPart, "webm", []string{"video/webm"}, ""},
	{canon.VideoPart, "flv", []string{"video/x-flv"}, ""},
	{canon.VideoPart, "mpeg", []string{"video/mpeg"}, ""},
	{canon.VideoPart, "wmv", []string{"video/x-ms-wmv"}, ""},
	{canon.VideoPart, "three_gp", []string{"video/3gpp"}, ""},
	{canon.AudioPart, "mp3", []string{"audio/mpeg", "audio/mp3"}, ""},
	{canon.AudioPart, "wav", []string{"audio/wav", "audio/x-wav", "audio/wave"}, "UklGR"},
	{canon.AudioPart, "flac", []string{"audio/flac"}, ""},
	{canon.AudioPart, "ogg", []string{"audio/ogg"}, ""},
	{canon.AudioPart, "aac", []string{"audio/aac"}, ""},
	{canon.AudioPart, "m4a", []string{"audio/mp4", "audio/x-m4a"}, ""},
}

// formatOf gives the API's name of what a medium is: by its type, else by its
// name or address, else by its data; empty when nothing tells.
func formatOf(kind canon.Kind, m *canon.Media) string {
	typ, _, _ := strings.Cut(strings.ToLower(m.Type.String()), ";")
	for i := range formats {
		for _, t := range formats[i].types {
			if formats[i].kind == kind && typ == t {
				return formats[i].format
			}
		}
	}
	for _, name := range [...]canon.Text{m.Name, m.URL} {
		s := name.String()
		end := strings.ToLower(s[strings.LastIndexByte(s, '.')+1:])
		if end == "jpg" {
			end = "jpeg"
		}
		for i := range formats {
			if formats[i].kind == kind && end == formats[i].format && len(s) > len(end) {
				return end
			}
		}
	}
	for i := range formats {
		if f := &formats[i]; f.kind == kind && f.start != "" && len(m.Data) > 2 && bytes.HasPrefix(m.Data[1:], []byte(f.start)) {
			return f.format
		}
	}
	if kind == canon.DocumentPart && strings.HasPrefix(typ, "text/") {
		return "txt"
	}
	return ""
}

// typeOf gives the media type that a format of the API means.
func typeOf(kind canon.Kind, format canon.Text) canon.Text {
	for i := range formats {
		if formats[i].kind == kind && format.Is(formats[i].format) {
			return canon.Quote(formats[i].types[0])
		}
	}
	return nil
}

// mediaKinds names the blocks of media.
var mediaKinds = [...]struct {
	name string
	kind canon.Kind
}{
	{"image", canon.ImagePart}, {"document", canon.DocumentPart}, {"video", canon.VideoPart}, {"audio", canon.AudioPart},
}

func mediaName(kind canon.Kind) string {
	for i := range mediaKinds {
		if mediaKinds[i].kind == kind {
			return mediaKinds[i].name
		}
	}
	return ""
}

// media writes an image, a document, a video or a sound; false when the API
// does not take it. It fetches nothing: of addresses it knows those of S3.
func (w *writer) media(p *canon.Part) bool {
	m := p.Media
	if p.Kind == canon.DocumentPart && m.Data == nil && p.Text != nil {
		m.Data = base64Of(p.Text)
		if m.Type == nil {
			m.Type = canon.Text(`"text/plain"`)
		}
	}
	format := formatOf(p.Kind, &m)
	s3 := bytes.HasPrefix(m.URL, []byte(`"s3://`))
	if format == "" || m.Data.Empty() && !s3 {
		return false
	}
	w.str(`{"`)
	w.str(mediaName(p.Kind))
	w.str(`":{"format":"`)
	w.str(format)
	w.str(`"`)
	if p.Kind == canon.DocumentPart {
		w.b = canon.AppendQuoted(append(w.b, `,"name":`...), w.documentName(m.Name))
	}
	if m.Data.Empty() {
		w.str(`,"source":{"s3Location":{"uri":`)
		w.b = append(append(w.b, m.URL...), "}}"...)
	} else {
		w.str(`,"source":{"bytes":`)
		w.b = append(append(w.b, m.Data...), '}')
	}
	w.str("}}")
	return true
}

const maxDocumentName = 100

// documentName makes a name as the API takes it: letters, digits, single
// spaces, hyphens and brackets, and no two alike.
func (w *writer) documentName(name canon.Text) string {
	s := name.String()
	if dot := strings.LastIndexByte(s, '.'); dot > 0 {
		s = s[:dot]
	}
	var b strings.Builder
	space := true
	for _, r := range s {
		switch {
		case b.Len() >= maxDocumentName:
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-()[]", r):
			b.WriteRune(r)
			space = false
		case !space:
			b.WriteByte(' ')
			space = true
		}
	}
	s = strings.TrimSpace(b.String())
	if s == "" {
		s = "document"
	}
	if w.names == nil {
		w.names = map[string]int{}
	}
	for base := s; ; {
		w.names[base]++
		if n := w.names[base]; n > 1 {
			s = base + " [" + strconv.Itoa(n) + "]"
		}
		if s == base || w.names[s] == 0 {
			w.names[s] = max(w.names[s], 1)
			return s
		}
	}
}
