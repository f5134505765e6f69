package anthropic

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// block is what was read of one block of content, whatever its type: the type
// may stand last.
type block struct {
	// seen are the fields that are there, wrong those of them whose values are
	// of another type than they have in blocks that are not opaque.
	seen, wrong fields
	// odd says that it has fields that no block has.
	odd bool

	typ, text, signature, id, name, useID, thinking, data, title canon.Text

	input     canon.Raw
	citations []canon.Citation
	cache     canon.CacheMark
	// oddCache says that the mark holds more than canon has names for.
	oddCache                 bool
	refusal, custom, isError canon.Flag
	// content is raw as long as parts are not read.
	content canon.Raw
	parts   []canon.Part
	source  source
	raw     canon.Raw
}

// source is where an image or a document comes from.
type source struct {
	typ, mediaType, data, url, fileID canon.Text

	parts []canon.Part
	// odd says that it holds more than canon has names for; deep, that it nests
	// deeper than is read.
	odd, deep bool
	raw       canon.Raw
}

// block reads one block.
func (w *walk) block(b *block) bool {
	*b = block{}
	if w.s.Peek() != '{' {
		if w.s.Skip() {
			return w.wrong("", "an object")
		}
		return false
	}
	start := w.s.Pos()
	if !w.s.Open('{') {
		return false
	}
	for first := true; ; first = false {
		key, escaped, more, ok := w.s.Member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		f := fieldOf(w.s.Name(key, escaped, &w.buf))
		b.seen |= f
		right, ok := w.blockField(b, f)
		if !ok {
			return false
		}
		if !right {
			b.wrong |= f
		}
	}
	b.raw = w.s.Text()[start:w.s.Pos()]
	return true
}

func (w *walk) blockField(b *block, f fields) (right, ok bool) {
	switch f {
	case fieldType:
		return w.text(&b.typ)
	case fieldText:
		return w.text(&b.text)
	case fieldSignature:
		return w.text(&b.signature)
	case fieldID:
		return w.text(&b.id)
	case fieldName:
		return w.text(&b.name)
	case fieldUseID:
		return w.text(&b.useID)
	case fieldThinking:
		return w.text(&b.thinking)
	case fieldData:
		return w.text(&b.data)
	case fieldTitle:
		return w.text(&b.title)
	case fieldInput:
		return true, w.raw(&b.input)
	case fieldRefusal:
		return w.flag(&b.refusal)
	case fieldCustom:
		return w.flag(&b.custom)
	case fieldIsError:
		return w.flag(&b.isError)
	case fieldCitations:
		return w.citations(&b.citations)
	case fieldCache:
		return w.cache(&b.cache, &b.oddCache)
	case fieldContent:
		if b.typ.Is("tool_result") && w.depth < maxNest {
			return w.content(&b.parts)
		}
		return true, w.raw(&b.content)
	case fieldSource:
		return w.source(&b.source)
	}
	b.odd = true
	return true, w.s.Skip()
}

// cache reads a mark; odd says that it holds more than canon has names for.
func (w *walk) cache(c *canon.CacheMark, odd *bool) (right, ok bool) {
	if w.s.Peek() != '{' {
		return w.s.Peek() == 'n', w.s.Skip()
	}
	*c = canon.CacheMark{Set: true}
	right = true
	ok = w.members(func(name []byte) bool {
		var good, ok bool
		var typ canon.Text
		switch string(name) {
		case "type":
			good, ok = w.text(&typ)
			*odd = *odd || !typ.Is("ephemeral")
		case "ttl":
			good, ok = w.text(&c.TTL)
		default:
			*odd = true
			return w.s.Skip()
		}
		right = right && good
		return ok
	})
	return right, ok
}

func (w *walk) source(src *source) (right, ok bool) {
	if w.s.Peek() != '{' {
		return false, w.s.Skip()
	}
	*src = source{}
	start := w.s.Pos()
	right = true
	ok = w.members(func(name []byte) bool {
		good, ok := true, true
		switch string(name) {
		case "type":
			good, ok = w.text(&src.typ)
		case "media_type":
			good, ok = w.text(&src.mediaType)
		case "data":
			good, ok = w.text(&src.data)
		case "url":
			good, ok = w.text(&src.url)
		case "file_id":
			good, ok = w.text(&src.fileID)
		case "content":
			if src.deep = w.depth == maxNest; src.deep {
				return w.s.Skip()
			}
			good, ok = w.content(&src.parts)
		default:
			src.odd = true
			return w.s.Skip()
		}
		right = right && good
		return ok
	})
	src.raw = w.s.Text()[start:w.s.Pos()]
	return right, ok
}

// build makes a part of a block; p is empty.
func (w *walk) build(b *block, p *canon.Part) bool {
	if b.typ == nil {
		if b.wrong&fieldType != 0 {
			return w.wrong("type", "a string")
		}
		return w.missing("type")
	}
	k := kindOf(b.typ)
	if k < 0 || kinds[k].fields&fieldSource != 0 && !b.source.known(kinds[k].kind) {
		p.Kind, p.Raw, p.From = canon.OpaquePart, b.raw, canon.Anthropic
		return true
	}
	kd := &kinds[k]
	if wrong := b.wrong & kd.fields; wrong != 0 {
		return w.wrong(nameOf(wrong), "of another type")
	}
	p.Kind, p.Cache = kd.kind, b.cache
	if !w.fill(b, p) {
		return false
	}
	if b.odd || b.oddCache || b.source.odd || b.seen&^(kd.fields|fieldType) != 0 {
		w.oddities(b, p, kd.fields)
	}
	return true
}

func nameOf(f fields) string {
	for i, n := range blockFields {
		if f&(1<<i) != 0 {
			return n
		}
	}
	return ""
}

func (w *walk) fill(b *block, p *canon.Part) bool {
	switch {
	case p.Kind == canon.TextPart:
		if b.text == nil && !w.missing("text") {
			return false
		}
		p.Text, p.Citations = b.text, b.citations
		if b.refusal == canon.Yes {
			p.Kind = canon.RefusalPart
		}
		p.Signature, _, p.From = untag(b.signature)
	case p.Kind == canon.ToolCallPart:
		if b.name == nil && !w.missing("name") {
			return false
		}
		p.ID, p.Name, p.Custom = b.id, b.name, b.custom == canon.Yes
		p.Args = w.args(b)
		p.Signature, _, p.From = untag(b.signature)
	case p.Kind == canon.ToolResultPart:
		if b.useID == nil && !w.missing("tool_use_id") {
			return false
		}
		if b.content != nil && !bytes.Equal(b.content, null) {
			if right, ok := w.again(b.content, &b.parts); !ok {
				return false
			} else if !right {
				return w.wrong("content", "a string or an array of blocks")
			}
		}
		p.ID, p.IsError, p.Content = b.useID, b.isError, b.parts
	case b.typ.Is("thinking"):
		if b.thinking == nil && !w.missing("thinking") {
			return false
		}
		p.Text = b.thinking
		p.Signature, p.ID, p.From = untag(b.signature)
		if p.From == "" {
			p.From = canon.Anthropic
		}
	case p.Kind == canon.ReasoningPart:
		if b.data == nil && !w.missing("data") {
			return false
		}
		p.Redacted, p.ID, p.From = untag(b.data)
		if p.From == "" {
			p.From = canon.Anthropic
		}
	default:
		w.media(b, p)
	}
	return true
}

// known says whether the source is one that canon has words for.
func (src *source) known(kind canon.Kind) bool {
	switch t := src.typ; {
	case src.deep:
		return false
	case t.Is("base64"):
		return src.data != nil
	case t.Is("url"):
		return src.url != nil
	case t.Is("file"):
		return src.fileID != nil
	case kind != canon.DocumentPart:
		return false
	case t.Is("text"):
		return src.data != nil
	}
	return src.typ.Is("content") && src.parts != nil
}

func (w *walk) media(b *block, p *canon.Part) {
	src := &b.source
	p.Media.Type, p.Media.Name = src.mediaType, b.title
	switch {
	case src.typ.Is("base64"):
		p.Media.Data = src.data
	case src.typ.Is("url"):
		p.Media.URL = src.url
	case src.typ.Is("file"):
		p.Media.FileID = src.fileID
	case src.typ.Is("text"):
		p.Text = src.data
	default:
		p.Content = src.parts
		texts := make([]canon.Text, 0, len(src.parts))
		for i := range src.parts {
			if c := &src.parts[i]; c.Kind == canon.TextPart {
				texts = append(texts, c.Text)
			} else {
				w.report("source.content", src.raw)
			}
		}
		p.Text = canon.Join(texts...)
	}
}

// args gives the arguments of a call. A string holds what is no JSON object,
// as appendInput writes it.
func (w *walk) args(b *block) canon.Raw {
	if b.custom == canon.Yes {
		return member(&w.sub, b.input, "input")
	}
	if len(b.input) > 0 && b.input[0] == '"' {
		return canon.Raw(canon.Text(b.input).String())
	}
	return b.input
}

// member gives the value of an object's member, nil when there is none.
func member(s *jsonscan.Scanner, object canon.Raw, want string) (value canon.Raw) {
	s.Reset(object)
	if s.Peek() != '{' {
		return nil
	}
	s.Object(func(name []byte) bool {
		found := string(name) == want
		p, ok := s.Value()
		if found {
			value = p.Of(object)
		}
		return ok
	})
	return value
}

// oddities keeps the fields of a block that canon has no names for.
func (w *walk) oddities(b *block, p *canon.Part, allowed fields) {
	w.sub.Reset(b.raw)
	w.sub.Object(func(name []byte) bool {
		f := fieldOf(name)
		known := f == fieldType || f != 0 && f&allowed != 0
		known = known && !(f == fieldCache && b.oddCache) && !(f == fieldSource && b.source.odd && p.Content == nil)
		n := ""
		if !known {
			n = string(name)
		}
		span, ok := w.sub.Value()
		value := span.Of(b.raw)
		if !known && !bytes.Equal(value, null) {
			p.Extra = append(p.Extra, canon.Field{Name: n, Value: value})
			w.report(n, value)
		}
		return ok
	})
}

var null = []byte("null")
