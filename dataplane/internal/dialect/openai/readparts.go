package openai

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// content reads what is said: a string, or an array of parts.
func (w *walk) content() bool {
	switch w.s.Peek() {
	case '"':
		var t canon.Text
		if !w.text(&t, "content") {
			return false
		}
		if !w.lax || !t.Empty() {
			w.add(canon.TextPart, rankContent).Text = t
		}
		return true
	case '[':
		w.s.Open('[')
		w.at.sub = "content"
		for w.at.j = 0; ; w.at.j++ {
			more, ok := w.s.Element(w.at.j == 0)
			if !ok || !more {
				w.at.sub = ""
				return ok
			}
			if !w.part() {
				return false
			}
		}
	case 'n':
		return w.s.Skip()
	}
	return w.wrong("content", "a string or an array of parts")
}

// partFields are the fields of a part of the content.
type partFields struct {
	kind, text, refusal canon.Text
	signature           canon.Text
	media               canon.Raw // what the field holds that is named as the kind
	thinking            canon.Raw
	annotations         canon.Raw
	cache               canon.CacheMark
}

func (w *walk) part() bool {
	if w.s.Peek() != '{' {
		return w.wrong("", "an object")
	}
	start := w.s.Pos()
	w.s.Open('{')
	var f partFields
	kept, mine := len(w.extra), len(w.mine)
	for first := true; ; first = false {
		name, more, ok := w.member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		if !w.partField(&f, name) {
			return false
		}
	}
	raw := canon.Raw(w.s.Text()[start:w.s.Pos()])
	return w.addPart(&f, raw, kept, mine)
}

func (w *walk) partField(f *partFields, name []byte) bool {
	switch string(name) {
	case "type":
		return w.text(&f.kind, "type")
	case "text":
		return w.text(&f.text, "text")
	case "refusal":
		return w.text(&f.refusal, "refusal")
	case "image_url", "input_audio", "file", "video_url", "document_url":
		return w.raw(&f.media)
	case "thinking":
		return w.raw(&f.thinking)
	case "signature":
		return w.text(&f.signature, "signature")
	case "annotations":
		return w.raw(&f.annotations)
	case "cache_control", "prompt_cache_breakpoint":
		return w.cacheMark(&f.cache)
	case "index":
		if w.quick {
			return w.s.Skip()
		}
	}
	return w.unknown(name)
}

func (w *walk) cacheMark(m *canon.CacheMark) bool {
	var v canon.Raw
	if ok := w.object(&v, "cache_control"); !ok || v == nil {
		return ok
	}
	f, ok := w.pick(v, "cache_control", "ttl", "type", "mode")
	m.Set, m.TTL = true, asText(f[0])
	return ok
}

// addPart makes a part of the fields, by its kind.
func (w *walk) addPart(f *partFields, raw canon.Raw, kept, mine int) bool {
	var p *canon.Part
	ok := true
	switch {
	case f.kind.Is("text"), f.kind.Is("input_text"), f.kind.Is("output_text"):
		p = w.add(canon.TextPart, rankContent)
		p.Text = orEmpty(f.text)
		ok = w.citations(p, f.annotations)
	case f.kind.Is("image_url"):
		p = w.add(canon.ImagePart, rankContent)
		ok = w.link(p, f.media, "image_url")
	case f.kind.Is("video_url"):
		p = w.add(canon.VideoPart, rankContent)
		ok = w.link(p, f.media, "video_url")
	case f.kind.Is("document_url"):
		p = w.add(canon.DocumentPart, rankContent)
		ok = w.link(p, f.media, "document_url")
	case f.kind.Is("input_audio"):
		p = w.add(canon.AudioPart, rankContent)
		ok = w.audioIn(p, f.media)
	case f.kind.Is("file"):
		p = w.add(canon.DocumentPart, rankContent)
		ok = w.file(p, f.media)
	case f.kind.Is("refusal"):
		p = w.add(canon.RefusalPart, rankContent)
		p.Text = orEmpty(f.refusal)
	case f.kind.Is("thinking"):
		p = w.add(canon.ReasoningPart, rankContent)
		p.Signature = f.signature
		p.Text, ok = w.thinking(f.thinking)
	default:
		// The part goes on as it is, and with it what was read from it.
		w.extra, w.mine = w.extra[:kept], w.mine[:mine]
		p = w.add(canon.OpaquePart, rankContent)
		p.Name, p.Raw, p.From = f.kind, raw, canon.OpenAIChat
	}
	p.Cache, p.Extra = f.cache, w.taken(mine)
	if p.Extra != nil && p.From == "" {
		p.From = canon.OpenAIChat
	}
	if !ok && w.bad == nil {
		w.bad = wrongType(w.at.path(f.kind.String()), "what its type demands")
	}
	return ok
}

func orEmpty(t canon.Text) canon.Text {
	if t == nil {
		return canon.Text(`""`)
	}
	return t
}

// link reads {"url": …, "detail": …}, or the address alone.
func (w *walk) link(p *canon.Part, v canon.Raw, name string) bool {
	url := asText(v)
	if url == nil {
		f, ok := w.pick(v, name, "url", "detail")
		if !ok || asText(f[0]) == nil {
			return false
		}
		url, p.Media.Detail = asText(f[0]), asText(f[1])
	}
	p.Media.URL = url
	dataURL(&p.Media)
	return true
}

// dataURL takes a data URL apart, if the address is one in base64.
func dataURL(m *canon.Media) {
	url := []byte(m.URL)
	if bytes.HasPrefix(url, []byte(`"data:`)) && bytes.IndexByte(url, '\\') >= 0 {
		url = canon.Quote(m.URL.String())
	}
	comma := bytes.IndexByte(url, ',')
	if comma < 0 || !bytes.HasPrefix(url, []byte(`"data:`)) || !bytes.HasSuffix(url[:comma], []byte(";base64")) {
		return
	}
	kind, _, _ := bytes.Cut(url[len(`"data:`):comma], []byte{';'})
	if len(kind) > 0 {
		m.Type = append(append(canon.Text{'"'}, kind...), '"')
	}
	m.Data = append(append(make(canon.Text, 0, len(url)-comma), '"'), url[comma+1:]...)
	m.URL = nil
}

// audioTypes are the media types of what OpenAI calls formats.
var audioTypes = []struct{ format, kind string }{
	{"wav", "audio/wav"}, {"mp3", "audio/mpeg"}, {"flac", "audio/flac"}, {"opus", "audio/opus"},
	{"ogg", "audio/ogg"}, {"aac", "audio/aac"}, {"m4a", "audio/mp4"}, {"webm", "audio/webm"}, {"pcm16", "audio/pcm"},
	{"mp3", "audio/mp3"}, {"wav", "audio/x-wav"},
}

func (w *walk) audioIn(p *canon.Part, v canon.Raw) bool {
	f, ok := w.pick(v, "input_audio", "data", "format")
	p.Media.Data = asText(f[0])
	if p.Media.Data == nil {
		// Mistral and others give the audio alone, as base64 or an address.
		p.Media.URL = asText(v)
		return p.Media.URL != nil
	}
	format := asText(f[1])
	for _, t := range audioTypes {
		if format.Is(t.format) {
			p.Media.Type = canon.Quote(t.kind)
			return ok
		}
	}
	if !format.Empty() {
		p.Media.Type = canon.Quote("audio/" + format.String())
	}
	return ok
}

func (w *walk) file(p *canon.Part, v canon.Raw) bool {
	f, ok := w.pick(v, "file", "file_data", "file_id", "filename")
	p.Media.URL, p.Media.FileID, p.Media.Name = asText(f[0]), asText(f[1]), asText(f[2])
	if p.Media.URL != nil {
		dataURL(&p.Media)
		p.Media.FileID = nil
	}
	return ok && (p.Media.URL != nil || p.Media.Data != nil || p.Media.FileID != nil)
}

// thinking reads Mistral's thoughts: a string, or a list of texts.
func (w *walk) thinking(v canon.Raw) (canon.Text, bool) {
	if t := asText(v); t != nil || v == nil {
		return orEmpty(t), true
	}
	var texts []canon.Text
	ok := w.each(v, func(item canon.Raw) bool {
		f, ok := w.pick(item, "thinking", "text", "type", "reference_ids")
		if t := asText(f[0]); t != nil {
			texts = append(texts, t)
		}
		return ok || item[0] != '{'
	})
	return canon.Join(texts...), ok
}

// each gives the elements of an array that was passed over already. It must
// not be nested.
func (w *walk) each(array canon.Raw, each func(canon.Raw) bool) bool {
	s := &w.deep
	s.Reset(array)
	return s.Array(func(int) bool {
		p, ok := s.Value()
		return ok && each(canon.Raw(p.Of(array)))
	})
}
