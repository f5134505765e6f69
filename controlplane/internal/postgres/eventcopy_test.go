package postgres

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
)

// FuzzAttemptDetail compares the fast encoder with encoding/json.
func FuzzAttemptDetail(f *testing.F) {
	f.Add("openai", "gpt-4o", "upstream_error", int32(503), int64(1700000000000123), int64(5))
	f.Add("a\"b\\c", "é\x01<&>\u2028", "\xff", int32(-1), int64(0), int64(-9))
	f.Fuzz(func(t *testing.T, provider, model, code string, status int32, at, us int64) {
		if at < 0 || at > 253402300799000000 {
			return // JSON knows years up to 9999
		}
		a := []usage.Attempt{{Provider: provider, ProviderModel: model, ErrorCode: code, Status: status, StartedAt: time.UnixMicro(at).UTC(), DurationUS: us}, {}}
		var w copyWriter
		if err := w.attempts(a); err != nil {
			t.Fatal(err)
		}
		if n := binary.BigEndian.Uint32(w.buf); int(n) != len(w.buf)-4 || w.buf[4] != 1 {
			t.Fatalf("frame: % x", w.buf[:5])
		}
		want, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var x, y any
		if err := json.Unmarshal(w.buf[5:], &x); err != nil {
			t.Fatalf("%s: %v", w.buf[5:], err)
		}
		if err := json.Unmarshal(want, &y); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(x, y) {
			t.Errorf("got %s\nwant %s", w.buf[5:], want)
		}
	})
}
