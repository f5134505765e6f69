package digest

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// Bounds of a digest: of one string; from where on lists get no more elements;
// and of it all.
const (
	maxString = 1 << 10
	full      = 24 << 10
	most      = 64 << 10
	maxDepth  = 62
)

// pruner copies JSON that comes in pieces and leaves out what is long. It does
// not check what it reads: what is no JSON stays none.
type pruner struct {
	out    []byte
	broken bool

	depth int
	// arrays says of each level whether it is an array.
	arrays uint64
	// skipped is how deep the value is that is left out; dropping says that the
	// elements of the innermost array are.
	skipped  int
	dropping bool
	dropped  bool

	inString, escaped, cut bool
	// size is how much of the string was copied, hex how many digits of an
	// escape are still to come.
	size, hex   int
	wantKey     bool
	isKey       bool
	key         [20]byte
	keySize     int
	text, delta int
}

func (p *pruner) feed(b []byte) {
	for len(b) > 0 && !p.broken {
		if p.inString && (p.cut || p.silent()) {
			b = b[p.pass(b):]
			continue
		}
		p.byte(b[0])
		b = b[1:]
	}
}

// silent says that nothing is copied.
func (p *pruner) silent() bool { return p.skipped > 0 || p.dropping }

// pass goes over a string that is not copied and gives how far it came.
func (p *pruner) pass(b []byte) int {
	if p.escaped {
		p.escaped = false
		p.count(1)
		return 1
	}
	n := bytes.IndexByte(b, '"')
	if n < 0 {
		n = len(b)
	}
	if e := bytes.IndexByte(b[:n], '\\'); e >= 0 {
		p.escaped = true
		p.count(e + 1)
		return e + 1
	}
	p.count(n)
	if n == len(b) {
		return n
	}
	p.endString()
	return n + 1
}

// count counts what is cut of a text. Elements that are dropped have none of
// their names known, and are not counted.
func (p *pruner) count(n int) {
	if p.isKey || p.silent() {
		return
	}
	switch string(p.key[:p.keySize]) {
	case "delta":
		p.delta += n
	case "content", "text", "reasoning_content", "reasoning", "thinking", "refusal", "transcript", "arguments", "partial_json", "input":
		p.text += n
	}
}

func (p *pruner) endString() {
	p.inString = false
	if !p.silent() {
		p.add('"')
	}
}

func (p *pruner) add(c byte) {
	if len(p.out) >= most {
		p.broken, p.out = true, nil
		return
	}
	p.out = buffer.Append(p.out, []byte{c}, most)
}

func (p *pruner) byte(c byte) {
	switch {
	case p.inString:
		p.inside(c)
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
	case p.skipped > 0:
		p.skip(c)
	case p.dropping:
		p.drop(c)
	default:
		p.token(c)
	}
}

// inside takes a byte of a string that is copied, as long as it is short. It
// is cut neither within an escape nor within a character.
func (p *pruner) inside(c byte) {
	if p.size >= maxString && !p.escaped && p.hex == 0 && c&0xc0 != 0x80 && c != '"' {
		p.cut = true
		p.pass([]byte{c})
		return
	}
	switch {
	case p.escaped:
		if p.escaped = false; c == 'u' {
			p.hex = 4
		}
	case p.hex > 0:
		p.hex--
	case c == '\\':
		p.escaped = true
	case c == '"':
		p.endString()
		return
	}
	if p.isKey && p.keySize < len(p.key) {
		p.key[p.keySize] = c
		p.keySize++
	}
	p.size++
	p.add(c)
}

func (p *pruner) openString() {
	p.inString, p.escaped, p.cut, p.hex, p.size = true, false, false, 0, 0
}

// skip goes over a value that is left out.
func (p *pruner) skip(c byte) {
	switch c {
	case '"':
		p.openString()
	case '{', '[':
		p.skipped++
	case '}', ']':
		p.skipped--
	}
}

// drop goes over the elements of an array that has enough of them.
func (p *pruner) drop(c byte) {
	switch c {
	case ']':
		p.dropping = false
		p.close(c)
		return
	case '"':
		p.openString()
	case '{', '[':
		p.skipped = 1
	}
	p.dropped = true
}

func (p *pruner) inArray() bool { return p.arrays>>p.depth&1 == 1 }

func (p *pruner) token(c byte) {
	switch c {
	case '"':
		p.openString()
		if p.isKey = p.wantKey; p.isKey {
			p.keySize = 0
		}
		p.add(c)
	case '{', '[':
		p.open(c)
	case '}', ']':
		p.close(c)
	case ',':
		if p.inArray() && len(p.out) > full {
			p.dropping, p.dropped = true, true
			return
		}
		p.wantKey = !p.inArray()
		p.add(c)
	default:
		p.wantKey = p.wantKey && c != ':'
		p.add(c)
	}
}

func (p *pruner) open(c byte) {
	if p.depth == maxDepth {
		p.skipped, p.dropped = 1, true
		for _, c := range []byte("null") {
			p.add(c)
		}
		return
	}
	p.depth++
	p.arrays &^= 1 << p.depth
	p.wantKey = c == '{'
	if c == '[' {
		p.arrays |= 1 << p.depth
		p.dropping = len(p.out) > full
	}
	p.add(c)
}

func (p *pruner) close(c byte) {
	p.depth = max(0, p.depth-1)
	p.wantKey = false
	p.add(c)
}
