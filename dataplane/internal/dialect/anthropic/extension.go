package anthropic

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// extension is what an answer of another dialect holds that Messages have no
// place for: the object "tollgate".
type extension struct {
	stop, stopRaw, fingerprint canon.Text
	// id and from, at the start of a block, are the thought's.
	id, from canon.Text

	created  int64
	logProbs canon.Raw
	parts    []besidePart
	choices  []canon.Choice
}

// besidePart is a part that no block can hold, with its place among the parts.
type besidePart struct {
	at   int
	part canon.Part
}

// maxBeside bounds them; we write no more than one for each part.
const maxBeside = 1024

// besideKinds names the kinds of parts that stand beside the content.
var besideKinds = [...]struct {
	name string
	kind canon.Kind
}{
	{"image", canon.ImagePart},
	{"audio", canon.AudioPart},
	{"video", canon.VideoPart},
	{"document", canon.DocumentPart},
	{"opaque", canon.OpaquePart},
}

// stopName is a word for a stop that our own reader knows.
func stopName(stop canon.Stop) string {
	for i := range foreignStops {
		if foreignStops[i].stop == stop {
			return foreignStops[i].name
		}
	}
	return wordOf(stop)
}

func stopNamed(name canon.Text) canon.Stop {
	for i := range foreignStops {
		if name.Is(foreignStops[i].name) {
			return foreignStops[i].stop
		}
	}
	return stopOf(name)
}

// appendExtension writes the object, with a comma in front, if there is
// anything to tell.
func appendExtension(b []byte, a *canon.Answer) []byte {
	start := len(b)
	b = append(b, `,"tollgate":{`...)
	empty := len(b)
	if a.Created != 0 {
		b = appendCount(comma(b), `"created":`, a.Created)
	}
	if a.Fingerprint != nil {
		b = append(append(comma(b), `"fingerprint":`...), a.Fingerprint...)
	}
	if len(a.Choices) > 0 {
		b = appendBeside(b, &a.Choices[0], a.From)
	}
	if len(a.Choices) > 1 {
		b = append(comma(b), `"choices":[`...)
		for i := range a.Choices[1:] {
			b = appendChoice(comma(b), &a.Choices[i+1], a.From)
		}
		b = append(b, ']')
	}
	if len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}

// comma parts members and elements.
func comma(b []byte) []byte {
	if c := b[len(b)-1]; c == '{' || c == '[' {
		return b
	}
	return append(b, ',')
}

// appendBeside writes what the content of a choice cannot hold.
func appendBeside(b []byte, c *canon.Choice, from canon.Dialect) []byte {
	reason := reasonOf(c, from)
	if stopOf(reason) != c.Stop {
		b = append(append(comma(b), `"stop":"`...), stopName(c.Stop)...)
		b = append(b, '"')
	}
	if c.StopRaw != nil && !bytes.Equal(c.StopRaw, reason) {
		b = append(append(comma(b), `"native_stop_reason":`...), c.StopRaw...)
	}
	if c.LogProbs != nil {
		b = append(append(comma(b), `"logprobs":`...), c.LogProbs...)
	}
	first := true
	for i := range c.Parts {
		p := &c.Parts[i]
		if !beside(p, from) || p.Kind == canon.TextPart || p.Kind == canon.RefusalPart {
			continue
		}
		if first {
			b = append(comma(b), `"parts":[`...)
			first = false
		}
		b = appendBesidePart(comma(b), i, p)
	}
	if !first {
		b = append(b, ']')
	}
	return b
}

func appendBesidePart(b []byte, at int, p *canon.Part) []byte {
	b = appendCount(b, `{"at":`, int64(at))
	for i := range besideKinds {
		if besideKinds[i].kind == p.Kind {
			b = append(append(append(b, `,"kind":"`...), besideKinds[i].name...), '"')
		}
	}
	m := &p.Media
	for _, f := range [...]struct {
		name string
		text canon.Text
	}{
		{`,"media_type":`, m.Type}, {`,"data":`, m.Data}, {`,"url":`, m.URL}, {`,"file_id":`, m.FileID},
		{`,"name":`, m.Name}, {`,"text":`, p.Text}, {`,"id":`, p.ID}, {`,"signature":`, p.Signature},
	} {
		if f.text != nil {
			b = append(append(b, f.name...), f.text...)
		}
	}
	if p.From != "" {
		b = canon.AppendQuoted(append(b, `,"from":`...), string(p.From))
	}
	if p.Raw != nil {
		b = append(append(b, `,"raw":`...), p.Raw...)
	}
	return append(b, '}')
}

func appendChoice(b []byte, c *canon.Choice, from canon.Dialect) []byte {
	b = appendCount(b, `{"index":`, int64(c.Index))
	b = append(b, `,"content":`...)
	b = appendAnswerParts(b, c.Parts, from)
	b = append(b, `,"stop_reason":`...)
	b = append(b, reasonOf(c, from)...)
	if c.StopText != nil {
		b = append(append(b, `,"stop_sequence":`...), c.StopText...)
	}
	b = appendBeside(b, c, from)
	return append(b, '}')
}

// extension reads the object.
func (w *walk) extension(e *extension) bool {
	if w.s.Peek() != '{' {
		return w.s.Skip()
	}
	return w.members(func(name []byte) bool {
		if string(name) == "choices" && w.s.Peek() == '[' {
			return w.elements(func() bool { return w.choice(e) })
		}
		return w.extensionField(name, e)
	})
}

func (w *walk) extensionField(name []byte, e *extension) bool {
	switch string(name) {
	case "stop":
		return string1(&w.s, &e.stop)
	case "native_stop_reason":
		return string1(&w.s, &e.stopRaw)
	case "fingerprint":
		return string1(&w.s, &e.fingerprint)
	case "id":
		return string1(&w.s, &e.id)
	case "from":
		return string1(&w.s, &e.from)
	case "logprobs":
		return w.raw(&e.logProbs)
	case "created":
		return w.number(&e.created)
	case "parts":
		if w.s.Peek() != '[' {
			return w.s.Skip()
		}
		return w.elements(func() bool {
			if w.s.Peek() != '{' {
				return w.s.Skip()
			}
			var p besidePart
			ok := w.besidePart(&p)
			if len(e.parts) < maxBeside {
				e.parts = append(e.parts, p)
			}
			return ok
		})
	}
	return w.s.Skip()
}

// elements walks an array as members walks an object.
func (w *walk) elements(each func() bool) bool {
	if !w.s.Open('[') {
		return false
	}
	for i := 0; ; i++ {
		more, ok := w.s.Element(i == 0)
		if !ok || !more {
			return ok
		}
		if !each() {
			return false
		}
	}
}

func (w *walk) number(into *int64) bool {
	var raw canon.Raw
	ok := w.raw(&raw)
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		*into = n
	}
	return ok
}

func (w *walk) besidePart(p *besidePart) bool {
	p.part.Kind = canon.OpaquePart
	return w.members(func(name []byte) bool {
		m := &p.part.Media
		var into *canon.Text
		switch string(name) {
		case "at":
			var at int64
			ok := w.number(&at)
			p.at = int(min(max(at, 0), most))
			return ok
		case "kind", "from":
			kind := name[0] == 'k'
			var t canon.Text
			ok := string1(&w.s, &t)
			if !kind {
				p.part.From = originOf([]byte(t.String()))
			}
			for i := range besideKinds {
				if kind && t.Is(besideKinds[i].name) {
					p.part.Kind = besideKinds[i].kind
				}
			}
			return ok
		case "media_type":
			into = &m.Type
		case "data":
			into = &m.Data
		case "url":
			into = &m.URL
		case "file_id":
			into = &m.FileID
		case "name":
			into = &m.Name
		case "text":
			into = &p.part.Text
		case "id":
			into = &p.part.ID
		case "signature":
			into = &p.part.Signature
		case "raw":
			return w.raw(&p.part.Raw)
		default:
			return w.s.Skip()
		}
		return string1(&w.s, into)
	})
}

// choice reads one of the further answers.
func (w *walk) choice(e *extension) bool {
	if w.s.Peek() != '{' {
		return w.s.Skip()
	}
	var c canon.Choice
	var own extension
	var reason canon.Text
	ok := w.members(func(name []byte) bool {
		switch string(name) {
		case "index":
			var n int64
			ok := w.number(&n)
			c.Index = int(min(max(n, 0), most))
			return ok
		case "content":
			_, ok := w.content(&c.Parts)
			return ok
		case "stop_reason":
			return string1(&w.s, &reason)
		case "stop_sequence":
			return string1(&w.s, &c.StopText)
		}
		return w.extensionField(name, &own)
	})
	c.Stop, c.StopRaw = stopOf(reason), reason
	own.applyTo(&c)
	e.choices = append(e.choices, c)
	return ok
}

// apply puts what the extension holds into the answer.
func (e *extension) apply(a *canon.Answer) {
	a.Created, a.Fingerprint = e.created, e.fingerprint
	e.applyTo(&a.Choices[0])
	a.Choices = append(a.Choices, e.choices...)
}

func (e *extension) applyTo(c *canon.Choice) {
	if e.stop != nil {
		c.Stop = stopNamed(e.stop)
	}
	if e.stopRaw != nil {
		c.StopRaw = e.stopRaw
	}
	c.LogProbs = e.logProbs
	for i := range e.parts {
		p := &e.parts[i]
		at := min(p.at, len(c.Parts))
		c.Parts = slices.Insert(c.Parts, at, p.part)
	}
}
