package tenantconfig

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync/atomic"
)

// A shard is found by the first bits of a hash. Hashes are evenly spread, so
// with a million keys a shard holds about sixty entries: little to copy for a
// change, few to look at in a search.
const (
	shardBits = 14
	shards    = 1 << shardBits
)

// keyEntry is one accepted hash: 88 bytes and no pointer, so that the garbage
// collector never looks inside a million of them. A key in rotation has two.
type keyEntry struct {
	hash     [32]byte
	id       [16]byte
	project  [16]byte
	revision uint64
	// tenant is an index into state.slots.
	tenant uint32
	// expires in seconds since 1970; 0 is never, and so is all after 2106.
	expires uint32
	// previousUntil is not 0 when hash is the one before the last rotation.
	previousUntil uint32
	// limits is an index into keyLimits shifted left by one; the lowest bit says
	// revoked.
	limits uint32
}

func (e *keyEntry) revoked() bool { return e.limits&1 == 1 }

// idRef leads from a key's id to one of its entries: 64 random bits of the id
// and the first 64 bits of the hash. Only the writer reads it.
type idRef struct{ id, hash uint64 }

// keyTable maps hashes to keys. Any number of goroutines may call find; all
// else belongs to the one writer.
type keyTable struct {
	byHash [shards]atomic.Pointer[[]keyEntry]
	byID   [shards][]idRef
	keys   int
}

func hashHead(h *[32]byte) uint64 { return binary.BigEndian.Uint64(h[:8]) }

// idTail is the part of an id that is random.
func idTail(id *[16]byte) uint64 { return binary.LittleEndian.Uint64(id[8:]) }

// idShard takes the lowest bits: those of an id's random part are as good as any.
func idShard(tail uint64) int { return int(tail & (shards - 1)) }

// find looks a hash up: about 0.1 µs when warm, no allocation.
func (t *keyTable) find(h *[32]byte) *keyEntry {
	head := hashHead(h)
	p := t.byHash[head>>(64-shardBits)].Load()
	if p == nil {
		return nil
	}
	i, ok := search(*p, h, head)
	if !ok {
		return nil
	}
	return &(*p)[i]
}

// search finds h or the place to insert it. It starts where an evenly spread
// hash would lie and walks from there.
func search(s []keyEntry, h *[32]byte, head uint64) (int, bool) {
	if len(s) == 0 {
		return 0, false
	}
	guess, _ := bits.Mul64(head<<shardBits, uint64(len(s)))
	i := int(guess)
	for i > 0 && bytes.Compare(s[i].hash[:], h[:]) > 0 {
		i--
	}
	for i < len(s) {
		switch bytes.Compare(s[i].hash[:], h[:]) {
		case 0:
			return i, true
		case 1:
			return i, false
		}
		i++
	}
	return i, false
}

// ofID lists the entries of a key, the current hash first.
func (t *keyTable) ofID(id [16]byte) []keyEntry {
	var found []keyEntry
	tail := idTail(&id)
	for _, ref := range t.byID[idShard(tail)] {
		if ref.id != tail {
			continue
		}
		p := t.byHash[ref.hash>>(64-shardBits)].Load()
		if p == nil {
			continue
		}
		for i := range *p {
			if e := &(*p)[i]; e.id == id && hashHead(&e.hash) == ref.hash {
				found = append(found, *e)
			}
		}
	}
	slices.SortFunc(found, func(a, b keyEntry) int { return int(min(a.previousUntil, 1)) - int(min(b.previousUntil, 1)) })
	return slices.CompactFunc(found, func(a, b keyEntry) bool { return a.hash == b.hash })
}

// replace makes entries the hashes of key id, in place of those it had. Hashes
// that stay are never missing in between.
func (t *keyTable) replace(id [16]byte, entries []keyEntry) {
	old := t.ofID(id)
	for i := range entries {
		t.upsert(&entries[i])
	}
	for i := range old {
		kept := slices.ContainsFunc(entries, func(e keyEntry) bool { return e.hash == old[i].hash })
		if !kept {
			t.remove(&old[i])
		}
	}
	switch {
	case len(old) == 0 && len(entries) > 0:
		t.keys++
	case len(old) > 0 && len(entries) == 0:
		t.keys--
	}
}

func (t *keyTable) upsert(e *keyEntry) {
	head := hashHead(&e.hash)
	slot := &t.byHash[head>>(64-shardBits)]
	var cur []keyEntry
	if p := slot.Load(); p != nil {
		cur = *p
	}
	i, ok := search(cur, &e.hash, head)
	if ok {
		next := slices.Clone(cur)
		next[i] = *e
		slot.Store(&next)
		return
	}
	next := make([]keyEntry, len(cur)+1)
	copy(next, cur[:i])
	next[i] = *e
	copy(next[i+1:], cur[i:])
	slot.Store(&next)
	tail := idTail(&e.id)
	refs := &t.byID[idShard(tail)]
	*refs = append(*refs, idRef{tail, head})
}

func (t *keyTable) remove(e *keyEntry) {
	head := hashHead(&e.hash)
	slot := &t.byHash[head>>(64-shardBits)]
	p := slot.Load()
	if p == nil {
		return
	}
	i, ok := search(*p, &e.hash, head)
	if !ok || (*p)[i].id != e.id {
		return
	}
	next := make([]keyEntry, len(*p)-1)
	copy(next, (*p)[:i])
	copy(next[i:], (*p)[i+1:])
	slot.Store(&next)
	refs := &t.byID[idShard(idTail(&e.id))]
	if j := slices.Index(*refs, idRef{idTail(&e.id), head}); j >= 0 {
		*refs = slices.Delete(*refs, j, j+1)
	}
}

// all calls f for every entry until f returns false.
func (t *keyTable) all(f func(e *keyEntry) bool) {
	for i := range t.byHash {
		p := t.byHash[i].Load()
		if p == nil {
			continue
		}
		for j := range *p {
			if !f(&(*p)[j]) {
				return
			}
		}
	}
}

// fill builds an empty table from entries in any order, given in chunks. It
// returns those whose hash another key had at an older revision.
func (t *keyTable) fill(chunks [][]keyEntry) (clashes []keyEntry) {
	var perHash, perID [shards]uint32
	for _, c := range chunks {
		for i := range c {
			perHash[hashHead(&c[i].hash)>>(64-shardBits)]++
			perID[idShard(idTail(&c[i].id))]++
		}
	}
	next := make([][]keyEntry, shards)
	for i := range next {
		next[i] = make([]keyEntry, 0, perHash[i])
		t.byID[i] = make([]idRef, 0, perID[i])
	}
	for _, c := range chunks {
		for i := range c {
			s := &next[hashHead(&c[i].hash)>>(64-shardBits)]
			*s = append(*s, c[i])
		}
	}
	for i := range next {
		s, lost := settleShard(next[i])
		clashes = append(clashes, lost...)
		for j := range s {
			tail := idTail(&s[j].id)
			refs := &t.byID[idShard(tail)]
			*refs = append(*refs, idRef{tail, hashHead(&s[j].hash)})
			if s[j].previousUntil == 0 {
				t.keys++
			}
		}
		if len(s) > 0 {
			t.byHash[i].Store(&s)
		}
	}
	return clashes
}

// settleShard sorts a shard and keeps, of entries with one hash, the oldest.
func settleShard(s []keyEntry) (kept, clashes []keyEntry) {
	slices.SortFunc(s, func(a, b keyEntry) int {
		if c := bytes.Compare(a.hash[:], b.hash[:]); c != 0 {
			return c
		}
		return cmp.Compare(a.revision, b.revision)
	})
	for i := 1; i < len(s); i++ {
		if s[i].hash == s[i-1].hash {
			clashes = append(clashes, s[i])
			s = slices.Delete(s, i, i+1)
			i--
		}
	}
	return s, clashes
}
