package tenantconfig

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func hashOf(n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func bitsOf(n int) (b [16]byte) {
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return b
}

// The table agrees with a plain map after any sequence of changes.
func TestTableAgreesWithAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := &keyTable{}
	model := map[[32]byte]keyEntry{}
	byID := map[int][]int{} // key → hashes
	owner := map[int]int{}  // hash → key
	for step := range 20_000 {
		id := r.IntN(500)
		var hashes []int
		for range r.IntN(3) {
			h := r.IntN(3000)
			if o, taken := owner[h]; (!taken || o == id) && (len(hashes) == 0 || hashes[0] != h) {
				hashes = append(hashes, h)
			}
		}
		for _, h := range byID[id] {
			delete(model, hashOf(h))
			delete(owner, h)
		}
		var entries []keyEntry
		for i, h := range hashes {
			e := keyEntry{hash: hashOf(h), id: bitsOf(id), revision: uint64(step), previousUntil: uint32(i * 7)}
			entries = append(entries, e)
			model[e.hash] = e
			owner[h] = id
		}
		byID[id] = hashes
		table.replace(bitsOf(id), entries)
		if got := table.ofID(bitsOf(id)); len(got) != len(entries) {
			t.Fatalf("step %d: key has %d entries, want %d", step, len(got), len(entries))
		}
	}
	compare(t, table, model)

	var chunks [][]keyEntry
	for _, e := range model {
		chunks = append(chunks, []keyEntry{e})
	}
	filled := &keyTable{}
	if clashes := filled.fill(chunks); len(clashes) != 0 {
		t.Fatalf("%d clashes", len(clashes))
	}
	compare(t, filled, model)
	if filled.keys > table.keys {
		t.Fatalf("filled table counts %d keys, changed one %d", filled.keys, table.keys)
	}
}

func compare(t *testing.T, table *keyTable, model map[[32]byte]keyEntry) {
	t.Helper()
	n := 0
	table.all(func(e *keyEntry) bool { n++; return true })
	if n != len(model) {
		t.Fatalf("table holds %d entries, want %d", n, len(model))
	}
	for i := range 3000 {
		h := hashOf(i)
		want, ok := model[h]
		got := table.find(&h)
		if (got != nil) != ok || ok && *got != want {
			t.Fatalf("find(%d) = %v, want %v %v", i, got, want, ok)
		}
	}
}

func TestFillKeepsTheOlderOfTwoKeysWithOneHash(t *testing.T) {
	table := &keyTable{}
	clashes := table.fill([][]keyEntry{{
		{hash: hashOf(1), id: bitsOf(2), revision: 9}, {hash: hashOf(1), id: bitsOf(1), revision: 5}, {hash: hashOf(2), id: bitsOf(3)},
	}})
	if len(clashes) != 1 || clashes[0].revision != 9 {
		t.Fatalf("clashes = %v", clashes)
	}
	h := hashOf(1)
	if e := table.find(&h); e == nil || e.revision != 5 {
		t.Fatalf("kept %v", e)
	}
}

// Readers see a key that stays in the table at every moment of a change.
func TestFindDuringChanges(t *testing.T) {
	table := &keyTable{}
	stay := keyEntry{hash: hashOf(0), id: bitsOf(0)}
	table.replace(stay.id, []keyEntry{stay})
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			h := stay.hash
			if table.find(&h) == nil {
				n++
			}
		}
	}()
	for i := range 3000 {
		stay.revision = uint64(i)
		table.replace(stay.id, []keyEntry{stay, {hash: hashOf(i + 1), id: stay.id, previousUntil: 1}})
	}
	close(stop)
	if n := <-done; n != 0 {
		t.Fatalf("key missing %d times", n)
	}
}

func BenchmarkFindAmongAMillion(b *testing.B) {
	const n = 1_000_000
	entries := make([]keyEntry, n)
	for i := range entries {
		entries[i] = keyEntry{hash: hashOf(i), id: bitsOf(i)}
	}
	table := &keyTable{}
	table.fill([][]keyEntry{entries})
	probes := make([][32]byte, 1<<16)
	for i := range probes {
		probes[i] = hashOf(rand.IntN(2 * n)) // half of them unknown
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		table.find(&probes[i&(1<<16-1)])
		i++
	}
}
