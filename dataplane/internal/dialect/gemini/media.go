package gemini

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// types of media by the end of a name; the first row of a kind is what is
// said where nothing is known.
var types = []struct {
	kind     canon.Kind
	end, typ string
}{
	{canon.ImagePart, ".jpg", "image/jpeg"}, {canon.ImagePart, ".jpeg", "image/jpeg"}, {canon.ImagePart, ".png", "image/png"},
	{canon.ImagePart, ".gif", "image/gif"}, {canon.ImagePart, ".webp", "image/webp"}, {canon.ImagePart, ".heic", "image/heic"}, {canon.ImagePart, ".heif", "image/heif"},
	{canon.AudioPart, ".mp3", "audio/mpeg"}, {canon.AudioPart, ".wav", "audio/wav"}, {canon.AudioPart, ".ogg", "audio/ogg"},
	{canon.AudioPart, ".flac", "audio/flac"}, {canon.AudioPart, ".aac", "audio/aac"}, {canon.AudioPart, ".m4a", "audio/mp4"},
	{canon.VideoPart, ".mp4", "video/mp4"}, {canon.VideoPart, ".webm", "video/webm"}, {canon.VideoPart, ".mov", "video/quicktime"}, {canon.VideoPart, ".mpeg", "video/mpeg"},
	{canon.DocumentPart, ".pdf", "application/pdf"}, {canon.DocumentPart, ".txt", "text/plain"}, {canon.DocumentPart, ".html", "text/html"},
	{canon.DocumentPart, ".csv", "text/csv"}, {canon.DocumentPart, ".md", "text/markdown"}, {canon.DocumentPart, ".json", "application/json"},
}

// typeOf guesses a media type from the end of an address, as a JSON string;
// nil when that says nothing.
func typeOf(uri canon.Text) canon.Text {
	if len(uri) < 2 {
		return nil
	}
	in := uri[1 : len(uri)-1]
	if i := bytes.IndexAny(in, "?#"); i >= 0 {
		in = in[:i]
	}
	for _, t := range types {
		if len(in) > len(t.end) && bytes.EqualFold(in[len(in)-len(t.end):], []byte(t.end)) {
			return canon.Quote(t.typ)
		}
	}
	return nil
}

// mimeOf gives the media type to write.
func mimeOf(known, uri canon.Text, kind canon.Kind) canon.Text {
	if known.Is("image/jpg") {
		return canon.Text(`"image/jpeg"`)
	}
	if !known.Empty() {
		return known
	}
	if t := typeOf(uri); t != nil {
		return t
	}
	if uri != nil && (kind == canon.DocumentPart || bytes.HasPrefix(uri, filesPrefix) || bytes.Contains(uri, []byte("youtu"))) {
		// Google finds out itself, or says that it cannot.
		return nil
	}
	for _, t := range types {
		if t.kind == kind {
			return canon.Quote(t.typ)
		}
	}
	return canon.Text(`"application/octet-stream"`)
}

// appendMedia writes data, an address, or a document that is text.
func appendMedia(b []byte, p *canon.Part) []byte {
	m := &p.Media
	uri := m.URL
	if uri == nil {
		uri = m.FileID
	}
	switch {
	case m.Data != nil:
		b = append(b, `"inlineData":{"mimeType":`...)
		b = append(b, mimeOf(m.Type, nil, p.Kind)...)
		b = append(append(b, `,"data":`...), m.Data...)
	case uri != nil:
		b = append(b, `"fileData":{`...)
		if t := mimeOf(m.Type, uri, p.Kind); t != nil {
			b = append(append(append(b, `"mimeType":`...), t...), ',')
		}
		b = append(append(b, `"fileUri":`...), uri...)
	default:
		// A document that is text.
		b = append(b, `"text":`...)
		if p.Text == nil {
			return append(b, `""`...)
		}
		return append(b, p.Text...)
	}
	if m.Name != nil {
		b = append(append(b, `,"displayName":`...), m.Name...)
	}
	return append(b, '}')
}
