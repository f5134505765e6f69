package gemini

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// foreignMark is the field of a groundingChunk that holds a citation from
// elsewhere as it was.
const foreignMark = `"citation":`

var groundingNames = []string{"groundingChunks", "groundingSupports", "webSearchQueries", "retrievalQueries"}
var supportNames = []string{"segment", "groundingChunkIndices"}
var segmentNames = []string{"startIndex", "endIndex", "text", "partIndex"}
var chunkNames = []string{"web", "retrievedContext", "maps", "citation"}
var sourceNames = []string{"uri", "title"}
var foreignNames = []string{"from", "raw", "quote", "start", "end"}

// support says which piece of the text which sources bear out.
type support struct {
	start, end, part int64
	text             canon.Text
	sources          []int64
}

// grounding is what groundingMetadata says.
type grounding struct {
	sources  []canon.Citation
	supports []support
	queries  int64
}

func readGrounding(raw []byte, g *grounding) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var r reader
	r.s.Reset(raw)
	for o := r.object(); r.next(&o, groundingNames); {
		switch o.field {
		case 0:
			for a := r.array(); r.element(&a); {
				g.sources = append(g.sources, r.source())
			}
		case 1:
			for a := r.array(); r.element(&a); {
				g.supports = append(g.supports, r.support())
			}
		case 2:
			for a := r.array(); r.element(&a); {
				r.skip()
				g.queries++
			}
		default:
			r.skip()
		}
	}
}

func (r *reader) source() canon.Citation {
	r.s.Peek()
	start := r.s.Pos()
	c := canon.Citation{From: canon.Gemini}
	for o := r.object(); r.next(&o, chunkNames); {
		switch o.field {
		case 0, 1, 2:
			for s := r.object(); r.next(&s, sourceNames); {
				switch s.field {
				case 0:
					r.text(&c.URL)
				case 1:
					r.text(&c.Title)
				default:
					r.skip()
				}
			}
		case 3:
			r.foreignCitation(&c)
		default:
			r.skip()
		}
	}
	if c.From == canon.Gemini && r.bad == nil {
		c.Raw = r.s.Text()[start:r.s.Pos()]
	}
	return c
}

func (r *reader) foreignCitation(c *canon.Citation) {
	for o := r.object(); r.next(&o, foreignNames); {
		switch o.field {
		case 0:
			var from canon.Text
			r.text(&from)
			c.From = canon.Dialect(from.String())
		case 1:
			if !r.null() {
				c.Raw = r.value()
			}
		case 2:
			r.text(&c.Quote)
		case 3, 4:
			n, _ := r.count()
			if o.field == 3 {
				c.Start = int(n)
			} else {
				c.End = int(n)
			}
		default:
			r.skip()
		}
	}
}

func (r *reader) support() (p support) {
	for o := r.object(); r.next(&o, supportNames); {
		switch o.field {
		case 0:
			r.segment(&p)
		case 1:
			for a := r.array(); r.element(&a); {
				n, _ := r.count()
				p.sources = append(p.sources, n)
			}
		default:
			r.skip()
		}
	}
	return p
}

func (r *reader) segment(p *support) {
	for o := r.object(); r.next(&o, segmentNames); {
		switch o.field {
		case 0:
			p.start, _ = r.count()
		case 1:
			p.end, _ = r.count()
		case 2:
			r.text(&p.text)
		case 3:
			p.part, _ = r.count()
		default:
			r.skip()
		}
	}
}

// each gives the citations of the metadata: one for each source of each
// support; a source that supports nothing in particular stands alone. Offsets
// are still those of Gemini, in bytes of UTF-8.
func (g *grounding) each(give func(part int64, c canon.Citation)) {
	used := make([]bool, len(g.sources))
	for i := range g.supports {
		p := &g.supports[i]
		for _, n := range p.sources {
			if n < 0 || n >= int64(len(g.sources)) {
				continue
			}
			used[n] = true
			c := g.sources[n]
			if c.From == canon.Gemini {
				c.Start, c.End, c.Quote = int(p.start), int(p.end), p.text
			}
			give(p.part, c)
		}
	}
	for n, c := range g.sources {
		if !used[n] {
			give(0, c)
		}
	}
}

var citationNames = []string{"citations", "citationSources"}
var citedNames = []string{"startIndex", "endIndex", "uri", "title"}

// readCitations reads citationMetadata: where a text repeats a source.
func readCitations(raw []byte, give func(c canon.Citation)) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var r reader
	r.s.Reset(raw)
	for o := r.object(); r.next(&o, citationNames); {
		if o.field < 0 {
			r.skip()
			continue
		}
		for a := r.array(); r.element(&a); {
			r.s.Peek()
			start := r.s.Pos()
			c := canon.Citation{From: canon.Gemini}
			for e := r.object(); r.next(&e, citedNames); {
				switch e.field {
				case 0, 1:
					n, _ := r.count()
					if e.field == 0 {
						c.Start = int(n)
					} else {
						c.End = int(n)
					}
				case 2:
					r.text(&c.URL)
				case 3:
					r.text(&c.Title)
				default:
					r.skip()
				}
			}
			if r.bad == nil {
				c.Raw = r.s.Text()[start:r.s.Pos()]
				give(c)
			}
		}
	}
}

// cite puts the citations of a candidate at the texts that they are about.
func cite(parts []canon.Part, c *candidate, searches *int64) []canon.Part {
	if c.grounding == nil && c.citations == nil {
		return parts
	}
	put := func(part int64, at canon.Citation) {
		p := textPart(&parts, part)
		if at.From == canon.Gemini {
			at.Start, at.End = characters(p.Text, at.Start, at.End)
		}
		p.Citations = append(p.Citations, at)
	}
	var g grounding
	readGrounding(c.grounding, &g)
	*searches += g.queries
	g.each(put)
	readCitations(c.citations, func(at canon.Citation) { put(0, at) })
	return parts
}

// textPart finds the text that a citation is about: the part that it names if
// that is a text, the first text otherwise.
func textPart(parts *[]canon.Part, n int64) *canon.Part {
	ps := *parts
	if n >= 0 && n < int64(len(ps)) && ps[n].Kind == canon.TextPart {
		return &ps[n]
	}
	for i := range ps {
		if ps[i].Kind == canon.TextPart {
			return &ps[i]
		}
	}
	*parts = append(ps, canon.Part{Kind: canon.TextPart, Text: emptyText})
	return &(*parts)[len(ps)]
}

// characters turns offsets in bytes into offsets in characters.
func characters(t canon.Text, start, end int) (int, int) {
	if len(t) < 2 {
		return 0, 0
	}
	s := t[1 : len(t)-1]
	if bytes.IndexByte(s, '\\') >= 0 {
		s = jsonscan.Unescape(nil, s)
	}
	start, end = min(start, len(s)), min(end, len(s))
	if start < 0 || end < start {
		return 0, 0
	}
	n := utf8.RuneCount(s[:start])
	return n, n + utf8.RuneCount(s[start:end])
}

// bytesOf turns them back.
func bytesOf(t canon.Text, start, end int) (int, int) {
	if len(t) < 2 || end <= 0 {
		return 0, 0
	}
	s := t.String()
	n, from, to := 0, -1, len(s)
	for i := range s {
		if n == start {
			from = i
		}
		if n == end {
			to = i
			break
		}
		n++
	}
	if from < 0 {
		return 0, 0
	}
	return from, to
}

// citations collects what becomes groundingMetadata.
type citations struct {
	n                int
	chunks, supports []byte
}

// add takes a citation of a part's text; start and end are in bytes.
func (c *citations) add(at *canon.Citation, part, start, end int) {
	if c.n > 0 {
		c.chunks, c.supports = append(c.chunks, ','), append(c.supports, ',')
	}
	b := c.chunks
	if at.From == canon.Gemini && at.Raw != nil {
		b = append(b, at.Raw...)
	} else {
		b = append(append(b, `{"web":{"uri":`...), orEmpty(at.URL)...)
		b = append(append(b, `,"title":`...), orEmpty(at.Title)...)
		b = append(append(b, `},`...), foreignMark...)
		b = append(canon.AppendQuoted(append(b, `{"from":`...), string(at.From)), `,"raw":`...)
		b = append(append(b, orNull(at.Raw)...), `,"quote":`...)
		if at.Quote == nil {
			b = append(b, "null"...)
		}
		b = strconv.AppendInt(append(append(b, at.Quote...), `,"start":`...), int64(at.Start), 10)
		b = strconv.AppendInt(append(b, `,"end":`...), int64(at.End), 10)
		b = append(b, "}}"...)
	}
	c.chunks = b
	b = append(c.supports, `{"segment":{"partIndex":`...)
	b = strconv.AppendInt(b, int64(part), 10)
	b = strconv.AppendInt(append(b, `,"startIndex":`...), int64(start), 10)
	b = strconv.AppendInt(append(b, `,"endIndex":`...), int64(end), 10)
	b = append(append(b, `,"text":`...), orEmpty(at.Quote)...)
	b = strconv.AppendInt(append(b, `},"groundingChunkIndices":[`...), int64(c.n), 10)
	c.supports = append(b, "]}"...)
	c.n++
}

func (c *citations) append(b []byte) []byte {
	b = append(append(b, `"groundingMetadata":{"groundingChunks":[`...), c.chunks...)
	b = append(append(b, `],"groundingSupports":[`...), c.supports...)
	return append(b, "]}"...)
}
