package responses_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// follow reads a stream to its end.
func follow(all [][]byte) (*canon.Fold, error) {
	var whole canon.Fold
	r := format.NewReader()
	for _, p := range all {
		if err := r.Read(nil, p, whole.Add); err != nil {
			return &whole, err
		}
	}
	return &whole, r.End(whole.Add)
}

func TestRecordedStreams(t *testing.T) {
	n, broken := 0, 0
	for _, path := range recordings.Glob(t, streamFiles...) {
		all := payloads(t, recordings.Read(t, path))
		if bytes.Contains(all[0], []byte(`"choices"`)) {
			continue
		}
		whole, err := follow(all)
		valid := true
		for _, p := range all {
			valid = valid && (json.Valid(p) || string(p) == "[DONE]")
		}
		if !valid {
			broken++
			if err == nil || fault.From(err).Kind != fault.UpstreamGarbage {
				t.Errorf("%s is broken, and gave %v", short(path), err)
			}
			continue
		}
		if err != nil || !whole.Done {
			t.Errorf("%s: %v", short(path), err)
			continue
		}
		n++
		want := streamPlainly(t, all)
		got := essenceOf(&whole.Answer)
		want.LogProbs, got.LogProbs = 0, 0
		if strings.HasSuffix(path, "openai-shell-container.1.chunks.txt") {
			// The pieces of its text were shortened by hand, the whole was not.
			want.Text = "The command ran successfully."
		}
		same(t, short(path), want, got)

		w := format.NewWriter(&canon.Request{})
		var out []byte
		r := format.NewReader()
		for _, p := range all {
			if err := r.Read(nil, p, func(ev *canon.Event) error { out = w.Append(out, ev); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		written := payloads(t, out)
		again, err := follow(written)
		if err != nil {
			t.Errorf("%s written: %v", short(path), err)
			continue
		}
		checkEvents(t, short(path), written)
		got = essenceOf(&again.Answer)
		got.LogProbs = 0
		same(t, short(path)+" again", want, got)
	}
	if n < 20 || broken == 0 {
		t.Errorf("%d streams were read, %d broken ones", n, broken)
	}
	t.Logf("%d streams, %d broken", n, broken)
}

// streamPlainly takes the response at a stream's end, with the items of the
// events when it holds none.
func streamPlainly(t testing.TB, all [][]byte) essence {
	t.Helper()
	var items []json.RawMessage
	for _, p := range all {
		var ev struct {
			Type     string
			Item     json.RawMessage
			Response map[string]json.RawMessage
		}
		if string(p) == "[DONE]" {
			continue
		}
		if err := json.Unmarshal(p, &ev); err != nil {
			t.Fatal(err)
		}
		switch ev.Type {
		case "response.output_item.done":
			items = append(items, ev.Item)
		case "response.completed", "response.incomplete":
			ev.Response["output"], _ = json.Marshal(items)
			body, _ := json.Marshal(ev.Response)
			return plainly(t, body)
		}
	}
	t.Fatal("the stream has no end")
	return essence{}
}

// checkEvents holds a written stream to what SDKs count on.
func checkEvents(t *testing.T, what string, all [][]byte) {
	t.Helper()
	texts := map[string]string{}
	open := map[string]bool{}
	var items []string
	for i, p := range all {
		var ev struct {
			Type     string
			N        int `json:"sequence_number"`
			Item     struct{ ID, Type string }
			ItemID   string `json:"item_id"`
			Output   int    `json:"output_index"`
			Content  int    `json:"content_index"`
			Delta    string
			Text     *string
			Args     *string `json:"arguments"`
			Response struct {
				Status string
				Output []struct{ ID string }
			}
		}
		if err := json.Unmarshal(p, &ev); err != nil {
			t.Fatalf("%s: %v in %s", what, err, p)
		}
		if ev.N != i {
			t.Fatalf("%s: event %d has number %d", what, i, ev.N)
		}
		if first := map[int]string{0: "response.created", 1: "response.in_progress"}[i]; first != "" && ev.Type != first {
			t.Errorf("%s begins with %s", what, ev.Type)
		}
		key := ev.ItemID + string(rune('a'+ev.Content))
		switch {
		case ev.Type == "response.output_item.added":
			if open[ev.Item.ID] || len(items) != ev.Output {
				t.Errorf("%s: item %s at %d comes twice or out of order", what, ev.Item.ID, ev.Output)
			}
			open[ev.Item.ID] = true
			items = append(items, ev.Item.ID)
		case ev.Type == "response.output_item.done":
			if !open[ev.Item.ID] {
				t.Errorf("%s: item %s ends and never began", what, ev.Item.ID)
			}
			delete(open, ev.Item.ID)
		case strings.HasSuffix(ev.Type, ".delta"):
			if !open[ev.ItemID] {
				t.Errorf("%s: %s of an item that is not open", what, ev.Type)
			}
			texts[key] += ev.Delta
		case strings.HasSuffix(ev.Type, "text.done") && *ev.Text != texts[key]:
			t.Errorf("%s: %s says %q after %q", what, ev.Type, *ev.Text, texts[key])
		case ev.Args != nil && *ev.Args != texts[key] && texts[key] != "":
			t.Errorf("%s: %s says %q after %q", what, ev.Type, *ev.Args, texts[key])
		case i == len(all)-1:
			var ids []string
			for _, o := range ev.Response.Output {
				ids = append(ids, o.ID)
			}
			if !reflect.DeepEqual(ids, items) {
				t.Errorf("%s ends with items %v after %v", what, ids, items)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("%s leaves open %v", what, open)
	}
}

// TestStreamsAndAnswersAgree: what is read of a stream is what is read of the
// response at its end.
func TestStreamsAndAnswersAgree(t *testing.T) {
	for _, path := range recordings.Glob(t, streamFiles...) {
		all := payloads(t, recordings.Read(t, path))
		whole, err := follow(all)
		if err != nil || bytes.Contains(all[0], []byte(`"choices"`)) {
			continue
		}
		for _, p := range all {
			var ev struct {
				Type     string
				Response json.RawMessage
			}
			if json.Unmarshal(p, &ev) != nil || ev.Type != "response.completed" || bytes.Contains(ev.Response, []byte(`"output":[]`)) {
				continue
			}
			var a canon.Answer
			if f := format.ReadAnswer(ev.Response, &a); f != nil {
				t.Fatalf("%s: %v", short(path), f)
			}
			want, got := essenceOf(&a), essenceOf(&whole.Answer)
			if strings.HasSuffix(path, "openai-shell-container.1.chunks.txt") {
				want.Text = got.Text
			}
			want.LogProbs = 0
			// Thoughts are encrypted anew each time they are told.
			for i := range want.Proofs {
				if i < len(got.Proofs) {
					want.Proofs[i] = got.Proofs[i]
				}
			}
			same(t, short(path), want, got)
			if len(a.Choices[0].Parts) != len(whole.Answer.Choices[0].Parts) {
				t.Errorf("%s: %d parts, streamed %d", short(path), len(a.Choices[0].Parts), len(whole.Answer.Choices[0].Parts))
			}
			if a.Usage.Searches != whole.Answer.Usage.Searches {
				t.Errorf("%s: %d searches, streamed %d", short(path), a.Usage.Searches, whole.Answer.Usage.Searches)
			}
			break // some recordings hold several streams
		}
	}
}
