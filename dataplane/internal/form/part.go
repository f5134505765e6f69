package form

import (
	"bytes"
	"mime"
	"regexp"
	"strings"

	"github.com/tollgate/tollgate/proto/fault"
)

// partHead reads the head of a part, when all of it is there.
func (r *Reader) partHead() (again bool, err error) {
	lines := r.w[r.head:]
	end := 0
	if !bytes.HasPrefix(lines, []byte("\r\n")) {
		i := bytes.Index(lines, []byte("\r\n\r\n"))
		switch {
		case i < 0 && len(lines) > maxHeader || i > maxHeader:
			return false, bad("The head of a part of the form is larger than 16 KiB.")
		case i < 0:
			return false, nil
		}
		end = i + 2
	}
	name, err := partName(lines[:end])
	if err != nil {
		return false, err
	}
	size := r.head + end + 2
	r.state = inPart
	if name == "model" {
		if r.state = inModel; r.given {
			r.state = inDrop
		} else if r.found {
			return false, fault.New(fault.BadRequest, "The form has two fields named model.", nil).WithParam("model")
		}
	} else if strings.EqualFold(name, "model") {
		return false, fault.New(fault.BadRequest, "The form has a field that differs from model only in case.", nil).WithParam(name)
	}
	// The end of the head stays in the window, so that a delimiter that follows
	// at once is seen; it counts as written.
	if r.state == inDrop {
		r.drop(size - 2)
	} else {
		r.pass(size - 2)
		r.out = append(r.out, "\r\n"...)
	}
	r.skip = 2
	return true, nil
}

// partName is the name of a part's field; empty for a part without one.
func partName(head []byte) (string, error) {
	name, found := "", false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) == 0 {
			continue
		}
		if bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 || line[0] == ' ' || line[0] == '\t' {
			return "", bad("The head of a part of the form cannot be read.")
		}
		field, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return "", bad("The head of a part of the form cannot be read.")
		}
		if !strings.EqualFold(string(bytes.TrimSpace(field)), "Content-Disposition") {
			continue
		}
		_, params, err := mime.ParseMediaType(string(value))
		if err != nil || found || twofold(value, params["name"]) {
			return "", bad("The disposition of a part of the form cannot be read.")
		}
		name, found = params["name"], true
	}
	return name, nil
}

var naming = regexp.MustCompile(`(?i)[;\s]name\s*[*=]`)

// twofold says whether parsers could read different names: the extended form
// that some prefer and others skip, a second name within quotes that some do
// not see, and characters that some leave out. It costs about 1 µs a part.
func twofold(disposition []byte, name string) bool {
	all := naming.FindAll(disposition, 2)
	return len(all) > 1 || len(all) == 1 && all[0][len(all[0])-1] == '*' ||
		strings.TrimSpace(name) != name || strings.Contains(name, "=?") ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}
