package digest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/digest"
)

func of(ev string, size int) (name, data string, ok bool, d *digest.Event) {
	d = new(digest.Event)
	for rest := ev; len(rest) > 0; {
		n := min(size, len(rest))
		d.Feed([]byte(rest[:n]))
		rest = rest[n:]
	}
	n, b, ok := d.Result()
	return string(n), string(b), ok, d
}

// TestWhatMattersOfALargeEventStays: names, numbers and short texts, wherever
// they stand; long texts are cut, and long lists.
func TestWhatMattersOfALargeEventStays(t *testing.T) {
	long := strings.Repeat(`aé\"\u00e9`, 100_000)
	var items strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&items, `{"id":%d,"text":"x","deep":[[1,2],{"a":"]}"}]},`, i)
	}
	ev := "event: response.completed\r\ndata: {\"type\":\"response.completed\",\r\ndata:\"response\":{\"status\":\"completed\",\"output\":[" +
		items.String() + `{"text":"` + long + `"}],"text":"` + long + `","usage":{"input_tokens":7,"output_tokens":3}}}` + "\r\n\r\n"
	for _, size := range []int{1, 3, 4096, len(ev)} {
		name, data, ok, d := of(ev, size)
		var v struct {
			Type     string
			Response struct {
				Status string
				Output []struct{ ID int }
				Text   string
				Usage  map[string]int
			}
		}
		if err := json.Unmarshal([]byte(data), &v); err != nil || !ok || name != "response.completed" {
			t.Fatalf("pieces of %d: %v %v, %q is %.200s", size, ok, err, name, data)
		}
		r := v.Response
		if v.Type != "response.completed" || r.Status != "completed" || r.Usage["input_tokens"] != 7 || r.Usage["output_tokens"] != 3 {
			t.Errorf("pieces of %d: %.100s … %s", size, data, data[len(data)-100:])
		}
		if len(data) > 64<<10 || len(r.Output) < 100 || !d.Dropped || !strings.HasPrefix(r.Text, `aé"é`) || d.Text < len(long)-2048 || d.Text > len(long) {
			t.Errorf("pieces of %d: %d bytes, %d items, %d bytes of text are left out", size, len(data), len(r.Output), d.Text)
		}
	}
}

// TestWhatHasNoDigestIsNotOne: members without end, and events without data.
func TestWhatHasNoDigestIsNotOne(t *testing.T) {
	var members strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&members, `"k%d":1,`, i)
	}
	for _, ev := range []string{"data: {" + members.String() + "}\n\n", ": " + members.String() + "\n\n", "event: x\n\n", "\n\n"} {
		if _, data, ok, _ := of(ev, 1000); ok || len(data) > 64<<10 {
			t.Errorf("%.20s has a digest of %d bytes", ev, len(data))
		}
	}
}

// FuzzDigest: what was JSON stays JSON of the same shape, however it is torn,
// and is never large.
func FuzzDigest(f *testing.F) {
	f.Add(`{"a":["x",{"b":"é\n"},-1.5e3,null],"delta":"`+strings.Repeat("y", 3000)+`"}`, 3)
	f.Add(`[[[[{"":[]}]]],"\ud83d\ude00"]`, 1)
	f.Add(`{"a":[`+strings.Repeat(`"zzzzzzzzzz",[{}],`, 3000)+`1],"b":2}`, 7)
	f.Add(strings.Repeat("[", 100)+strings.Repeat("]", 100), 2)
	f.Fuzz(func(t *testing.T, value string, size int) {
		if strings.ContainsAny(value, "\r\n") {
			return
		}
		ev := "data: " + value + "\n\n"
		_, whole, ok, _ := of(ev, len(ev))
		_, torn, same, _ := of(ev, max(size, 1))
		if whole != torn || ok != same {
			t.Fatalf("whole %q, torn %q", whole, torn)
		}
		if len(whole) > 64<<10 {
			t.Fatalf("%d bytes", len(whole))
		}
		var want, got any
		if !ok || json.Unmarshal([]byte(value), &want) != nil {
			return
		}
		if err := json.Unmarshal([]byte(whole), &got); err != nil {
			t.Fatalf("%q became %q: %v", value, whole, err)
		}
		if len(value) < 1000 && strings.Count(value, "[")+strings.Count(value, "{") < 60 {
			a, _ := json.Marshal(want)
			b, _ := json.Marshal(got)
			if string(a) != string(b) {
				t.Fatalf("%q became %q", value, whole)
			}
		}
	})
}
