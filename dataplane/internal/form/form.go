// Package form owns forms of multipart/form-data that pass by: finding the
// field "model", which names a route, and writing another name in its place.
// All other parts pass byte by byte, and a file is never held. What parsers
// could read in two ways is refused, or the provider might see another model
// than the one that was allowed. It must not know routes or providers.
package form

import (
	"bytes"
	"io"
	"mime"
	"regexp"
	"strings"

	"github.com/tollgate/tollgate/proto/fault"
)

// Limits of a form.
const (
	// maxBefore is what may stand before the model.
	maxBefore = 1 << 20
	maxHeader = 16 << 10
	maxModel  = 1 << 10
)

// Source gives a body in pieces, each valid until the next; io.EOF ends it.
type Source interface {
	Next() ([]byte, error)
	Stop()
}

type state uint8

const (
	inPreamble state = iota
	inHead           // after a delimiter, which is still in the window
	inPart           // content that passes
	inModel          // content that is the model's name
	inDrop           // content of a part that is left out
	inTail           // after the last delimiter
)

// Reader is a form on its way.
type Reader struct {
	src   Source
	delim []byte // LF, two dashes, boundary

	state state
	// w is what was read and not decided on; its first skip bytes were written
	// already, or never came.
	w    []byte
	skip int
	// head is how long the delimiter is that w starts with.
	head int
	out  []byte
	// spare is what Next gave last.
	spare []byte
	// model is the field's value, found that it was there; given says that the
	// model was named elsewhere and parts of that name are left out.
	model string
	found bool
	given bool
	// waiting says that Write is to come.
	waiting bool
	grown   int64 // bytes by which the form grows
	ended   bool
}

// New begins to read a form with this content type.
func New(src Source, contentType string) (*Reader, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, fault.New(fault.UnsupportedMedia, "This call takes a form.", nil).WithFix("Send Content-Type: multipart/form-data with a boundary.")
	}
	boundary := params["boundary"]
	if all := bounding.FindAllString(contentType, 2); !plain.MatchString(boundary) || len(all) != 1 || strings.Contains(all[0], "*") {
		return nil, bad("The form has no boundary that all parsers read alike.")
	}
	// The first delimiter has no line before it; this gives it one.
	return &Reader{src: src, delim: []byte("\n--" + boundary), w: []byte("\r\n"), skip: 2}, nil
}

// plain is a boundary that needs no unquoting; bounding finds what some parser
// could take for one: the extended form goes before the plain one with some,
// and others do not know it. Two readings of the boundary are two forms, of
// which the provider's could name another model.
var (
	plain    = regexp.MustCompile(`^[0-9A-Za-z'()+_\-./:=?]{1,200}$`)
	bounding = regexp.MustCompile(`(?i)boundary[*0-9]*\s*=`)
)

func bad(text string) error { return fault.New(fault.BadRequest, text, nil) }

// Model reads up to the field "model" and gives its value.
func (r *Reader) Model() (string, error) {
	for !r.found && r.state != inTail {
		if err := r.more(); err != nil {
			return "", err
		}
		if len(r.out) > maxBefore {
			return "", fault.New(fault.BadRequest, "The form has more than 1 MiB before the field model.", nil).
				WithParam("model").WithFix("Put model before the file, or name it in the query (?model=) or in the header x-tollgate-model.")
		}
	}
	if !r.found {
		return "", noModel()
	}
	return r.model, nil
}

// Write says what stands in place of the model that Model found.
func (r *Reader) Write(model string) {
	r.waiting = false
	r.out = append(r.out, model...)
	r.grown = int64(len(model) - len(r.model))
}

// Put names the model of a form in which it need not stand. It is to be called
// before anything is read.
func (r *Reader) Put(model string) {
	r.given, r.found, r.skip = true, true, 0
	r.out = append(r.out, r.delim[1:]...)
	r.out = append(r.out, "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"...)
	r.out = append(r.out, model...)
}

// Length is how long the form is now, if it was that long before; -1 when
// nobody knows.
func (r *Reader) Length(before int64) int64 {
	if before < 0 || r.given {
		return -1
	}
	return before + r.grown
}

// Next gives the next piece of the form.
func (r *Reader) Next() ([]byte, error) {
	if err := r.run(); err != nil {
		return nil, err
	}
	for len(r.out) == 0 {
		if r.ended {
			return nil, io.EOF
		}
		if err := r.more(); err != nil {
			return nil, err
		}
	}
	p := r.out
	// The two buffers take turns; a large beginning is not kept.
	if r.out = r.spare[:0]; cap(p) <= 128<<10 {
		r.spare = p
	} else {
		r.spare = nil
	}
	return p, nil
}

// Stop makes a Next return that waits.
func (r *Reader) Stop() { r.src.Stop() }

// more reads a piece and takes it in.
func (r *Reader) more() error {
	p, err := r.src.Next()
	if err != nil && err != io.EOF {
		return err
	}
	r.w = append(r.w, p...)
	r.ended = err == io.EOF
	return r.run()
}

// run goes as far as the window does.
func (r *Reader) run() error {
	for !r.waiting {
		again, err := r.step()
		if err != nil {
			return err
		}
		if !again {
			break
		}
	}
	if r.ended && !r.waiting && r.state != inTail {
		return bad("The form ends before its last delimiter.")
	}
	return nil
}

// step goes on as far as the state lasts.
func (r *Reader) step() (again bool, err error) {
	switch {
	case r.state == inTail:
		r.pass(len(r.w))
		return false, nil
	case r.state == inHead:
		return r.partHead()
	}
	return r.content()
}

// pass writes the first n bytes of the window.
func (r *Reader) pass(n int) {
	r.out = append(r.out, r.w[min(r.skip, n):n]...)
	r.drop(n)
}

// drop takes the first n bytes out of the window.
func (r *Reader) drop(n int) {
	r.w = append(r.w[:0], r.w[n:]...)
	r.skip = max(0, r.skip-n)
}

// content looks for the delimiter that ends a part.
func (r *Reader) content() (again bool, err error) {
	for from := 0; ; {
		i := bytes.Index(r.w[from:], r.delim)
		if i < 0 {
			return false, r.settled(len(r.w) - len(r.delim) - 1)
		}
		i += from
		size, last, known, isDelim := delimiter(r.w[i+len(r.delim):])
		if !isDelim {
			from = i + 1
			continue
		}
		if !known {
			return false, r.settled(i - 1)
		}
		if i == 0 || r.w[i-1] != '\r' {
			return false, bad("A delimiter of the form stands after a line that does not end in CR LF.")
		}
		if i-1 < r.skip && r.state != inPreamble {
			return false, bad("A part of the form has no empty line before its content.")
		}
		if err := r.settledAt(i - 1); err != nil {
			return false, err
		}
		r.head = 1 + len(r.delim) + size
		if r.state = inHead; last {
			r.state = inTail
		}
		return true, nil
	}
}

// delimiter looks at what follows the boundary: how long it is, whether it
// ends the form, whether that is known yet, and whether it is a delimiter at
// all and not content that begins alike.
func delimiter(b []byte) (size int, last, known, is bool) {
	if bytes.HasPrefix(b, []byte("--")) {
		return 2, true, true, true
	}
	n := 0
	for n < len(b) && (b[n] == ' ' || b[n] == '\t') {
		n++
	}
	const padding = 1 << 10
	switch rest := b[n:]; {
	case n > padding:
		return 0, false, true, false
	case len(rest) >= 2:
		return n + 2, false, true, rest[0] == '\r' && rest[1] == '\n'
	case len(rest) == 0, rest[0] == '\r', n == 0 && rest[0] == '-':
		return 0, false, false, true
	}
	return 0, false, true, false
}

// settled takes n bytes of content that no delimiter begins in.
func (r *Reader) settled(n int) error {
	if n <= 0 {
		return nil
	}
	if r.state == inModel {
		if len(r.w) > maxModel+len(r.delim)+4 {
			return tooLong()
		}
		return nil
	}
	r.take(n)
	return nil
}

func noModel() error {
	return fault.New(fault.MissingField, "The form has no model.", nil).
		WithParam("model").WithFix("Put the field model before the file, or name the route in the query (?model=) or in the header x-tollgate-model.")
}

func tooLong() error {
	return fault.New(fault.WrongType, "The field model is too long.", nil).WithParam("model")
}

// settledAt takes the last n bytes of a part.
func (r *Reader) settledAt(n int) error {
	if r.state != inModel {
		r.take(n)
		return nil
	}
	value := string(r.w[r.skip:n])
	switch {
	case value == "":
		return noModel()
	case len(value) > maxModel:
		return tooLong()
	}
	r.model, r.found, r.waiting = value, true, true
	r.drop(n)
	return nil
}

// take writes content, or leaves it out.
func (r *Reader) take(n int) {
	if r.state == inDrop || r.state == inPreamble && r.given {
		r.drop(n)
		return
	}
	r.pass(n)
}
