package canon_test

import (
	"strconv"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

func TestCallsGetIDs(t *testing.T) {
	call := func(name string) canon.Part { return canon.Part{Kind: canon.ToolCallPart, Name: canon.Quote(name)} }
	result := func(name string) canon.Part {
		return canon.Part{Kind: canon.ToolResultPart, Name: canon.Quote(name)}
	}
	own := call("own")
	own.ID = canon.Quote("mine")
	r := canon.Request{Messages: []canon.Message{
		{Role: canon.Assistant, Parts: []canon.Part{call("a"), call("b"), own}},
		{Role: canon.ToolRole, Parts: []canon.Part{result("b"), result("a"), result("unheard-of")}},
		{Role: canon.Assistant, Parts: []canon.Part{call("a")}},
		{Role: canon.ToolRole, Parts: []canon.Part{result("a")}},
	}}
	r.NameCalls()
	var got string
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			got += p.ID.String() + " "
		}
	}
	if want := "call_1 call_2 mine call_2 call_1  call_3 call_3 "; got != want {
		t.Errorf("ids %q, want %q", got, want)
	}

	n := 0
	a := canon.Answer{Choices: []canon.Choice{{Parts: []canon.Part{call("a"), own, call("b")}}}}
	a.NameCalls(func() canon.Text { n++; return canon.Quote(strconv.Itoa(n)) })
	if p := a.Choices[0].Parts; !p[0].ID.Is("1") || !p[1].ID.Is("mine") || !p[2].ID.Is("2") {
		t.Errorf("ids %s %s %s", p[0].ID, p[1].ID, p[2].ID)
	}
}
