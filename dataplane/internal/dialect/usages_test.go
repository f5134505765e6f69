package dialect_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/embedding"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// usageBody is what is left of a provider's answer, with what others read of
// it by the rules of many providers.
type usageBody struct {
	Body struct {
		File          string
		Model         string
		Usage         json.RawMessage
		UsageMetadata json.RawMessage
		Meta          json.RawMessage
		// counts are the members of the report.
		counts map[string]json.RawMessage
	}
	Extracted []struct {
		Extractors []struct {
			Provider string `json:"provider_id"`
			Flavour  string `json:"api_flavor"`
		}
		Usage map[string]int64
	}
}

// usageRule tells bodies of a provider by what their reports hold, the file
// they were recorded for, or the model.
type usageRule struct {
	// has is a member of the report; hasNot one that is not there.
	has, hasNot string
	// file and model are parts of those names.
	file, model string
	// by is whose extractor counts, as provider and flavour.
	by string
	// as is how the body is read.
	as canon.Dialect
}

// usageRules are tried in this order.
var usageRules = []usageRule{
	{has: "cache_creation_input_tokens", by: "anthropic default", as: canon.Anthropic},
	{has: "promptTokenDetails", by: "google default", as: "gemini embeddings"},
	{has: "promptTokenCount", by: "google default", as: canon.Gemini},
	{has: "inputTokens", by: "aws default", as: canon.Bedrock},
	{has: "tokens", by: "cohere default", as: canon.Cohere},
	{has: "api_version", by: "cohere embeddings", as: "cohere embeddings"},
	{has: "input_tokens", file: "azure", by: "azure responses", as: canon.Responses},
	{has: "input_tokens", model: "openai/", by: "openai responses", as: canon.Responses}, // OpenRouter's
	{has: "input_tokens", model: "openai.", by: "openai responses", as: canon.Responses}, // of models on Bedrock
	{has: "input_tokens", model: "gpt-", by: "openai responses", as: canon.Responses},
	{has: "input_tokens", model: "o3-", by: "openai responses", as: canon.Responses},
	{has: "input_tokens", model: "o4-", by: "openai responses", as: canon.Responses},
	{has: "input_tokens", file: "test_openai_responses_compact", by: "openai responses", as: canon.Responses},
	{has: "prompt_tokens", hasNot: "completion_tokens", by: "openai embeddings", as: "openai embeddings"},
	{has: "queue_time", by: "groq default", as: canon.OpenAIChat},
	{has: "num_cached_tokens", by: "mistral default", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "mistral", by: "mistral default", as: canon.OpenAIChat},
	{has: "prompt_cache_miss_tokens", by: "deepseek chat", as: canon.OpenAIChat},
	{has: "is_byok", by: "openrouter chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "openrouter", by: "openrouter chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "huggingface", by: "huggingface_together chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "cerebras", by: "cerebras chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "test_zai/", by: "zai chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", model: "gemini-", by: "google chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", file: "test_ollama/", by: "openai chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", model: "gpt-", by: "openai chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", model: "o1-", by: "openai chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", model: "o3-", by: "openai chat", as: canon.OpenAIChat},
	{has: "prompt_tokens", model: "openai.gpt-oss", by: "openai chat", as: canon.OpenAIChat}, // on Bedrock
}

// report is the object of the body that counts.
func (b *usageBody) report() json.RawMessage {
	for _, raw := range []json.RawMessage{b.Body.Usage, b.Body.UsageMetadata, b.Body.Meta} {
		if raw != nil {
			return raw
		}
	}
	return nil
}

// rule is the first one that claims the body.
func (b *usageBody) rule() *usageRule {
	i := slices.IndexFunc(usageRules, func(r usageRule) bool {
		_, has := b.Body.counts[r.has]
		_, not := b.Body.counts[r.hasNot]
		return has && !not && strings.Contains(b.Body.File, r.file) && strings.HasPrefix(b.Body.Model, r.model)
	})
	if i < 0 {
		return nil
	}
	return &usageRules[i]
}

// theirs is what the extractor of the rule found.
func (b *usageBody) theirs(by string) map[string]int64 {
	for _, x := range b.Extracted {
		for _, e := range x.Extractors {
			if e.Provider+" "+e.Flavour == by {
				return x.Usage
			}
		}
	}
	return nil
}

// answers are whole answers of each dialect around a report.
var answers = map[canon.Dialect]string{
	canon.OpenAIChat: `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":%s}`,
	canon.Responses:  `{"id":"resp_1","object":"response","status":"completed","output":[],"usage":%s}`,
	canon.Anthropic:  `{"id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":"end_turn","usage":%s}`,
	canon.Gemini:     `{"candidates":[{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":%s}`,
	canon.Bedrock:    `{"output":{"message":{"role":"assistant","content":[{"text":"x"}]}},"stopReason":"end_turn","usage":%s}`,
	canon.Cohere:     `{"id":"1","message":{"role":"assistant","content":[]},"finish_reason":"COMPLETE","usage":%s}`,
}

// readUsage reads a report in each way that the request path has for it: they
// must agree.
func readUsage(t *testing.T, as canon.Dialect, raw json.RawMessage) canon.Usage {
	t.Helper()
	if name, ok := strings.CutSuffix(string(as), " embeddings"); ok {
		return readEmbeddingUsage(t, name, raw)
	}
	var a canon.Answer
	if bad := formatOf(as).ReadAnswer(fmt.Appendf(nil, answers[as], raw), &a); bad != nil {
		t.Fatal(bad)
	}
	u, passed := a.Usage, canon.Usage{}
	switch as {
	case canon.OpenAIChat:
		openai.ReadUsage(raw, &passed)
		var plain openai.Answer
		if err := plain.ReadPlain(fmt.Appendf(nil, answers[as], raw)); err != nil {
			t.Fatal(err)
		}
		var passing usagev1.Tokens
		plain.Usage.Tokens(&passing)
		if want := classesOf(&u); passing.String() != want.String() {
			t.Errorf("%s: passing %v, translated %v", raw, &passing, want)
		}
	case canon.Responses:
		responses.ReadUsage(raw, &passed)
	case canon.Anthropic:
		anthropic.ReadUsage(&passed, nil, raw)
	case canon.Gemini:
		gemini.ReadUsage(raw, &passed)
	default:
		passed = u
	}
	if got, want := classesOf(&passed).String(), classesOf(&u).String(); got != want || passed.Searches != u.Searches || !u.Reported {
		t.Errorf("%s: passing %s, translated %s", raw, got, want)
	}
	return u
}

func readEmbeddingUsage(t *testing.T, name string, raw json.RawMessage) canon.Usage {
	t.Helper()
	var a embedding.Answer
	ok := false
	switch name {
	case "cohere":
		ok = embedding.FormOf(name, "").Read(fmt.Appendf(nil, `{"embeddings":{"float":[[1]]},"meta":%s}`, raw), &a)
	case "gemini":
		ok = embedding.ReadUsage(fmt.Appendf(nil, `{"embedding":{"values":[1]},"usageMetadata":%s}`, raw), &a)
	default:
		ok = embedding.ReadUsage(fmt.Appendf(nil, `{"object":"list","data":[{"embedding":[1],"index":0}],"usage":%s}`, raw), &a)
	}
	if !ok || !a.Reported {
		t.Errorf("%s: no report was read of %s", name, raw)
	}
	return canon.Usage{Reported: true, Input: a.Tokens}
}

// classesOf are the classes of an event.
func classesOf(u *canon.Usage) *usagev1.Tokens {
	return &usagev1.Tokens{
		Input: u.Input, AudioInput: u.AudioInput, ImageInput: u.ImageInput,
		CacheRead: u.CacheRead - u.AudioCacheRead, AudioCacheRead: u.AudioCacheRead,
		CacheWrite: u.CacheWrite - u.CacheWriteHour, CacheWriteHour: u.CacheWriteHour,
		Output: u.Output, AudioOutput: u.AudioOutput, ImageOutput: u.ImageOutput, Reasoning: u.Reasoning,
	}
}

// ours puts the classes as extractors do: sums, and parts of them.
func ours(u *canon.Usage) map[string]int64 {
	return map[string]int64{
		"input_tokens": u.Prompt(), "output_tokens": u.Completion(),
		"cache_read_tokens": u.CacheRead, "cache_write_tokens": u.CacheWrite,
		"cache_write_1h_tokens": u.CacheWriteHour, "cache_audio_read_tokens": u.AudioCacheRead,
		"input_audio_tokens": u.AudioInput + u.AudioCacheRead, "output_audio_tokens": u.AudioOutput,
		"input_image_tokens": u.ImageInput, "output_image_tokens": u.ImageOutput,
		"output_reasoning_tokens": u.Reasoning, "web_searches": u.Searches,
	}
}

// noClass are parts that have no class of their own.
var noClass = map[string]string{
	"input_text_tokens": "text is what is left of the input", "input_text_tool_tokens": "as input_text_tokens",
	"output_text_tokens": "text is what is left of the output", "input_tool_tokens": "what tools read is input",
	"input_video_tokens": "video is priced as text is", "cache_video_read_tokens": "as input_video_tokens",
	"cache_text_read_tokens": "text is what is left of the cache", "cache_image_read_tokens": "a cache's images are priced as its text is",
	"cache_write_5m_tokens": "what is not kept for an hour",
}

// usageReason says why a number of ours is not the extractor's.
type usageReason struct {
	by, key, why string
	holds        func(b *usageBody, theirs, ours int64) bool
}

var usageReasons = []usageReason{
	{"mistral default", "cache_read_tokens", "what Mistral read from its cache it calls num_cached_tokens, which the extractor does not know",
		func(b *usageBody, _, ours int64) bool { return ours == number(b.Body.counts["num_cached_tokens"]) }},
	{"google default", "input_image_tokens", "the extractor counts pages of documents as images, and images from the cache here as well: pages are priced as text is, and what was cached is cache_read",
		func(b *usageBody, theirs, ours int64) bool {
			return theirs-ours == b.modality("promptTokensDetails", "DOCUMENT")+b.modality("cacheTokensDetails", "IMAGE")
		}},
}

// strayTotals are totals that hold what the provider says of no class.
var strayTotals = map[string]string{
	"models/cassettes/test_openai/test_compatible_api_with_tool_calls_without_id.yaml": "Google's chat completions hide thoughts in the total, and say nowhere what they are",
}

// modality is what a list of details says of one.
func (b *usageBody) modality(list, modality string) (n int64) {
	var details []struct {
		Modality   string
		TokenCount int64
	}
	json.Unmarshal(b.Body.counts[list], &details)
	for _, d := range details {
		if d.Modality == modality {
			n += d.TokenCount
		}
	}
	return n
}

func number(raw json.RawMessage) (n int64) {
	json.Unmarshal(raw, &n)
	return n
}

// usageBodies are those that are kept beside the repository.
func usageBodies(t *testing.T) (all []usageBody) {
	t.Helper()
	data := recordings.Read(t, recordings.Dir(t)+"/genai-prices-usage/usages.json")
	if err := json.Unmarshal(data, &all); err != nil || len(all) < 700 {
		t.Fatal(len(all), err)
	}
	for i := range all {
		if err := json.Unmarshal(all[i].report(), &all[i].Body.counts); err != nil {
			t.Fatal(all[i].Body.File, err)
		}
	}
	return all
}

// TestRecordedUsagesOfAllProviders: of each report the classes are those that
// its own provider's extractor found, they sum up to the provider's own totals,
// and they cost what exact arithmetic says.
func TestRecordedUsagesOfAllProviders(t *testing.T) {
	counts, used := map[string][3]int{}, map[int]int{}
	for _, b := range usageBodies(t) {
		r := b.rule()
		if r == nil {
			n := counts["(no rule)"]
			n[0]++
			counts["(no rule)"] = n
			t.Errorf("%s: no rule claims %s of %s", b.Body.File, b.report(), b.Body.Model)
			continue
		}
		theirs := b.theirs(r.by)
		if theirs == nil {
			t.Errorf("%s: %s extracted nothing", b.Body.File, r.by)
			continue
		}
		u := readUsage(t, r.as, b.report())
		n := counts[r.by]
		n[0]++
		if b.compare(t, r, theirs, ours(&u), used) {
			n[1]++
		} else {
			n[2]++
		}
		counts[r.by] = n
		b.sums(t, &u)
		exactCost(t, classesOf(&u), u.Searches)
	}
	for i, r := range usageReasons {
		if used[i] == 0 {
			t.Errorf("no difference has the reason %q", r.why)
		}
	}
	var sum [3]int
	for _, by := range slices.Sorted(maps.Keys(counts)) {
		n := counts[by]
		t.Logf("%-28s %3d bodies, %3d equal, %3d with a reason", by, n[0], n[1], n[2])
		for i := range sum {
			sum[i] += n[i]
		}
	}
	t.Logf("%-28s %3d bodies, %3d equal, %3d with a reason", "all", sum[0], sum[1], sum[2])
}

// compare says whether nothing differs; what has no reason is an error.
func (b *usageBody) compare(t *testing.T, r *usageRule, theirs, ours map[string]int64, used map[int]int) bool {
	t.Helper()
	equal := true
	keys := maps.Clone(theirs)
	maps.Copy(keys, ours)
	for key := range keys {
		if _, known := ours[key]; !known {
			if noClass[key] == "" {
				t.Errorf("%s: %s is not known", b.Body.File, key)
			}
			continue
		}
		if ours[key] == theirs[key] {
			continue
		}
		equal = false
		i := slices.IndexFunc(usageReasons, func(x usageReason) bool {
			return x.by == r.by && x.key == key && x.holds(b, theirs[key], ours[key])
		})
		if i < 0 {
			t.Errorf("%s: %s %s is %d, %s says %d: %s", b.Body.File, b.Body.Model, key, ours[key], r.by, theirs[key], b.report())
			continue
		}
		used[i]++
	}
	return equal
}

// sums checks that nothing is negative or counted twice.
func (b *usageBody) sums(t *testing.T, u *canon.Usage) {
	t.Helper()
	k := classesOf(u)
	for _, n := range []int64{k.Input, k.AudioInput, k.ImageInput, k.CacheRead, k.AudioCacheRead, k.CacheWrite, k.CacheWriteHour,
		k.Output, k.AudioOutput, k.ImageOutput, k.Reasoning, k.Output - k.Reasoning} {
		if n < 0 {
			t.Errorf("%s: negative: %v", b.Body.File, k)
		}
	}
	of := func(names ...string) (n int64) {
		for _, name := range names {
			n += number(b.Body.counts[name])
		}
		return n
	}
	in, out := money.InputTokens(k), money.OutputTokens(k)
	if want := of("prompt_tokens", "promptTokenCount", "toolUsePromptTokenCount", "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
		"inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"); want > 0 && in != want {
		t.Errorf("%s: %d went in, the provider says %d: %s", b.Body.File, in, want, b.report())
	}
	if want := of("completion_tokens", "candidatesTokenCount", "thoughtsTokenCount", "output_tokens", "outputTokens"); want > 0 && out != want {
		t.Errorf("%s: %d came out, the provider says %d: %s", b.Body.File, out, want, b.report())
	}
	if want := of("total_tokens", "totalTokenCount", "totalTokens"); want > 0 && (in+out != want) != (strayTotals[b.Body.File] != "") {
		t.Errorf("%s: %d in all, the provider says %d: %s", b.Body.File, in+out, want, b.report())
	}
}

// exactCost checks an amount against arithmetic of any size, at a price that
// no two classes share.
func exactCost(t *testing.T, k *usagev1.Tokens, searches int64) {
	t.Helper()
	prices := [11]int64{1_000_000_007, 3_000_000_019, 101_000_003, 1_250_000_033, 2_000_000_011, 7_000_000_001, 53_000_017, 1_900_000_021, 11_000_000_023, 13_000_000_037, 17_000_000_047}
	p := &configv1.Price{
		Input: prices[0], Output: prices[1], CacheRead: &prices[2], CacheWrite: &prices[3], CacheWriteHour: &prices[4], AudioInput: &prices[5],
		AudioCacheRead: &prices[6], ImageInput: &prices[7], AudioOutput: &prices[8], ImageOutput: &prices[9], Reasoning: &prices[10],
		PerSearch: 10_000_000, PerRequest: 12_345,
	}
	sum := new(big.Int)
	for i, n := range []int64{k.Input, k.Output - k.Reasoning, k.CacheRead, k.CacheWrite, k.CacheWriteHour, k.AudioInput,
		k.AudioCacheRead, k.ImageInput, k.AudioOutput, k.ImageOutput, k.Reasoning} {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(n), big.NewInt(prices[i])))
	}
	const million = 1_000_000
	sum.Add(sum, new(big.Int).Mul(big.NewInt(searches*p.PerSearch+p.PerRequest), big.NewInt(million)))
	sum.Div(sum.Add(sum, big.NewInt(million/2)), big.NewInt(million)) // half up
	if got := money.Cost(p, k, &usagev1.Units{Searches: searches}); sum.Cmp(big.NewInt(int64(got))) != 0 {
		t.Errorf("%v costs %d, want %s", k, got, sum)
	}
}
