package responses

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// partFields are the fields of a part of a message.
type partFields struct {
	kind, text, refusal, image, fileID, fileData, fileURL, name, detail canon.Text
	data, transcript                                                    canon.Text
	annotations, logprobs, audio                                        canon.Raw
	cached                                                              bool
	extra                                                               []canon.Field
}

// part reads a part of a message, of a result or of thoughts.
func (r *reader) part(p *canon.Part) bool {
	start := r.s.Pos()
	r.s.Open('{')
	var f partFields
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		if !r.partField(&f, name) {
			return false
		}
	}
	r.fill(p, &f, canon.Raw(r.s.Text()[start:r.s.Pos()]))
	return true
}

func (r *reader) partField(f *partFields, name []byte) bool {
	switch string(name) {
	case "type":
		return r.text(&f.kind, "type")
	case "text":
		return r.text(&f.text, "text")
	case "annotations":
		return r.raw(&f.annotations)
	case "logprobs":
		return r.raw(&f.logprobs)
	case "refusal":
		return r.text(&f.refusal, "refusal")
	case "image_url":
		return r.text(&f.image, "image_url")
	case "detail":
		return r.text(&f.detail, "detail")
	case "file_id":
		return r.text(&f.fileID, "file_id")
	case "file_data":
		return r.text(&f.fileData, "file_data")
	case "file_url":
		return r.text(&f.fileURL, "file_url")
	case "filename":
		return r.text(&f.name, "filename")
	case "input_audio":
		return r.raw(&f.audio)
	case "data":
		return r.text(&f.data, "data")
	case "transcript":
		return r.text(&f.transcript, "transcript")
	case "prompt_cache_breakpoint":
		f.cached = r.s.Peek() == '{'
		return r.s.Skip()
	}
	return r.keep(&f.extra, name)
}

// fill makes a part of the fields.
func (r *reader) fill(p *canon.Part, f *partFields, raw canon.Raw) {
	p.Cache.Set = f.cached
	switch {
	case f.kind.Is("input_text"), f.kind.Is("output_text"), f.kind.Is("text"), f.kind.Is("reasoning_text"), f.kind.Is("summary_text"):
		p.Text = f.text
		p.Citations = r.citations(f.annotations)
		if len(f.logprobs) > 2 && f.logprobs[0] == '[' {
			r.logprobs = append(r.logprobs, f.logprobs)
		}
	case f.kind.Is("refusal"):
		p.Kind, p.Text = canon.RefusalPart, f.refusal
		if p.Text == nil {
			p.Text = f.text
		}
	case f.kind.Is("input_image"):
		p.Kind = canon.ImagePart
		p.Media = canon.Media{URL: f.image, FileID: f.fileID, Detail: f.detail}
	case f.kind.Is("input_file"), f.kind.Is("output_file"):
		p.Kind = canon.DocumentPart
		p.Media = canon.Media{URL: f.fileURL, FileID: f.fileID, Name: f.name}
		if f.fileData != nil {
			p.Media.URL = f.fileData
		}
	case f.kind.Is("output_audio"):
		p.Kind, p.Text = canon.AudioPart, f.transcript
		p.Media.Data = f.data
	case f.kind.Is("input_audio"):
		p.Kind = canon.AudioPart
		p.Media = audioOf(f.audio)
	default:
		p.Kind = canon.OpaquePart
		p.From = canon.Responses
		if f.kind != nil {
			p.Raw = raw
		}
		return
	}
	if p.Media.URL != nil {
		takeData(&p.Media, f.fileData != nil)
	}
	if p.Kind == canon.DocumentPart && bytes.HasPrefix(p.Media.Type, []byte(`"video/`)) {
		p.Kind = canon.VideoPart
	}
	if len(f.extra) > 0 {
		r.tell(f.extra, "input[].content[].")
	}
}

// takeData takes a data URL apart. Data that is no URL is taken as base64 when
// bare is set.
func takeData(m *canon.Media, bare bool) {
	url := []byte(m.URL)
	if !bytes.HasPrefix(url, []byte(`"data:`)) {
		if bare {
			m.Data, m.URL, m.FileID = m.URL, nil, nil
		}
		return
	}
	if bytes.IndexByte(url, '\\') >= 0 {
		url = canon.Quote(m.URL.String())
	}
	comma := bytes.IndexByte(url, ',')
	if comma < 0 || !bytes.HasSuffix(url[:comma], []byte(";base64")) {
		return
	}
	kind, _, _ := bytes.Cut(url[len(`"data:`):comma], []byte{';'})
	if len(kind) > 0 {
		m.Type = append(append(make(canon.Text, 0, len(kind)+2), '"'), kind...)
		m.Type = append(m.Type, '"')
	}
	m.Data = append(append(make(canon.Text, 0, len(url)-comma), '"'), url[comma+1:]...)
	m.URL, m.FileID = nil, nil
}

// audioTypes are the media types of what the dialect calls formats; of two
// rows for one thing the first is written.
var audioTypes = [...]struct{ format, kind string }{
	{"wav", "audio/wav"}, {"mp3", "audio/mpeg"}, {"mp3", "audio/mp3"}, {"wav", "audio/x-wav"},
	{"flac", "audio/flac"}, {"opus", "audio/opus"}, {"ogg", "audio/ogg"}, {"aac", "audio/aac"},
	{"m4a", "audio/mp4"}, {"webm", "audio/webm"}, {"pcm16", "audio/pcm"},
}

func audioOf(v canon.Raw) (m canon.Media) {
	f := fieldsOf(v, "data", "format")
	m.Data = asText(f[0])
	format := asText(f[1])
	for _, t := range audioTypes {
		if format.Is(t.format) {
			m.Type = canon.Quote(t.kind)
			return m
		}
	}
	if !format.Empty() {
		m.Type = canon.Quote("audio/" + format.String())
	}
	return m
}

// asText gives a value that is a string as one.
func asText(v canon.Raw) canon.Text {
	if len(v) > 1 && v[0] == '"' {
		return canon.Text(v)
	}
	return nil
}

// fieldsOf gives the values of an object's fields by their names; nil for
// those that are not there or null. It is for objects that were passed over.
func fieldsOf(object canon.Raw, names ...string) (v [8]canon.Raw) {
	var s jsonscan.Scanner
	s.Reset(object)
	if s.Peek() != '{' {
		return v
	}
	s.Object(func(name []byte) bool {
		p, ok := s.Value()
		for i, n := range names {
			if val := p.Of(object); ok && string(name) == n && string(val) != "null" {
				v[i] = val
			}
		}
		return ok
	})
	return v
}

// each gives the elements of an array that was passed over.
func each(array canon.Raw, f func(v canon.Raw)) {
	var s jsonscan.Scanner
	s.Reset(array)
	if s.Peek() != '[' {
		return
	}
	s.Array(func(int) bool {
		p, ok := s.Value()
		if ok {
			f(p.Of(array))
		}
		return ok
	})
}

// citations reads annotations. Those of other dialects stand whole in a field
// of ours.
func (r *reader) citations(v canon.Raw) (list []canon.Citation) {
	if len(v) <= 2 {
		return nil
	}
	each(v, func(a canon.Raw) { list = append(list, citationOf(a)) })
	return list
}

func citationOf(a canon.Raw) canon.Citation {
	f := fieldsOf(a, "url", "title", "start_index", "end_index", "filename", "tollgate")
	c := canon.Citation{URL: asText(f[0]), Title: asText(f[1]), Start: count(f[2]), End: count(f[3]), Raw: a, From: canon.Responses}
	if c.Title == nil {
		c.Title = asText(f[4])
	}
	if f[5] != nil {
		own := fieldsOf(f[5], "from", "raw", "quote")
		c.From, c.Raw, c.Quote = canon.Dialect(asText(own[0]).String()), own[1], asText(own[2])
	}
	return c
}
