package http1

import (
	"bytes"
	"strings"
)

// Head is the head of a regular request: POST, HTTP/1.1, with one Host and one
// Content-Length, and nothing that changes how the connection is used.
type Head struct {
	// Path and Query are made of characters that mean themselves.
	Path, Query string
	// Length of the body in bytes.
	Length int
	// Values of the headers that were asked for, empty when they are missing.
	Values []string
	// Bytes is the size of the head but for punctuation.
	Bytes int
}

// longestBody keeps lengths far from where they could overflow.
const longestBody = 9 // digits

// parse reads a head from the start of b and gives its size; 0 when it is not
// entirely regular, or not all there. What it takes, net/http takes and
// understands in the same way: a fuzz test holds it to that. Costs one
// allocation, the text that the strings of h are parts of.
func (h *Head) parse(b []byte, wanted []string, limit int) int {
	if !bytes.HasPrefix(b, []byte("POST /")) {
		return 0
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || end > limit {
		return 0
	}
	line, rest, _ := strings.Cut(string(b[:end+2]), "\r\n")
	target, ok := strings.CutSuffix(line[len("POST "):], " HTTP/1.1")
	if !ok || !h.target(target) {
		return 0
	}
	h.Length, h.Bytes = -1, len(target)
	clear(h.Values)
	seen, host := uint64(0), false
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := field(line)
		if !ok {
			return 0
		}
		h.Bytes += len(name) + len(value)
		switch framing(name) {
		case hostHeader:
			ok = !host && plainHost(value)
			host = true
		case lengthHeader:
			ok = h.Length < 0 && h.length(value)
		case connectionHeader:
			ok = equalFold(value, "keep-alive")
		case irregularHeader:
			ok = false
		default:
			ok = h.note(name, value, wanted, &seen)
		}
		if !ok {
			return 0
		}
	}
	if !host || h.Length < 0 {
		return 0
	}
	return end + 4
}

// forget lets go of the text of a head: a connection at rest must not hold it.
func (h *Head) forget() {
	clear(h.Values)
	*h = Head{Values: h.Values}
}

// note keeps the value of a header that is wanted, unless there are two.
func (h *Head) note(name, value string, wanted []string, seen *uint64) bool {
	for i, w := range wanted {
		if equalFold(name, w) {
			twice := *seen&(1<<i) != 0
			*seen |= 1 << i
			h.Values[i] = value
			return !twice
		}
	}
	return true
}

// target takes a path and a query that need no decoding.
func (h *Head) target(t string) bool {
	h.Path, h.Query, _ = strings.Cut(t, "?")
	for i := 0; i < len(h.Path); i++ {
		if class[h.Path[i]]&inPath == 0 {
			return false
		}
	}
	for i := 0; i < len(h.Query); i++ {
		if class[h.Query[i]]&inQuery == 0 {
			return false
		}
	}
	// An empty query is written down by nobody.
	return len(h.Path)+len(h.Query) == len(t) || h.Query != ""
}

func (h *Head) length(v string) bool {
	if v == "" || len(v) > longestBody {
		return false
	}
	n := 0
	for i := 0; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
		n = 10*n + int(v[i]-'0')
	}
	h.Length = n
	return true
}

// field takes a header line of RFC 9112, section 5, without obsolete forms.
func field(line string) (name, value string, ok bool) {
	colon := strings.IndexByte(line, ':')
	if colon <= 0 {
		return "", "", false
	}
	name, value = line[:colon], line[colon+1:]
	for i := 0; i < len(name); i++ {
		if class[name[i]]&inToken == 0 {
			return "", "", false
		}
	}
	for i := 0; i < len(value); i++ {
		if class[value[i]]&inValue == 0 {
			return "", "", false
		}
	}
	return name, strings.Trim(value, " \t"), true
}

// Headers that decide how a request is framed and its connection used.
const (
	hostHeader = iota + 1
	lengthHeader
	connectionHeader
	irregularHeader
)

func framing(name string) int {
	switch len(name) {
	case len("host"):
		if equalFold(name, "host") {
			return hostHeader
		}
	case len("expect"):
		if equalFold(name, "expect") {
			return irregularHeader
		}
	case len("upgrade"):
		if equalFold(name, "upgrade") || equalFold(name, "trailer") {
			return irregularHeader
		}
	case len("connection"):
		if equalFold(name, "connection") {
			return connectionHeader
		}
	case len("content-length"):
		if equalFold(name, "content-length") {
			return lengthHeader
		}
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			return irregularHeader
		}
	}
	return 0
}

func plainHost(v string) bool {
	for i := 0; i < len(v); i++ {
		if class[v[i]]&inHost == 0 {
			return false
		}
	}
	return v != ""
}

// equalFold compares with a word in lower case.
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Where a byte may stand.
const (
	inPath = 1 << iota
	inQuery
	inToken
	inValue
	inHost
)

var class = classes()

func classes() (t [256]uint8) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	add := func(in uint8, bytes string) {
		for i := range len(bytes) {
			t[bytes[i]] |= in
		}
	}
	add(inPath|inQuery|inToken|inHost, letters+"-._")
	add(inPath|inQuery, "~")
	add(inPath, "/:")
	add(inQuery, "=&")
	add(inToken, "!#$%&'*+^`|~")
	add(inHost, ":[]")
	for c := byte(' '); c <= '~'; c++ {
		t[c] |= inValue
	}
	t['\t'] |= inValue
	return t
}
