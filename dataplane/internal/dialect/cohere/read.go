package cohere

import (
	"math"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// walk reads the API's JSON; texts stay as they stand.
type walk struct{ s jsonscan.Scanner }

// text reads a string; anything else leaves it nil.
func (w *walk) text(into *canon.Text) bool {
	var raw []byte
	if !w.s.Raw(&raw) {
		return false
	}
	if raw[0] == '"' {
		*into = raw
	}
	return true
}

// count reads a number that counts; anything else counts nothing.
func (w *walk) count(into *int64) bool {
	var raw []byte
	if !w.s.Raw(&raw) {
		return false
	}
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil && n >= 0 && n < math.MaxInt32 {
		*into = int64(n)
	}
	return true
}

// object walks an object, or passes over what is none.
func (w *walk) object(each func(name []byte) bool) bool {
	if w.s.Peek() != '{' {
		return w.s.Skip()
	}
	return w.s.Object(each)
}

// array walks an array, or passes over what is none.
func (w *walk) array(each func(i int) bool) bool {
	if w.s.Peek() != '[' {
		return w.s.Skip()
	}
	return w.s.Array(each)
}

// ReadAnswer reads a whole answer.
func (Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	*a = canon.Answer{From: canon.Cohere}
	var w walk
	w.s.Reset(body)
	c := canon.Choice{}
	found := false
	ok := w.s.Peek() == '{' && w.s.Object(func(name []byte) bool {
		switch string(name) {
		case "id":
			return w.text(&a.ID)
		case "model":
			return w.text(&a.Model)
		case "message":
			found = true
			return w.message(&c)
		case "finish_reason":
			return w.text(&c.StopRaw)
		case "usage":
			return w.usage(&a.Usage)
		}
		return w.s.Skip()
	}) && w.s.End()
	if !ok {
		return garbage("the answer is not JSON")
	}
	if !found {
		return garbage("the answer has no message")
	}
	c.Stop = stopOf(c.StopRaw)
	a.Choices = []canon.Choice{c}
	return nil
}

// message reads what the model said: its thoughts and texts, its plan, its
// calls, and what it cites.
func (w *walk) message(c *canon.Choice) bool {
	var content, calls []canon.Part
	var plan canon.Text
	var citations []citation
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "content":
			if w.s.Peek() == '"' {
				p := canon.Part{From: canon.Cohere}
				content = append(content, p)
				return w.text(&content[0].Text)
			}
			return w.array(func(int) bool {
				var p canon.Part
				ok := w.content(&p)
				content = append(content, p)
				return ok
			})
		case "tool_plan":
			return w.text(&plan)
		case "tool_calls":
			return w.array(func(int) bool {
				var p canon.Part
				ok := w.call(&p)
				p.Text = nil
				calls = append(calls, p)
				return ok
			})
		case "citations":
			return w.array(func(int) bool {
				var q citation
				ok := w.citation(&q)
				citations = append(citations, q)
				return ok
			})
		}
		return w.s.Skip()
	})
	c.Parts = content
	if !plan.Empty() {
		c.Parts = append(c.Parts, canon.Part{Text: plan, From: canon.Cohere})
	}
	cite(c.Parts, citations)
	c.Parts = append(c.Parts, calls...)
	return ok
}

// content reads a text or a thought. signature and data are not the API's: they
// keep what answers of others have.
func (w *walk) content(p *canon.Part) bool {
	p.From = canon.Cohere
	var kind, thinking canon.Text
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "type":
			return w.text(&kind)
		case "text":
			return w.text(&p.Text)
		case "thinking":
			return w.text(&thinking)
		case "signature":
			return w.text(&p.Signature)
		case "data":
			return w.text(&p.Redacted)
		}
		return w.s.Skip()
	})
	if kind.Is("thinking") || kind == nil && thinking != nil {
		p.Kind, p.Text = canon.ReasoningPart, thinking
	}
	return ok
}

// call reads a call of a tool, or a piece of one: Text is then what its
// arguments go on with.
func (w *walk) call(p *canon.Part) bool {
	p.Kind, p.From = canon.ToolCallPart, canon.Cohere
	var args canon.Text
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "id":
			return w.text(&p.ID)
		case "function":
			return w.object(func(name []byte) bool {
				switch string(name) {
				case "name":
					return w.text(&p.Name)
				case "arguments":
					return w.text(&args)
				}
				return w.s.Skip()
			})
		}
		return w.s.Skip()
	})
	p.Args, p.Text = argsOf(args), args
	return ok
}

// argsOf takes arguments out of their text; a model that has none to give
// writes null.
func argsOf(t canon.Text) canon.Raw {
	if t.Empty() || t.Is("null") {
		return canon.Raw("{}")
	}
	return canon.Raw(t.String())
}

// citation is what is cited, and in which part of the content.
type citation struct {
	canon.Citation
	content int64
}

func (w *walk) citation(q *citation) bool {
	q.From = canon.Cohere
	w.s.Peek()
	from := w.s.Pos()
	var start, end int64
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "start":
			return w.count(&start)
		case "end":
			return w.count(&end)
		case "text":
			return w.text(&q.Quote)
		case "content_index":
			return w.count(&q.content)
		case "sources":
			return w.array(func(i int) bool { return w.source(q, i) })
		}
		return w.s.Skip()
	})
	q.Start, q.End = int(start), int(end)
	q.Raw = w.s.Text()[from:w.s.Pos()]
	return ok
}

// source reads where a citation comes from; the first one names it.
func (w *walk) source(q *citation, i int) bool {
	if i > 0 {
		return w.s.Skip()
	}
	var id canon.Text
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "id":
			return w.text(&id)
		case "document", "tool_output":
			return w.object(func(name []byte) bool {
				switch string(name) {
				case "url":
					return w.text(&q.URL)
				case "title":
					return w.text(&q.Title)
				}
				return w.s.Skip()
			})
		}
		return w.s.Skip()
	})
	if q.Title == nil {
		q.Title = id
	}
	return ok
}

// cite gives citations to the parts that they are of.
func cite(parts []canon.Part, citations []citation) {
	for _, q := range citations {
		at := int(q.content)
		if at >= len(parts) || parts[at].Kind != canon.TextPart {
			at = -1
			for i := range parts {
				if parts[i].Kind == canon.TextPart {
					at = i
					break
				}
			}
		}
		if at >= 0 {
			parts[at].Citations = append(parts[at].Citations, q.Citation)
		}
	}
}

// usage reads what was used. What is billed counts: tokens that Cohere puts
// before a prompt, and those that it had in its cache, are in its own count and
// not on its bill.
func (w *walk) usage(u *canon.Usage) bool {
	w.s.Peek()
	from := w.s.Pos()
	var billed, all struct {
		input, output int64
		there         bool
	}
	var searches, cached int64
	counts := func(into *struct {
		input, output int64
		there         bool
	}) bool {
		return w.object(func(name []byte) bool {
			switch string(name) {
			case "input_tokens":
				into.there = true
				return w.count(&into.input)
			case "output_tokens":
				into.there = true
				return w.count(&into.output)
			case "search_units":
				return w.count(&searches)
			}
			return w.s.Skip()
		})
	}
	ok := w.object(func(name []byte) bool {
		switch string(name) {
		case "billed_units":
			return counts(&billed)
		case "tokens":
			return counts(&all)
		case "cached_tokens":
			return w.count(&cached)
		}
		return w.s.Skip()
	})
	*u = canon.Usage{From: canon.Cohere, Raw: w.s.Text()[from:w.s.Pos()], Searches: searches}
	switch {
	case billed.there:
		u.Reported, u.Input, u.Output = true, billed.input, billed.output
	case all.there:
		u.Reported, u.CacheRead, u.Output = true, min(cached, all.input), all.output
		u.Input = all.input - u.CacheRead
	}
	return ok
}
