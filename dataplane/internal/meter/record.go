package meter

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"unicode/utf8"

	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Kinds of frames. Zero is the unwritten rest of a segment.
const (
	kindAdmit  = 1
	kindSettle = 2
)

// Offsets within a frame.
const (
	frameHead = 8 // CRC u32, then length of the payload u24 and kind u8
	// An admit record: number, progress word, body.
	admitNumber = 8
	admitWord   = 16
	admitBody   = 24
	// A settle record: seq, epoch and number of the admission it settles, time
	// of settlement, event without its seq.
	settleSeq    = 8
	settleEpoch  = 16
	settleNumber = 24
	settleTime   = 32
	settleEvent  = 40
)

const (
	// maxEvent is the size of a settle record's event; a larger one is cut.
	maxEvent = 4096 - settleEvent
	// maxFrame is the size of any frame, and what an admission reserves.
	maxFrame = 4096
	// maxText is how much of any text a record keeps.
	maxText = 200
)

// The progress word of an admit record is the only thing in the spool that
// changes in place; the CRC leaves it out.
const (
	wordSettled = 1 << 63
	wordSent    = 1 << 62
	wordBytes   = wordSent - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func padded(n int) int { return (n + 7) &^ 7 }

// place is where a run of frames begins: segment and offset in it. It is part
// of each frame's CRC, so that no frame is ever valid in another place.
type place struct {
	segment uint64
	off     int64
}

// frameSum is the CRC of a frame.
func frameSum(f []byte, kind byte, at place) uint32 {
	// Two odd constants spread the place over the CRC's start.
	sum := uint32((at.segment*0x9e3779b97f4a7c15 ^ uint64(at.off)*0xbf58476d1ce4e5b9) >> 32)
	if kind == kindAdmit {
		return crc32.Update(crc32.Update(sum, castagnoli, f[4:admitWord]), castagnoli, f[admitBody:])
	}
	return crc32.Update(sum, castagnoli, f[4:])
}

// sealFrame writes the frame's head, for the place where it will lie.
func sealFrame(f []byte, kind byte, at place) {
	binary.LittleEndian.PutUint32(f[4:], uint32(len(f)-frameHead)<<8|uint32(kind))
	binary.LittleEndian.PutUint32(f, frameSum(f, kind, at))
}

// frame is one valid record of a segment.
type frame struct {
	kind byte
	off  int
	data []byte
}

func (f *frame) u64(at int) uint64 { return binary.LittleEndian.Uint64(f.data[at:]) }

// nextFrame reads the frame at off of bytes that begin at a place; ok is false
// at the end, be it clean or torn.
func nextFrame(seg []byte, off int, at place) (f frame, next int, ok bool) {
	if off < 0 || off+frameHead > len(seg) {
		return f, off, false
	}
	head := binary.LittleEndian.Uint32(seg[off+4:])
	kind, n := byte(head), frameHead+int(head>>8)
	least := settleEvent
	switch kind {
	case kindAdmit:
		least = admitBody
	case kindSettle:
	default:
		return f, off, false
	}
	if n < least || n > maxFrame || off+n > len(seg) {
		return f, off, false
	}
	data := seg[off : off+n : off+n]
	if frameSum(data, kind, place{at.segment, at.off + int64(off)}) != binary.LittleEndian.Uint32(data) {
		return f, off, false
	}
	return frame{kind, off, data}, off + padded(n), true
}

// AdmitInfo is what is known of a billable request when it is admitted: enough
// to settle it should this process die.
type AdmitInfo struct {
	TenantID, ProjectID, APIKeyID, RequestID string
	// Route as called, and the operation, for example "chat".
	Route, Operation string
	// The target that will be called first.
	Provider, ProviderModel, CredentialID, ModelID string
	// Cost is the price that the provider charges, Sell the one that the
	// tenant pays; nil Sell means the cost, nil both that there is no price.
	Cost, Sell *configv1.Price
	// InputTokens is an estimate.
	InputTokens       int64
	StartedAtUnixNano int64
	ConfigRevision    uint64
	Streamed          bool
}

// appendAdmit writes the body of an admit record.
func appendAdmit(b []byte, a *AdmitInfo) []byte {
	for _, s := range [...]string{
		a.TenantID, a.ProjectID, a.APIKeyID, a.RequestID, a.Route, a.Operation,
		a.Provider, a.ProviderModel, a.CredentialID, a.ModelID,
	} {
		b = appendText(b, s)
	}
	c := money.Conditions{InputTokens: a.InputTokens, AtUnix: a.StartedAtUnixNano / 1e9}
	b = appendPrice(b, a.Cost, c)
	b = appendPrice(b, a.Sell, c)
	streamed := byte(0)
	if a.Streamed {
		streamed = 1
	}
	b = append(b, streamed)
	b = binary.AppendVarint(b, a.InputTokens)
	b = binary.AppendVarint(b, a.StartedAtUnixNano)
	return binary.AppendUvarint(b, a.ConfigRevision)
}

func appendText(b []byte, s string) []byte {
	s = clip(s, maxText)
	return append(append(b, byte(len(s))), s...)
}

// clip cuts s to n bytes at most, not within a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendPrice keeps what an interrupted request can have cost: there is no
// estimate of other classes than text, and nobody will say what tier it ran in.
func appendPrice(b []byte, p *configv1.Price, c money.Conditions) []byte {
	if p == nil {
		return append(b, 0)
	}
	b = appendText(append(b, 1), p.GetId())
	p = money.Pick(p, c)
	b = binary.AppendVarint(b, p.GetInput())
	b = binary.AppendVarint(b, p.GetOutput())
	return binary.AppendVarint(b, p.GetPerRequest())
}

// bodyReader takes a checked body apart; short reads give zeros and bad.
type bodyReader struct {
	b   []byte
	bad bool
}

func (r *bodyReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *bodyReader) text() string {
	n := int(r.byte())
	if n > len(r.b) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (r *bodyReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *bodyReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *bodyReader) price() *configv1.Price {
	if r.byte() == 0 {
		return nil
	}
	return &configv1.Price{Id: r.text(), Input: r.varint(), Output: r.varint(), PerRequest: r.varint()}
}

// parseAdmit reads the body of an admit record.
func parseAdmit(body []byte) (AdmitInfo, bool) {
	r := bodyReader{b: body}
	a := AdmitInfo{
		TenantID: r.text(), ProjectID: r.text(), APIKeyID: r.text(), RequestID: r.text(), Route: r.text(), Operation: r.text(),
		Provider: r.text(), ProviderModel: r.text(), CredentialID: r.text(), ModelID: r.text(),
	}
	a.Cost, a.Sell = r.price(), r.price()
	a.Streamed = r.byte() != 0
	a.InputTokens, a.StartedAtUnixNano, a.ConfigRevision = r.varint(), r.varint(), r.uvarint()
	return a, !r.bad
}

// bytesPerToken is the usual rule of thumb for text.
const bytesPerToken = 4

// interrupted is the event of a request that was open when the process died.
// One that never called its provider cost nothing.
func interrupted(a *AdmitInfo, word uint64) *usagev1.Event {
	ev := &usagev1.Event{
		TenantId: a.TenantID, ProjectId: a.ProjectID, ApiKeyId: a.APIKeyID, RequestId: a.RequestID,
		Route: a.Route, Operation: a.Operation, StartedAtUnixNano: a.StartedAtUnixNano,
		Outcome: usagev1.Outcome_OUTCOME_INTERRUPTED, Streamed: a.Streamed, Estimated: true,
		Tokens: &usagev1.Tokens{}, ConfigRevision: a.ConfigRevision, Provider: a.Provider, ProviderModel: a.ProviderModel,
	}
	if word&wordSent == 0 {
		return ev
	}
	ev.Attempts = []*usagev1.Attempt{{
		Provider: a.Provider, CredentialId: a.CredentialID, ModelId: a.ModelID, ProviderModel: a.ProviderModel,
		StartedAtUnixNano: a.StartedAtUnixNano,
	}}
	streamed := int64(word & wordBytes)
	if streamed > 0 {
		ev.HttpStatus = 200
	}
	ev.Tokens.Input = a.InputTokens
	ev.Tokens.Output = (streamed + bytesPerToken - 1) / bytesPerToken
	sell := a.Sell
	if sell == nil {
		sell = a.Cost
	}
	ev.CostNano, ev.CostPriceId = int64(money.Cost(a.Cost, ev.Tokens, nil)), a.Cost.GetId()
	ev.PriceNano, ev.SellPriceId = int64(money.Cost(sell, ev.Tokens, nil)), sell.GetId()
	return ev
}
