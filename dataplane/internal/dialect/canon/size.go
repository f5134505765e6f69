package canon

// Readers and writers of streams may have more to say of what they hold.
type (
	// Holder says how many bytes it holds of the stream, beyond what is bounded
	// by a few ten KB.
	Holder interface{ Held() int }

	// Watcher is a reader that can be told that nobody wants the parts: what
	// can only be told whole is told in pieces, and not held.
	Watcher interface{ Watch() }

	// Emptier is a writer that may write much for one event: it gives all that
	// stands in front of it to the function after each event of the wire, and
	// goes on with what that gives back.
	Emptier interface{ Empty(func([]byte) []byte) }

	// DigestReader is a reader that can read on with the digest of an event of
	// the wire that is too large to be held: the event with its texts cut and,
	// if dropped says so, with fewer elements of lists. It gives a fault when
	// something would be lost by that.
	DigestReader interface {
		ReadDigest(name, data []byte, dropped bool, emit Emit) error
	}
)

// Held is how many bytes a reader or writer says that it holds.
func Held(of any) int {
	if h, ok := of.(Holder); ok {
		return h.Held()
	}
	return 0
}

// partSize is about what a part or an event takes in memory beside its texts.
const partSize = 1 << 10

// Size is how much memory a copy of the part takes.
func (p *Part) Size() int {
	n := partSize + len(p.Text) + len(p.ID) + len(p.Name) + len(p.Args) + len(p.Signature) + len(p.Redacted) + len(p.Raw)
	m := &p.Media
	n += len(m.Type) + len(m.Data) + len(m.URL) + len(m.FileID) + len(m.Name) + len(m.Detail)
	for i := range p.Citations {
		c := &p.Citations[i]
		n += citationSize + len(c.URL) + len(c.Title) + len(c.Quote) + len(c.Raw)
	}
	for i := range p.Extra {
		n += len(p.Extra[i].Name) + len(p.Extra[i].Value)
	}
	for i := range p.Content {
		n += p.Content[i].Size()
	}
	return n
}

// citationSize is about what a citation takes beside its texts.
const citationSize = 256
