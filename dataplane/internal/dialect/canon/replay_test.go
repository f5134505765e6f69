package canon

import (
	"reflect"
	"testing"
)

// TestReplayIsWhatFoldFolds: an answer told as events and folded again is the
// same answer.
func TestReplayIsWhatFoldFolds(t *testing.T) {
	a := Answer{
		From: OpenAIChat, ID: Quote("a1"), Model: Quote("m"), Created: 7, ServiceTier: Quote("default"),
		Usage: Usage{Reported: true, Input: 3, Output: 4},
		Choices: []Choice{
			{Stop: StopTools, StopRaw: Quote("tool_calls"), Parts: []Part{
				{Kind: ReasoningPart, Text: Quote("Hm \"so\"."), Signature: Quote("sig"), From: Anthropic},
				{Kind: TextPart, Text: Quote("Line\nline"), Citations: []Citation{{URL: Quote("https://a"), Start: 1, End: 2}}},
				{Kind: ToolCallPart, ID: Quote("c1"), Name: Quote("f"), Args: Raw(`{"a":"b\n\"c\""}`)},
				{Kind: ToolCallPart, ID: Quote("c2"), Name: Quote("g"), Args: Raw(`"free \"text\""`), Custom: true},
			}},
			{Index: 1, Stop: StopLength, Parts: []Part{{Kind: TextPart, Text: Quote("other")}}},
		},
	}
	var f Fold
	if err := Replay(&a, f.Add); err != nil || !f.Done {
		t.Fatal(err, f.Done)
	}
	if !reflect.DeepEqual(a, f.Answer) {
		t.Errorf("was %+v\nnow %+v", a, f.Answer)
	}
}

func TestHarmless(t *testing.T) {
	for name, want := range map[string]bool{
		"metadata": true, "metadata.trace_id": true, "user": true, "include": true, "store": true, "messages[3].content[0].cache_control": true,
		"temperature": false, "n": false, "logit_bias": false, "tools[1]": false, "stored": false,
	} {
		if got := (&Request{}).Harmless(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	keeps := Request{Extra: []Field{{Name: "store", Value: Raw("true")}}}
	if keeps.Harmless("store") {
		t.Error("who asks to have an answer stored is not told that it is not")
	}
}
