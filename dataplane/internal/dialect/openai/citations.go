package openai

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// annotate adds a message's annotations to its first text.
func (w *walk) annotate(m *message) bool {
	if m.textSignature == nil && (len(m.annotations) < 3 || m.annotations[0] != '[') {
		return true
	}
	i := 0
	for i < len(w.parts) && w.parts[i].Kind != canon.TextPart {
		i++
	}
	if i == len(w.parts) {
		w.add(canon.TextPart, rankContent)
	}
	if m.textSignature != nil {
		w.parts[i].Signature, w.parts[i].From = m.textSignature, canon.Gemini
	}
	return w.citations(&w.parts[i], m.annotations)
}

// citations reads a list of annotations.
func (w *walk) citations(p *canon.Part, list canon.Raw) bool {
	if len(list) == 0 || list[0] != '[' {
		return true
	}
	return w.each(list, func(v canon.Raw) bool {
		c, ok := w.citation(v)
		if ok {
			p.Citations = append(p.Citations, c)
		}
		return ok || w.lax
	})
}

// citation reads an annotation of a web page, or of what our own writer makes
// of other sources: what it was in its own dialect is then in native and from.
func (w *walk) citation(v canon.Raw) (c canon.Citation, ok bool) {
	c.Raw, c.From = v, canon.OpenAIChat
	f, ok := w.pick(v, quiet, "url_citation", "native", "from", "title", "quote", "start_index", "end_index", "url")
	if !ok {
		return c, false
	}
	if f[1] != nil {
		c.Raw, c.From = f[1], canon.Dialect(asText(f[2]).String())
	}
	if f[0] != nil {
		f, ok = w.pick(f[0], quiet, "content", "", "", "title", "quote", "start_index", "end_index", "url")
	}
	c.URL, c.Title, c.Quote = asText(f[7]), asText(f[3]), asText(f[4])
	c.Start, c.End = small(f[5]), small(f[6])
	return c, ok
}

func small(v canon.Raw) int {
	n, err := strconv.Atoi(string(v))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// sourceOf reads a citation that is no web page; it belongs to the text before
// it.
func (w *walk) sourceOf(v canon.Raw, rank uint8) bool {
	c, ok := w.citation(v)
	if !ok {
		return false
	}
	for i := range w.parts {
		if w.parts[i].Kind == canon.TextPart {
			w.parts[i].Citations = append(w.parts[i].Citations, c)
			return true
		}
	}
	p := w.add(canon.TextPart, rank)
	p.Citations = append(p.Citations, c)
	return true
}

// appendCitations writes what has an address as annotations, as SDKs know
// them, and the rest as citations, which they ignore. shift is how much text
// stands before the part.
func appendCitations(b []byte, list []canon.Citation, shift int, web bool) []byte {
	n := 0
	for i := range list {
		c := &list[i]
		if web != (c.URL != nil) {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		if web {
			b = append(b, `{"type":"url_citation","url_citation":{`...)
		} else {
			b = append(b, `{"type":"citation",`...)
		}
		start, end := c.Start, c.End
		if end > 0 {
			start, end = start+shift, end+shift
		}
		b = strconv.AppendInt(append(b, `"start_index":`...), int64(start), 10)
		b = strconv.AppendInt(append(b, `,"end_index":`...), int64(end), 10)
		b = append(append(b, `,"title":`...), orEmpty(c.Title)...)
		if web {
			b = append(append(b, `,"url":`...), c.URL...)
		}
		if c.Quote != nil {
			b = append(append(b, `,"quote":`...), c.Quote...)
		}
		if web {
			b = append(b, '}')
		}
		if c.Raw != nil && c.From != canon.OpenAIChat && c.From != "" {
			b = appendOneLine(append(b, `,"native":`...), c.Raw)
			b = append(append(append(b, `,"from":"`...), c.From...), '"')
		}
		b = append(b, '}')
	}
	return b
}

// hasCitations says which of the two lists there are.
func hasCitations(list []canon.Citation) (web, other bool) {
	for i := range list {
		web = web || list[i].URL != nil
		other = other || list[i].URL == nil
	}
	return web, other
}

// length counts the characters of a text.
func length(t canon.Text) (n int) {
	for i := 1; i < len(t)-1; i++ {
		switch c := t[i]; {
		case c == '\\':
			i++
			if t[i] == 'u' {
				i += 4
				// The second half of a pair is no character of its own.
				if i+2 < len(t) && t[i-3]|0x20 == 'd' && t[i-2] >= '8' && (t[i-2] <= '9' || t[i-2]|0x20 <= 'b') && t[i+1] == '\\' && t[i+2] == 'u' {
					i += 6
				}
			}
			n++
		case c&0xc0 != 0x80:
			n++
		}
	}
	return n
}

// appendOneLine writes JSON without its line breaks, which would end an event
// of a stream; they only stand between tokens.
func appendOneLine(b []byte, v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return append(b, v...)
	}
	for _, c := range v {
		if c != '\n' && c != '\r' {
			b = append(b, c)
		}
	}
	return b
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
