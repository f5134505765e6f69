package gemini

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// plainAnswer is an answer as encoding/json reads it.
type plainAnswer struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Text             *string
				Thought          bool
				ThoughtSignature string
				FunctionCall     *struct {
					ID, Name string
					Args     any
				}
			}
		}
		FinishReason string
		Index        int
	}
	UsageMetadata struct {
		PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount, CachedContentTokenCount int64
	}
	ModelVersion, ResponseID string
}

func plainFiles(t testing.TB) (files []string) {
	for _, f := range recordings.Glob(t, "vercel-ai/google/src/__fixtures__/*.json", "agentgateway/response/vertex-gemini/*.json") {
		if !strings.Contains(f, "stream") {
			files = append(files, f)
		}
	}
	return files
}

func TestRecordedAnswers(t *testing.T) {
	files := plainFiles(t)
	for _, file := range files {
		body := recordings.Read(t, file)
		var a, again canon.Answer
		if f := (Format{}).ReadAnswer(body, &a); f != nil {
			t.Errorf("%s: %v", file, f)
			continue
		}
		var want plainAnswer
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, file, &a, &want)
		out := Format{}.AppendAnswer(nil, &a)
		if f := (Format{}).ReadAnswer(out, &again); f != nil {
			t.Fatalf("%s: written again: %v: %s", file, f, out)
		}
		same(t, file, &a, &again)
		// An answer of Google's own is written as it was.
		before, after := decode(t, body), decode(t, out)
		if m := before.(map[string]any); m["candidates"] != nil && len(m["candidates"].([]any)) == 0 {
			delete(m, "candidates")
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %s", file, out)
		}
	}
	t.Logf("%d answers", len(files))
}

func checkAnswer(t *testing.T, file string, a *canon.Answer, want *plainAnswer) {
	t.Helper()
	if a.ID.String() != want.ResponseID || a.Model.String() != want.ModelVersion {
		t.Errorf("%s: %s %s", file, a.ID, a.Model)
	}
	u := want.UsageMetadata
	if a.Usage.Prompt() != u.PromptTokenCount || a.Usage.Completion() != u.CandidatesTokenCount+u.ThoughtsTokenCount || a.Usage.Reasoning != u.ThoughtsTokenCount || a.Usage.CacheRead != u.CachedContentTokenCount {
		t.Errorf("%s: usage %+v of %+v", file, a.Usage, u)
	}
	if len(want.Candidates) == 0 {
		if len(a.Choices) != 1 || a.Choices[0].Stop != canon.StopFilter || len(a.Choices[0].Parts) != 0 {
			t.Errorf("%s: a blocked prompt gave %+v", file, a.Choices)
		}
		return
	}
	for i, c := range want.Candidates {
		got := a.Choices[i]
		calls := false
		for k, p := range c.Content.Parts {
			g := got.Parts[k]
			switch {
			case p.FunctionCall != nil:
				calls = true
				var args any
				json.Unmarshal(g.Args, &args)
				if g.Kind != canon.ToolCallPart || g.Name.String() != p.FunctionCall.Name || g.ID.String() != p.FunctionCall.ID || !reflect.DeepEqual(args, p.FunctionCall.Args) {
					t.Errorf("%s: call %+v", file, g)
				}
			case p.Text != nil:
				if g.Text.String() != *p.Text || (g.Kind == canon.ReasoningPart) != p.Thought {
					t.Errorf("%s: text %+v", file, g)
				}
			}
			if g.Signature.String() != p.ThoughtSignature {
				t.Errorf("%s: signature %s", file, g.Signature)
			}
		}
		wantStop := canon.StopEnd
		if calls {
			wantStop = canon.StopTools
		}
		if got.Stop != wantStop || got.StopRaw.String() != c.FinishReason {
			t.Errorf("%s: stop %d %s", file, got.Stop, got.StopRaw)
		}
	}
}

func TestAnswersCutAnywhereAreRefused(t *testing.T) {
	for _, file := range plainFiles(t) {
		body := recordings.Read(t, file)
		whole := len(strings.TrimRight(string(body), " \n"))
		for i := 0; i < whole; i++ {
			var a canon.Answer
			if f := (Format{}).ReadAnswer(body[:i], &a); f == nil || f.Kind != fault.UpstreamGarbage {
				t.Fatalf("%s cut at %d: %v", file, i, f)
			}
		}
	}
}

func TestEveryReason(t *testing.T) {
	for _, s := range stops {
		body := `{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"` + s.name + `"}]}`
		var a, again canon.Answer
		if f := (Format{}).ReadAnswer([]byte(body), &a); f != nil {
			t.Fatal(f)
		}
		out := Format{}.AppendAnswer(nil, &a)
		Format{}.ReadAnswer(out, &again)
		if c := again.Choices[0]; a.Choices[0].Stop != s.stop || c.Stop != s.stop || c.StopRaw.String() != s.name {
			t.Errorf("%s became %d, then %d %s", s.name, a.Choices[0].Stop, c.Stop, c.StopRaw)
		}
	}
	for stop := canon.StopUnset; stop <= canon.StopError; stop++ {
		a := canon.Answer{From: canon.Anthropic, Choices: []canon.Choice{{Stop: stop, StopText: canon.Quote("END"), StopRaw: canon.Quote("x")}}}
		if stop == canon.StopTools {
			a.Choices[0].Parts = []canon.Part{{Kind: canon.ToolCallPart, Name: canon.Quote("f")}}
		}
		var again canon.Answer
		out := Format{}.AppendAnswer(nil, &a)
		if f := (Format{}).ReadAnswer(out, &again); f != nil {
			t.Fatal(f)
		}
		if got := again.Choices[0].Stop; got != stop {
			t.Errorf("stop %d came back as %d: %s", stop, got, out)
		}
	}
}

// What Gemini has no field for comes back all the same.
func foreignAnswer() canon.Answer {
	return canon.Answer{
		From: canon.Anthropic, ID: canon.Quote("msg_1"), Model: canon.Quote("claude"), Created: 1700000000,
		Usage: canon.Usage{Reported: true, Input: 10, CacheRead: 20, CacheWrite: 30, CacheWriteHour: 5, Output: 40, Reasoning: 7, AudioInput: 3, ImageInput: 2, AudioOutput: 4, ImageOutput: 6, Searches: 2},
		Choices: []canon.Choice{{Stop: canon.StopRefusal, Parts: []canon.Part{
			{Kind: canon.ReasoningPart, Text: canon.Quote("hm"), Signature: canon.Quote("c2ln")},
			{Kind: canon.ReasoningPart, Redacted: canon.Quote("EmwKAhgB-not_base64")},
			{Kind: canon.ReasoningPart, ID: canon.Quote("rs_1"), Text: canon.Quote("sum"), Signature: canon.Quote("gAAAA-_=")},
			{Kind: canon.TextPart, Text: canon.Quote("Grüße, see"), Citations: []canon.Citation{
				{URL: canon.Quote("https://a"), Title: canon.Quote("A"), Quote: canon.Quote("q"), Start: 0, End: 5, From: canon.Anthropic},
				{URL: canon.Text(`""`), Title: canon.Text(`""`), Start: 2, End: 4, From: canon.Anthropic},
			}},
			{Kind: canon.ToolCallPart, ID: canon.Quote("t1"), Name: canon.Quote("f"), Args: canon.Raw(`{"a": 12345678901234567890}`)},
			{Kind: canon.ToolCallPart, ID: canon.Quote("t2"), Name: canon.Quote("g"), Args: canon.Raw(`{"broken":`)},
			{Kind: canon.OpaquePart, From: canon.Anthropic, Raw: canon.Raw(`{"type":"server_tool_use","input":{}}`)},
			{Kind: canon.ImagePart, Media: canon.Media{Type: canon.Quote("image/png"), Data: canon.Quote("AAAA")}},
			{Kind: canon.AudioPart, ID: canon.Quote("audio_1"), Text: canon.Quote("said"), Media: canon.Media{Type: canon.Quote("audio/wav"), Data: canon.Quote("BBBB")}},
			{Kind: canon.RefusalPart, Text: canon.Quote("no")},
		}}},
	}
}

func TestForeignAnswersComeBack(t *testing.T) {
	a := foreignAnswer()
	var again canon.Answer
	out := Format{}.AppendAnswer(nil, &a)
	if f := (Format{}).ReadAnswer(out, &again); f != nil {
		t.Fatalf("%v: %s", f, out)
	}
	again.Choices[0].StopRaw = nil
	same(t, "foreign", &a, &again)
}

func TestCitations(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"text":"thinking","thought":true},{"text":"Grüße aus Köln."}]},"finishReason":"STOP",
	"groundingMetadata":{"webSearchQueries":["a","b"],"searchEntryPoint":{"renderedContent":"<b>"},"groundingChunks":[{"web":{"uri":"https://x","title":"X"}},{"retrievedContext":{"uri":"gs://y","title":"Y"}}],
	"groundingSupports":[{"segment":{"startIndex":11,"endIndex":16,"text":"Köln"},"groundingChunkIndices":[0]}]}}],"usageMetadata":{"promptTokenCount":1,"toolUsePromptTokenCount":5},"modelVersion":"gemini-3-pro"}`
	var a, again canon.Answer
	if f := (Format{}).ReadAnswer([]byte(body), &a); f != nil {
		t.Fatal(f)
	}
	cs := a.Choices[0].Parts[1].Citations
	if len(cs) != 2 || cs[0].URL.String() != "https://x" || cs[0].Quote.String() != "Köln" || cs[0].Start != 9 || cs[0].End != 13 || cs[1].URL.String() != "gs://y" {
		t.Errorf("%+v", cs)
	}
	if a.Usage.Searches != 2 || a.Usage.Input != 6 {
		t.Errorf("%+v", a.Usage)
	}
	out := Format{}.AppendAnswer(nil, &a)
	if f := (Format{}).ReadAnswer(out, &again); f != nil {
		t.Fatal(f)
	}
	same(t, "citations", &a, &again)
	if !strings.Contains(string(out), "searchEntryPoint") {
		t.Errorf("the entry point is lost: %s", out)
	}
}

func TestLogProbs(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"a","tokenId":1,"logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b","logProbability":-1}]}]}}]}`
	var a canon.Answer
	if f := (Format{}).ReadAnswer([]byte(body), &a); f != nil {
		t.Fatal(f)
	}
	want := `{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":null},{"token":"b","logprob":-1,"bytes":null}]}],"refusal":null}`
	if string(a.Choices[0].LogProbs) != want {
		t.Errorf("%s", a.Choices[0].LogProbs)
	}
	a.From = canon.OpenAIChat
	var again canon.Answer
	Format{}.ReadAnswer(Format{}.AppendAnswer(nil, &a), &again)
	if string(again.Choices[0].LogProbs) != want {
		t.Errorf("%s", again.Choices[0].LogProbs)
	}
}

func TestUsageOfEveryRecordedBody(t *testing.T) {
	var cases []struct {
		Body      map[string]json.RawMessage
		Extracted []struct {
			Extractors []struct {
				Provider string `json:"provider_id"`
				Flavor   string `json:"api_flavor"`
			}
			Usage map[string]int64
		}
	}
	if err := json.Unmarshal(recordings.Read(t, recordings.Glob(t, "genai-prices-usage/usages.json")[0]), &cases); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range cases {
		raw := c.Body["usageMetadata"]
		if raw == nil {
			continue
		}
		var u canon.Usage
		readUsage(raw, &u)
		for _, e := range c.Extracted {
			for _, x := range e.Extractors {
				if x.Provider != "google" || x.Flavor != "default" {
					continue
				}
				n++
				checkUsage(t, raw, &u, e.Usage)
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d bodies were compared", n)
	}
	t.Logf("%d bodies", n)
}

func checkUsage(t *testing.T, raw []byte, u *canon.Usage, want map[string]int64) {
	t.Helper()
	var google struct{ PromptTokenCount, TotalTokenCount, ToolUsePromptTokenCount int64 }
	json.Unmarshal(raw, &google)
	prompt := u.Prompt()
	if want["input_tokens"] == google.PromptTokenCount {
		// The extractor leaves out what Google's own tools read; the total has it.
		prompt -= google.ToolUsePromptTokenCount
	}
	if prompt != want["input_tokens"] || u.Completion() != want["output_tokens"] || u.CacheRead != want["cache_read_tokens"] || u.Reasoning != want["output_reasoning_tokens"] {
		t.Errorf("%s: %+v, want %v", raw, u, want)
	}
	if u.AudioInput != want["input_audio_tokens"]-want["cache_audio_read_tokens"] || u.ImageOutput != want["output_image_tokens"] {
		t.Errorf("%s: %+v, want %v", raw, u, want)
	}
	if google.TotalTokenCount != 0 && u.Prompt()+u.Completion() != google.TotalTokenCount {
		t.Errorf("%s: %d in all", raw, u.Prompt()+u.Completion())
	}
	if min(u.Input, u.CacheRead, u.AudioInput, u.ImageInput, u.Output, u.AudioOutput, u.ImageOutput) < 0 {
		t.Errorf("%s: negative: %+v", raw, u)
	}
}
