package meter_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/meter"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// childEnv makes this test binary a data plane to be killed.
const childEnv = "METER_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child admits and settles for ever. It tells of each step before and after it
// is taken, on stdout, which survives its death.
func child(dir string) {
	m, err := meter.Open(meter.Config{Dir: dir, SegmentBytes: 128 << 10, SyncAfter: time.Millisecond})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	start := os.Getenv("METER_TEST_START")
	if start != "0" {
		// All but the first time with the keeper at work.
		go m.Run(context.Background())
	}
	say := func(what string, worker, n int) { fmt.Printf("%s %s-%d-%d\n", what, start, worker, n) }
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				in, ev := info(n), event(n)
				in.RequestID = fmt.Sprintf("%s-%d-%d", start, w, n)
				ev.RequestId = in.RequestID
				say("admitting", w, n)
				a, err := m.Admit(in)
				if err != nil {
					fmt.Println("error", err)
					return
				}
				say("admitted", w, n)
				a.Sent()
				a.Progress(int64(n))
				if err := a.Settle(ev); err != nil {
					fmt.Println("error", err)
					return
				}
				say("settled", w, n)
			}
		}()
	}
	select {}
}

// kill -9 at random moments: what was admitted is charged, once; what was
// settled is charged as it was settled.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	steps := map[string]string{} // request → furthest step told
	for i := range 12 {
		for line := range strings.Lines(killedChild(t, dir, i)) {
			what, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if what == "error" {
				t.Fatal(line)
			}
			if ok && strings.HasSuffix(line, "\n") {
				steps[id] = what
			}
		}
	}
	b := startBroker(t)
	l := startLedger(t, b)
	m := open(t, meter.Config{Dir: dir, NATS: b.connect(t)})
	run(t, m)
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	got := l.byRequest()
	counts := map[string]int{}
	for id, what := range steps {
		counts[what]++
		e := got[id]
		switch {
		case e == nil && what != "admitting":
			t.Errorf("%s was %s and is lost", id, what)
		case what == "settled" && e.GetOutcome() != usagev1.Outcome_OUTCOME_OK:
			t.Errorf("%s was settled, and is %v", id, e.GetOutcome())
		}
	}
	for id := range got {
		if steps[id] == "" {
			t.Errorf("%s came from nowhere", id)
		}
	}
	if counts["settled"] < 100 || m.Stats().Lost != 0 {
		t.Errorf("steps %v, lost %d", counts, m.Stats().Lost)
	}
	checkGaps(t, l)
}

func killedChild(t *testing.T, dir string, i int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, fmt.Sprintf("METER_TEST_START=%d", i))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Let it get under way, then strike.
	r := bufio.NewReader(out)
	head, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(rand.IntN(25_000))*time.Microsecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.
	return head + string(rest)
}

// A spool cut or damaged anywhere opens, and gives each request that is whole
// before the damage exactly once, however often the boot itself is cut short.
func TestSpoolCutAnywhere(t *testing.T) {
	master := t.TempDir()
	m := open(t, meter.Config{Dir: master, SegmentBytes: 32 << 10})
	for i := range 6 {
		a, err := m.Admit(info(i))
		if err != nil {
			t.Fatal(err)
		}
		a.Progress(int64(i))
		if i%2 == 0 {
			if err := a.Settle(event(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.Close()
	whole := read(t, master)
	names := slices.Sorted(maps.Keys(whole))
	file := names[slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "segment-") })]
	data := whole[file]
	before := -1
	for cut := 0; cut <= len(data); cut += 23 {
		whole[file] = data[:cut]
		st := boot(t, whole)
		// Requests only become more as more of the file is there.
		if int(st.Unconfirmed) < before || st.Unconfirmed > 6 {
			t.Fatalf("cut at %d: %d requests, %d with less", cut, st.Unconfirmed, before)
		}
		before = int(st.Unconfirmed)
	}
	whole[file] = data
	if st := boot(t, whole); st.Unconfirmed != 6 {
		t.Fatalf("the whole spool gives %d requests", st.Unconfirmed)
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		bad := slices.Clone(data)
		for range 1 + r.IntN(3) {
			bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		}
		whole[file] = bad[:r.IntN(len(bad)+1)]
		if st := boot(t, whole); st.Unconfirmed > 6 {
			t.Fatalf("damage made %d requests of 6", st.Unconfirmed)
		}
	}
}

// A boot that is cut short anywhere while it settles what is left does not
// make the next one settle it again.
func TestRecoveryCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	m := open(t, meter.Config{Dir: dir, SegmentBytes: 32 << 10})
	for i := range 4 {
		if _, err := m.Admit(info(i)); err != nil {
			t.Fatal(err)
		}
	}
	m.Close()
	old := read(t, dir)
	m = open(t, meter.Config{Dir: dir, SegmentBytes: 32 << 10})
	m.Close()
	recovered := read(t, dir)
	for name, data := range recovered {
		if old[name] != nil || !strings.HasPrefix(name, "segment-") {
			continue
		}
		for cut := 0; cut <= len(data); cut += 97 {
			// The settled bits may or may not have reached the old file.
			for _, base := range []map[string][]byte{old, recovered} {
				files := maps.Clone(base)
				files[name] = data[:cut]
				if base := fmt.Sprint(len(base)); boot(t, files).Unconfirmed > 4 {
					t.Fatalf("cut at %d with %s files: charged twice", cut, base)
				}
			}
			files := maps.Clone(old)
			files[name] = data[:cut]
			if st := boot(t, files); st.Unconfirmed != 4 {
				t.Fatalf("cut at %d: %d of 4 requests", cut, st.Unconfirmed)
			}
		}
	}
}

func read(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "journal" {
			continue // Empty after a clean close.
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
}

// write puts files into a new directory.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// boot opens a spool made of these files and says what is in it.
func boot(t *testing.T, files map[string][]byte) meter.Stats {
	t.Helper()
	dir := write(t, files)
	m, err := meter.Open(meter.Config{Dir: dir, SegmentBytes: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Stats()
}

// What a killed process left in the journal alone comes back, progress
// included; a journal damaged anywhere costs what was in it and no more.
func TestJournalOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	m := open(t, meter.Config{Dir: dir, SegmentBytes: 32 << 10})
	for i := range 30 {
		a, err := m.Admit(info(i))
		if err != nil {
			t.Fatal(err)
		}
		a.Progress(int64(4 * i))
		if i%3 == 0 {
			if err := a.Settle(event(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The mapped journal is the file, so a copy is what a kill would leave.
	files := read(t, dir)
	journal, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if st := boot(t, files); st.Unconfirmed == 30 {
		t.Fatal("nothing was in the journal: this test tests nothing")
	}
	files["journal"] = journal
	b := startBroker(t)
	l := startLedger(t, b)
	again := write(t, files)
	m2 := open(t, meter.Config{Dir: again, SegmentBytes: 32 << 10, NATS: b.connect(t)})
	run(t, m2)
	eventually(t, "all confirmed", func() bool { return m2.Stats().Unconfirmed == 0 })
	got := l.byRequest()
	for i := range 30 {
		e := got[fmt.Sprintf("req_%d", i)]
		if e == nil || i%3 != 0 && e.Tokens.Output != int64(i) || (i%3 == 0) != (e.Outcome == usagev1.Outcome_OUTCOME_OK) {
			t.Errorf("request %d: %v", i, e)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	used := 4096 + 16384*32 + 64 + 20_000
	for range 60 {
		bad := slices.Clone(journal)
		for range 1 + r.IntN(4) {
			bad[r.IntN(used)] ^= byte(1 + r.IntN(255))
		}
		files["journal"] = bad
		if r.IntN(4) == 0 {
			files["journal"] = bad[:r.IntN(len(bad))]
		}
		if st := boot(t, files); st.Unconfirmed > 30 {
			t.Fatalf("damage made %d requests of 30", st.Unconfirmed)
		}
	}
}
