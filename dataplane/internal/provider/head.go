package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tollgate/tollgate/proto/fault"
)

// Limits of an answer's head.
const (
	maxHead          = 64 << 10
	maxInterim       = 5
	maxContentLength = 1 << 40
)

// Content is the kind of body that an answer announces.
type Content uint8

// Kinds of bodies.
const (
	Other Content = iota
	JSON
	EventStream
	// AWSEventStream is the framing of package eventstream.
	AWSEventStream
)

func garbage(format string, args ...any) error {
	return fault.New(fault.UpstreamGarbage, "", fmt.Errorf(format, args...))
}

// head is what is kept of an answer's head.
type head struct {
	status    int
	content   Content
	length    int64 // -1 when not given
	chunked   bool
	keepAlive bool
	http10    bool
	// retryAfter and retryAfterMS are copied, for refusals alone.
	retryAfter   string
	retryAfterMS string
}

// errPartial says that the head is not complete yet.
var errPartial = errors.New("head is not complete")

// parseHead reads a head at the start of b and gives its length. It is
// strict: what could be read in two ways is refused, since the next answer on
// the connection would be read from the wrong place.
func parseHead(b []byte, h *head) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxHead {
			return 0, garbage("head is larger than %d bytes", maxHead)
		}
		if !startsLikeHTTP(b) {
			return 0, garbage("answer does not start like HTTP")
		}
		return 0, errPartial
	}
	if end > maxHead {
		return 0, garbage("head is larger than %d bytes", maxHead)
	}
	size := end + 4
	lines := b[:end+2]
	eol := bytes.IndexByte(lines, '\n')
	*h = head{length: -1}
	if err := parseStatus(lines[:eol+1], h); err != nil {
		return 0, err
	}
	for lines = lines[eol+1:]; len(lines) > 0; lines = lines[eol+1:] {
		eol = bytes.IndexByte(lines, '\n')
		if err := parseLine(lines[:eol+1], h); err != nil {
			return 0, err
		}
	}
	if h.chunked && (h.length >= 0 || h.http10) {
		return 0, garbage("chunks are announced beside a length or in HTTP/1.0")
	}
	return size, nil
}

func startsLikeHTTP(b []byte) bool {
	const want = "HTTP/1."
	n := min(len(b), len(want))
	return string(b[:n]) == want[:n]
}

// parseStatus reads "HTTP/1.1 200 OK\r\n".
func parseStatus(l []byte, h *head) error {
	if len(l) < len("HTTP/1.1 200\r\n") || !startsLikeHTTP(l) || l[8] != ' ' || l[len(l)-2] != '\r' {
		return garbage("status line is not HTTP/1")
	}
	switch l[7] {
	case '1':
		h.keepAlive = true
	case '0':
		h.http10 = true
	default:
		return garbage("HTTP version is not 1.0 or 1.1")
	}
	for _, c := range l[9:12] {
		if c < '0' || c > '9' {
			return garbage("status is not a number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || h.status > 599 || (l[12] != ' ' && l[12] != '\r') {
		return garbage("status is not from 100 to 599")
	}
	return checkBytes(l[12 : len(l)-2])
}

func checkBytes(v []byte) error {
	for _, c := range v {
		if c < ' ' && c != '\t' || c == 0x7f {
			return garbage("head holds control characters")
		}
	}
	return nil
}

// parseLine reads one header line, its end included.
func parseLine(l []byte, h *head) error {
	if len(l) < 2 || l[len(l)-2] != '\r' {
		return garbage("header line does not end in CR LF")
	}
	return h.field(l[:len(l)-2])
}

// field reads a header line without its end.
func (h *head) field(l []byte) error {
	colon := bytes.IndexByte(l, ':')
	if colon <= 0 {
		return garbage("header line has no name")
	}
	name := l[:colon]
	for _, c := range name {
		// Folded lines and "name :" are where parsers disagree.
		if !isToken(c) {
			return garbage("header name holds what it must not")
		}
	}
	value := bytes.Trim(l[colon+1:], " \t")
	if err := checkBytes(value); err != nil {
		return err
	}
	return h.set(name, value)
}

// set keeps the headers that matter; the length of the name tells most apart.
func (h *head) set(name, value []byte) error {
	switch len(name) {
	case len("connection"):
		if fold(name, "connection") {
			h.connection(value)
		}
	case len("retry-after"):
		if fold(name, "retry-after") && h.status >= 400 {
			h.retryAfter = shortText(value)
		}
	case len("content-type"):
		if fold(name, "content-type") {
			h.content = contentOf(value)
		}
	case len("content-length"):
		if fold(name, "content-length") {
			return h.setLength(value)
		}
		if fold(name, "retry-after-ms") && h.status >= 400 {
			h.retryAfterMS = shortText(value)
		}
	case len("content-encoding"):
		// We ask for identity. An encoded body cannot be metered without
		// unpacking it, and may unpack to any size.
		if fold(name, "content-encoding") && len(value) > 0 && !fold(value, "identity") {
			return garbage("body is encoded though identity was asked for")
		}
	case len("transfer-encoding"):
		if fold(name, "transfer-encoding") {
			if h.chunked || !fold(value, "chunked") {
				return garbage("transfer encoding is not chunked")
			}
			h.chunked = true
		}
	}
	return nil
}

// isToken says whether a byte may stand in a header's name (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		return true
	}
	return strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

func (h *head) connection(value []byte) {
	for part := range bytes.SplitSeq(value, []byte(",")) {
		part = bytes.Trim(part, " \t")
		switch {
		case fold(part, "close"):
			h.keepAlive = false
		case fold(part, "keep-alive") && h.status >= 200:
			h.keepAlive = true
		}
	}
}

func (h *head) setLength(value []byte) error {
	if len(value) == 0 {
		return garbage("content length is empty")
	}
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' {
			return garbage("content length is not a number")
		}
		if n = n*10 + int64(c-'0'); n > maxContentLength {
			return garbage("content length is too large")
		}
	}
	if h.length >= 0 && h.length != n {
		return garbage("two different content lengths")
	}
	h.length = n
	return nil
}

func contentOf(value []byte) Content {
	if semi := bytes.IndexByte(value, ';'); semi >= 0 {
		value = bytes.TrimRight(value[:semi], " \t")
	}
	switch {
	case fold(value, "application/json"):
		return JSON
	case fold(value, "text/event-stream"):
		return EventStream
	case fold(value, "application/vnd.amazon.eventstream"):
		return AWSEventStream
	}
	return Other
}

// shortText copies a value that may be shown to callers: digits and plain
// text of a date, nothing long.
func shortText(v []byte) string {
	if len(v) > 40 {
		return ""
	}
	return string(v)
}

// fold compares ASCII without case; s is in lower case.
func fold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// readHead reads the head of the final answer, passing over interim ones.
func (r *Response) readHead() error {
	for range maxInterim {
		n, err := parseHead(r.buf.B[r.r:r.w], &r.head)
		for errors.Is(err, errPartial) {
			if err = r.fill(); err != nil {
				if errors.Is(err, io.EOF) && r.w > r.r {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
			n, err = parseHead(r.buf.B[r.r:r.w], &r.head)
		}
		if err != nil {
			return err
		}
		r.r += n
		if r.status == 101 {
			return garbage("protocol was switched")
		}
		if r.status >= 200 {
			if r.call.Carry != nil {
				r.keep(r.buf.B[r.r-n : r.r])
			}
			r.begin()
			return nil
		}
	}
	return garbage("too many interim answers")
}
