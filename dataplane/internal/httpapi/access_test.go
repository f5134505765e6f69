package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// FuzzAccessLine holds the written line to slog's: the same fields and values,
// whatever callers put into them, on one line.
func FuzzAccessLine(f *testing.F) {
	f.Add("req_1", "ten_1", "key_1", "gpt", "", 200, int64(1500))
	f.Add("a\"b\\", "\n", "\x00\x7f", "\xff\u2028é", "code", -1, int64(-5))
	f.Fuzz(func(t *testing.T, id, tenant, key, route, code string, status int, took int64) {
		l := accessLine{at: time.Unix(1, 0), requestID: id, tenant: tenant, key: key, route: route, code: code, status: status, took: time.Duration(took)}
		var ours, theirs bytes.Buffer
		l.write(&ours)
		l.log(slog.New(slog.NewJSONHandler(&theirs, nil)))
		if strings.Count(ours.String(), "\n") != 1 {
			t.Fatalf("not one line: %q", ours.String())
		}
		var a, b map[string]any
		if err := json.Unmarshal(ours.Bytes(), &a); err != nil {
			t.Fatalf("%q: %v", ours.String(), err)
		}
		if err := json.Unmarshal(theirs.Bytes(), &b); err != nil {
			t.Fatal(err)
		}
		delete(a, "time")
		delete(b, "time")
		if len(a) != len(b) {
			t.Fatalf("%v, slog has %v", a, b)
		}
		for k := range b {
			if a[k] != b[k] {
				t.Fatalf("%s is %q, slog has %q", k, a[k], b[k])
			}
		}
	})
}

func BenchmarkAccessLine(b *testing.B) {
	l := accessLine{at: time.Now(), requestID: "req_06h09p906rcnjdhgwzttgcfvs8", tenant: "ten_06h09p8wc20wjbk2gqybqbdwm4",
		key: "key_06h09p8wc2fz2hsp6djfy5zvnw", route: "demo", status: 200, took: 1234 * time.Microsecond}
	var sink bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		sink.Reset()
		l.write(&sink)
	}
}
