// Package buffer owns the reuse of byte buffers on the request path: size
// classes that grow by four, so that a body is read into one piece of memory
// and given back. It knows nothing of what the bytes mean.
package buffer

import "sync"

// Classes of buffers; larger ones are made for one use and left to the
// collector, so that a rare large body does not stay in memory.
var classes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// Buffer is a piece of memory on loan. B may be resliced and appended to.
type Buffer struct {
	B     []byte
	class int
}

// Pool lends buffers. The zero value is ready.
type Pool struct {
	classes [len(classes)]sync.Pool
}

// Get lends an empty buffer with room for at least n bytes.
func (p *Pool) Get(n int) *Buffer {
	for i, size := range classes {
		if n > size {
			continue
		}
		if b, ok := p.classes[i].Get().(*Buffer); ok {
			return b
		}
		return &Buffer{B: make([]byte, 0, size), class: i}
	}
	return &Buffer{B: make([]byte, 0, n), class: -1}
}

// Put takes a buffer back; nil is allowed. The memory behind B must not be
// used any more. A buffer that grew out of its class is left to the collector.
func (p *Pool) Put(b *Buffer) {
	if b == nil || b.class < 0 || cap(b.B) != classes[b.class] {
		return
	}
	b.B = b.B[:0]
	p.classes[b.class].Put(b)
}

// Append appends p to b. Room doubles up to most and is exact beyond, so that a
// buffer whose contents are bounded takes no more memory than its bound.
func Append(b, p []byte, most int) []byte {
	if need := len(b) + len(p); need > cap(b) {
		b = append(make([]byte, 0, max(need, min(2*cap(b), most))), b...)
	}
	return append(b, p...)
}

// Grow makes room for n more bytes in b, moving to a larger buffer when it
// must; it returns the buffer to go on with.
func (p *Pool) Grow(b *Buffer, n int) *Buffer {
	need := len(b.B) + n
	if need <= cap(b.B) {
		return b
	}
	if twice := 2 * cap(b.B); need < twice {
		need = twice
	}
	larger := p.Get(need)
	larger.B = append(larger.B, b.B...)
	p.Put(b)
	return larger
}
