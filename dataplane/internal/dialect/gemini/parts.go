package gemini

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// Fields of a part.
const (
	partText = iota
	partThought
	partSignature
	partCall
	partResponse
	partInline
	partFile
	partCode
	partCodeResult
	partToolCall
	partToolResponse
	partRefusal
	partOpaque
	partTranscript
	partMediaID
)

var partNames = []string{
	"text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData", "fileData",
	"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "refusal", "opaque", "transcript", "mediaId",
}

// part is what is known of a part besides the part itself.
type part struct {
	thought, refusal canon.Flag
	// kinds counts the fields that say what the part holds.
	kinds int
	call  call
	// transcript and mediaID belong to audio from elsewhere.
	transcript, mediaID canon.Text
}

// part reads a part and appends it to r.parts.
func (r *reader) part() (p *canon.Part, x part) {
	r.parts = append(r.parts, canon.Part{Kind: canon.OpaquePart})
	p = &r.parts[len(r.parts)-1]
	r.s.Peek()
	start := r.s.Pos()
	for o := r.object(); r.next(&o, partNames); {
		r.partField(p, &x, &o)
	}
	if r.bad != nil {
		return p, x
	}
	if x.kinds > 1 && r.strict {
		r.refuse("", "%s holds more than one kind of data.")
		return p, x
	}
	r.finishPart(p, &x, r.s.Text()[start:r.s.Pos()])
	return p, x
}

func (r *reader) partField(p *canon.Part, x *part, o *object) {
	if o.field == partOpaque && r.strict {
		// Ours to write, not a caller's to send: nobody would look inside.
		o.field = -1
	}
	if o.field > partSignature && o.field <= partOpaque && o.field != partRefusal && r.s.Peek() != 'n' {
		x.kinds++
	}
	switch o.field {
	case partText:
		if r.text(&p.Text); p.Text != nil {
			p.Kind = canon.TextPart
			x.kinds++
		}
	case partThought:
		r.flag(&x.thought)
	case partSignature:
		r.text(&p.Signature)
	case partCall:
		p.Kind = canon.ToolCallPart
		r.call(p, &x.call)
	case partResponse:
		p.Kind = canon.ToolResultPart
		r.response(p)
	case partInline:
		r.inline(p)
	case partFile:
		r.file(p)
	case partCode, partCodeResult, partToolCall, partToolResponse:
		p.From = canon.Gemini
		r.skip()
	case partRefusal:
		r.flag(&x.refusal)
	case partOpaque:
		r.opaque(p)
	case partTranscript:
		r.text(&x.transcript)
	case partMediaID:
		r.text(&x.mediaID)
	default:
		f := canon.Field{Name: string(o.key)}
		f.Value = r.value()
		p.Extra = append(p.Extra, f)
	}
}

// finishPart makes up its mind what the part is.
func (r *reader) finishPart(p *canon.Part, x *part, whole []byte) {
	if x.kinds == 0 && (p.Signature != nil || x.thought == canon.Yes) && len(p.Extra) == 0 {
		p.Kind = canon.TextPart
	}
	if x.kinds == 0 && p.Kind == canon.OpaquePart {
		p.From = canon.Gemini
	}
	if p.Kind == canon.OpaquePart {
		// A part whose data is known only to others came with its own Raw.
		if p.From == canon.Gemini {
			*p = canon.Part{Kind: canon.OpaquePart, Raw: whole, From: canon.Gemini}
		} else {
			p.Text = nil
		}
		return
	}
	if p.Kind == canon.AudioPart {
		p.Text, p.ID = x.transcript, x.mediaID
	}
	p.Signature = standard(p.Signature)
	switch {
	case p.Kind == canon.TextPart && x.thought == canon.Yes:
		p.Kind = canon.ReasoningPart
		unwrap(p)
	case p.Kind == canon.TextPart && x.refusal == canon.Yes:
		p.Kind = canon.RefusalPart
		unwrap(p)
	case p.Signature != nil:
		unwrap(p)
	}
	if len(p.Extra) > 0 {
		p.From = canon.Gemini
		r.report(p.Extra)
	}
}

// report names fields that stay at their part, message or tool to writers of
// other dialects.
func (r *reader) report(fields []canon.Field) {
	if r.extra == nil {
		return
	}
	for _, f := range fields {
		if !isName(f.Name) {
			r.refuse("", "%s has a field whose name is none.")
			return
		}
		r.unnamed(r.at(f.Name), f.Value)
	}
}

var opaqueNames = []string{"from", "raw"}

// opaque reads a part of another dialect that we wrote into an answer.
func (r *reader) opaque(p *canon.Part) {
	var from canon.Text
	for o := r.object(); r.next(&o, opaqueNames); {
		switch o.field {
		case 0:
			r.text(&from)
		case 1:
			p.Raw = r.value()
		default:
			r.skip()
		}
	}
	p.Kind, p.From = canon.OpaquePart, canon.Dialect(from.String())
	if p.From == "" || p.Raw == nil {
		p.From = canon.Gemini
	}
}

var blobNames = []string{"mimeType", "data", "fileUri", "displayName"}

func (r *reader) blob(m *canon.Media) {
	for o := r.object(); r.next(&o, blobNames); {
		switch o.field {
		case 0:
			r.text(&m.Type)
		case 1:
			r.text(&m.Data)
		case 2:
			r.text(&m.URL)
		case 3:
			r.text(&m.Name)
		default:
			r.skip()
		}
	}
}

func (r *reader) inline(p *canon.Part) {
	r.blob(&p.Media)
	p.Media.URL = nil
	if r.strict && r.bad == nil && p.Media.Data == nil {
		r.missing("inlineData.data")
	}
	if p.Media.Data == nil {
		p.Media.Data = emptyText
	}
	p.Kind = mediaKind(&p.Media)
}

var emptyText = canon.Text(`""`)

func (r *reader) file(p *canon.Part) {
	m := &p.Media
	r.blob(m)
	m.Data = nil
	if r.strict && r.bad == nil && m.URL == nil {
		r.missing("fileData.fileUri")
	}
	if m.URL == nil {
		m.URL = emptyText
	}
	p.Kind = mediaKind(m)
	// Files that were given to Google are known to Google alone.
	if bytes.HasPrefix(m.URL, filesPrefix) {
		m.FileID, m.URL = m.URL, nil
	}
}

var filesPrefix = []byte(`"https://generativelanguage.googleapis.com/`)

// kinds of media by the head of their type.
var mediaHeads = []struct {
	head string
	kind canon.Kind
}{
	{"image/", canon.ImagePart}, {"audio/", canon.AudioPart}, {"video/", canon.VideoPart},
}

func mediaKind(m *canon.Media) canon.Kind {
	t := m.Type
	if t == nil {
		t = typeOf(m.URL)
		if bytes.Contains(m.URL, []byte("youtube.com/")) || bytes.Contains(m.URL, []byte("youtu.be/")) {
			return canon.VideoPart
		}
	}
	for _, h := range mediaHeads {
		if len(t) > len(h.head) && string(t[1:1+len(h.head)]) == h.head {
			return h.kind
		}
	}
	return canon.DocumentPart
}

// Fields of a call.
var callNames = []string{"name", "args", "id", "willContinue", "partialArgs"}

// call is what is known of a call besides the part.
type call struct {
	continues canon.Flag
	// partial are pieces of the arguments, in streams.
	partial []byte
}

func (r *reader) call(p *canon.Part, c *call) {
	r.push("functionCall", -1)
	for o := r.object(); r.next(&o, callNames); {
		switch o.field {
		case 0:
			r.text(&p.Name)
		case 1:
			r.args(p)
		case 2:
			r.text(&p.ID)
		case 3:
			r.flag(&c.continues)
		case 4:
			c.partial = r.value()
		default:
			r.skip()
		}
	}
	if r.strict && r.bad == nil && p.Name == nil {
		r.missing("name")
	}
	r.pop()
}

func (r *reader) args(p *canon.Part) {
	if r.null() {
		return
	}
	c := r.s.Peek()
	v := r.value()
	if r.bad != nil {
		return
	}
	if c != '{' {
		r.wrong("an object")
		return
	}
	p.Args = v
	if inside, ok := onlyMember(v, brokenArgs); ok {
		p.Args = canon.Raw(inside.String())
	}
}

// brokenArgs is the member that holds arguments that are no object, so that
// they go to the caller and back as the model wrote them.
const brokenArgs = "$arguments"

// onlyMember gives the string that is the only member of an object, when that
// has the name.
func onlyMember(raw []byte, name string) (canon.Text, bool) {
	if len(raw) < len(name) || !bytes.Contains(raw[:min(len(raw), len(name)+16)], []byte(name)) {
		return nil, false
	}
	key, value, ok := single(raw)
	return value, ok && string(key) == name
}

// single gives the name and the text of an object whose only member is a
// string.
func single(raw []byte) (name []byte, value canon.Text, ok bool) {
	var s jsonscan.Scanner
	s.Reset(raw)
	if !s.Open('{') {
		return nil, nil, false
	}
	key, escaped, more, ok := s.Member(true)
	if !ok || !more || escaped || s.Peek() != '"' {
		return nil, nil, false
	}
	p, _, ok := s.Str()
	if !ok || s.Peek() != '}' {
		return nil, nil, false
	}
	return raw[key.Start+1 : key.End-1], p.Of(raw), true
}

var responseNames = []string{"name", "response", "id", "parts"}

// response reads the result of a call. Raw keeps it whole: it is written again
// as it was when nobody changed what it says.
func (r *reader) response(p *canon.Part) {
	r.push("functionResponse", -1)
	defer r.pop()
	r.s.Peek()
	start := r.s.Pos()
	var parts []byte
	for o := r.object(); r.next(&o, responseNames); {
		switch o.field {
		case 0:
			r.text(&p.Name)
		case 1:
			r.resultContent(p)
		case 2:
			r.text(&p.ID)
		case 3:
			parts = r.value()
		default:
			r.skip()
		}
	}
	if r.bad != nil {
		return
	}
	if r.strict && p.Name == nil {
		r.missing("name")
		return
	}
	p.Raw, p.From = r.s.Text()[start:r.s.Pos()], canon.Gemini
	if parts != nil {
		p.Content = append(p.Content, r.resultMedia(parts)...)
	}
}

// resultContent reads the text of a tool's result: the text itself where the
// result is nothing but that, the JSON of it otherwise.
func (r *reader) resultContent(p *canon.Part) {
	if r.null() {
		return
	}
	start := r.s.Pos()
	if r.s.Peek() != '{' && !r.strict {
		v := r.value()
		p.Content = []canon.Part{{Kind: canon.TextPart, Text: canon.Quote(string(v))}}
		return
	}
	var text canon.Text
	only := -1
	// A result is a tool's own: its names are nobody's fields.
	strict := r.strict
	r.strict = false
	defer func() { r.strict = strict }()
	for o := r.object(); r.next(&o, resultTextNames); {
		c := r.s.Peek()
		v := r.value()
		if only++; only == 0 && c == '"' && o.field >= 0 {
			text = v
			if o.field == 0 {
				p.IsError = canon.Yes
			}
		}
	}
	if r.bad != nil {
		return
	}
	if text == nil || only > 0 {
		p.IsError = canon.Unset
		raw := r.s.Text()[start:r.s.Pos()]
		text = canon.AppendQuoted(make(canon.Text, 0, len(raw)+len(raw)/8+2), string(raw))
	}
	p.Content = []canon.Part{{Kind: canon.TextPart, Text: text}}
}

// resultTextNames are what people call the text of a result; the first is that
// of an error.
var resultTextNames = []string{"error", "output", "result", "content"}

// resultMedia reads the media that belong to a result.
func (r *reader) resultMedia(raw []byte) []canon.Part {
	inner := reader{strict: r.strict}
	inner.s.Reset(raw)
	inner.push(r.at("parts"), -1)
	for a := inner.array(); inner.element(&a); {
		inner.part()
	}
	if inner.bad != nil {
		r.fail(inner.bad)
	}
	return inner.parts
}
