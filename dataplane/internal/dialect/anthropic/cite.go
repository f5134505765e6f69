package anthropic

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// citations reads those of a text. Where they point to is a place in the
// document, not in the text, so canon's Start and End stay 0.
func (w *walk) citations(into *[]canon.Citation) (right, ok bool) {
	if w.s.Peek() != '[' {
		return w.s.Peek() == 'n', w.s.Skip()
	}
	*into = nil
	right = true
	if !w.s.Open('[') {
		return false, false
	}
	for i := 0; ; i++ {
		more, ok := w.s.Element(i == 0)
		if !ok || !more {
			return right, ok
		}
		var c canon.Citation
		good, ok := w.citation(&c)
		if !ok {
			return false, false
		}
		right = right && good
		*into = append(*into, c)
	}
}

func (w *walk) citation(c *canon.Citation) (right, ok bool) {
	if w.s.Peek() != '{' {
		return false, w.s.Skip()
	}
	start := w.s.Pos()
	c.From = canon.Anthropic
	var foreign bool
	ok = w.members(func(name []byte) bool {
		var into *canon.Text
		switch string(name) {
		case "cited_text":
			into = &c.Quote
		case "title", "document_title":
			into = &c.Title
		case "url", "source":
			into = &c.URL
		case "tollgate":
			foreign = true
			return w.foreignCitation(c)
		default:
			return w.s.Skip()
		}
		_, ok := w.text(into)
		return ok
	})
	if !foreign {
		c.Raw = w.s.Text()[start:w.s.Pos()]
	}
	return true, ok
}

// foreignCitation reads what another dialect's citation holds beside.
func (w *walk) foreignCitation(c *canon.Citation) bool {
	if w.s.Peek() != '{' {
		return w.s.Skip()
	}
	c.From = ""
	return w.members(func(name []byte) bool {
		var from, value canon.Raw
		var n int64
		ok := true
		switch string(name) {
		case "from":
			ok = w.raw(&from)
			if len(from) > 2 {
				c.From = originOf(from[1 : len(from)-1])
			}
		case "raw":
			ok = w.raw(&c.Raw)
		case "start", "end":
			end := name[0] == 'e'
			ok = w.raw(&value)
			n, _ = strconv.ParseInt(string(value), 10, 32)
			if end {
				c.End = int(n)
			} else {
				c.Start = int(n)
			}
		default:
			ok = w.s.Skip()
		}
		return ok
	})
}

// appendCitation writes one. Those of other dialects become places found on
// the web, which is the only form that has an address.
func appendCitation(b []byte, c *canon.Citation) []byte {
	if c.From == canon.Anthropic && c.Raw != nil {
		return append(b, c.Raw...)
	}
	b = append(b, `{"type":"web_search_result_location","url":`...)
	b = appendText(b, c.URL)
	b = append(b, `,"title":`...)
	if c.Title == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, c.Title...)
	}
	b = append(b, `,"cited_text":`...)
	b = appendText(b, c.Quote)
	b = append(b, `,"encrypted_index":"","tollgate":{"from":`...)
	b = canon.AppendQuoted(b, string(c.From))
	if c.Start != 0 || c.End != 0 {
		b = append(b, `,"start":`...)
		b = strconv.AppendInt(b, int64(c.Start), 10)
		b = append(b, `,"end":`...)
		b = strconv.AppendInt(b, int64(c.End), 10)
	}
	if c.Raw != nil {
		b = append(b, `,"raw":`...)
		b = append(b, c.Raw...)
	}
	return append(b, "}}"...)
}

func appendText(b []byte, t canon.Text) []byte {
	if t == nil {
		return append(b, `""`...)
	}
	return append(b, t...)
}
