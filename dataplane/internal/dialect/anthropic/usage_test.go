package anthropic

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// Usage is what the extractor of the body's own provider found.
func TestUsages(t *testing.T) {
	var all []struct {
		Body struct {
			File  string
			Usage json.RawMessage
		}
		Extracted []struct {
			Extractors []struct {
				Provider string `json:"provider_id"`
				Flavour  string `json:"api_flavor"`
			}
			Usage struct {
				Input      int64 `json:"input_tokens"`
				Output     int64 `json:"output_tokens"`
				CacheRead  int64 `json:"cache_read_tokens"`
				CacheWrite int64 `json:"cache_write_tokens"`
				Hour       int64 `json:"cache_write_1h_tokens"`
				Reasoning  int64 `json:"output_reasoning_tokens"`
				Searches   int64 `json:"web_searches"`
			}
		}
	}
	if err := json.Unmarshal(recordings.Read(t, recordings.Dir(t)+"/genai-prices-usage/usages.json"), &all); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, one := range all {
		for _, x := range one.Extracted {
			own := false
			for _, e := range x.Extractors {
				own = own || e.Provider == "anthropic"
			}
			if !own || memberOf(canon.Raw(one.Body.Usage), "input_tokens") == nil {
				continue
			}
			n++
			var a canon.Answer
			body := `{"content":[],"usage":` + string(one.Body.Usage) + `}`
			if f := (Format{}).ReadAnswer([]byte(body), &a); f != nil {
				t.Fatalf("%s: %v", body, f)
			}
			u, want := a.Usage, x.Usage
			// Their input is all that went in.
			if u.Prompt() != want.Input || u.Output != want.Output || u.CacheRead != want.CacheRead || u.CacheWrite != want.CacheWrite ||
				u.CacheWriteHour != want.Hour || u.Reasoning != want.Reasoning || u.Searches != want.Searches {
				t.Errorf("%s: %s is %+v, want %+v", one.Body.File, one.Body.Usage, u, want)
			}
		}
	}
	t.Logf("%d usages", n)
	if n < 100 {
		t.Errorf("only %d usages were compared", n)
	}
}

// However counts lie, no class is negative and none is counted twice.
func TestLyingUsages(t *testing.T) {
	for _, c := range []struct {
		usage string
		want  canon.Usage
	}{
		{`{"input_tokens":1,"output_tokens":-2}`, canon.Usage{}},
		{`{"input_tokens":1e3,"output_tokens":2}`, canon.Usage{}},
		{`{"input_tokens":1,"output_tokens":99999999999999999999}`, canon.Usage{}},
		{`{"output_tokens":3}`, canon.Usage{Reported: true, Output: 3}},
		{`{"input_tokens":5,"output_tokens":3,"output_tokens_details":{"thinking_tokens":9}}`, canon.Usage{Reported: true, Input: 5, Output: 3, Reasoning: 3}},
		{`{"input_tokens":5,"output_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3}}`, canon.Usage{Reported: true, Input: 5, CacheWrite: 5, CacheWriteHour: 3}},
		{`{"input_tokens":5,"output_tokens":0,"cache_creation_input_tokens":2,"cache_creation":{"ephemeral_1h_input_tokens":3}}`, canon.Usage{Reported: true, Input: 5, CacheWrite: 2, CacheWriteHour: 2}},
		{`{"input_tokens":5,"output_tokens":1,"iterations":[{"type":"compaction","input_tokens":10,"output_tokens":4},{"type":"advisor_message","input_tokens":70},{"type":"message","input_tokens":5,"output_tokens":1}]}`, canon.Usage{Reported: true, Input: 15, Output: 5}},
		{`{}`, canon.Usage{}}, {`null`, canon.Usage{}}, {`7`, canon.Usage{}},
	} {
		var a canon.Answer
		if f := (Format{}).ReadAnswer([]byte(`{"content":[],"usage":`+c.usage+`}`), &a); f != nil {
			t.Fatal(f)
		}
		a.Usage.Raw, a.Usage.From = nil, ""
		if a.Usage.Reported != c.want.Reported || !sameCounts(&a.Usage, &c.want) {
			t.Errorf("%s is %+v", c.usage, a.Usage)
		}
	}
}

// The last word counts, and what it does not name stays.
func TestUsageOfStreams(t *testing.T) {
	wire := `data: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":34824,"output_tokens":1,"cache_creation_input_tokens":6,"cache_creation":{"ephemeral_1h_input_tokens":4}}}}

data: {"type":"message_delta","delta":{},"usage":{"output_tokens":20}}

data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":3883,"output_tokens":49,"cache_read_input_tokens":30464}}

data: {"type":"message_stop"}

`
	f, err := fold([]byte(wire))
	want := canon.Usage{Input: 3883, Output: 49, CacheRead: 30464, CacheWrite: 6, CacheWriteHour: 4}
	if u := f.Answer.Usage; err != nil || !sameCounts(&u, &want) {
		t.Errorf("%+v, %v", u, err)
	}
	w := written{w: Format{}.NewWriter(nil)}
	if err := follow([]byte(wire), len(wire), w.add); err != nil {
		t.Fatal(err)
	}
	g, err := fold(slices.Clone(w.out))
	if u := g.Answer.Usage; err != nil || !sameCounts(&u, &want) {
		t.Errorf("written again: %+v, %v", u, err)
	}
}
