package canon_test

import (
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

func TestCustomToolsAsFunctions(t *testing.T) {
	name := canon.Quote("patch")
	call := canon.Part{Kind: canon.ToolCallPart, Name: name, Custom: true, Args: canon.Raw(`"a \"b\"\n"`)}
	r := &canon.Request{
		Tools: []canon.Tool{{Name: canon.Quote("other"), Schema: canon.Raw(`{}`)}, {Name: name, Custom: true, Grammar: canon.Raw(`{}`)}},
		Messages: []canon.Message{
			{Parts: []canon.Part{{Kind: canon.TextPart}}},
			{Role: canon.Assistant, Parts: []canon.Part{call}},
			{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResultPart, Custom: true}}},
		},
	}
	var lost canon.Losses
	f := r.FunctionsOnly(&lost)
	p := f.Messages[1].Parts[0]
	if f.Tools[1].Custom || f.Tools[1].Schema == nil || len(lost) != 1 || p.Custom || f.Messages[2].Parts[0].Custom {
		t.Errorf("tools %+v, lost %v, call %+v", f.Tools, lost, p)
	}
	if string(p.Args) != `{"input":"a \"b\"\n"}` {
		t.Errorf("arguments %s", p.Args)
	}
	if !r.Tools[1].Custom || !r.Messages[1].Parts[0].Custom || !canon.IsNamed(r.CustomTools(), name) {
		t.Error("the request itself was changed")
	}

	a := canon.Answer{Choices: []canon.Choice{{Parts: []canon.Part{p, {Kind: canon.ToolCallPart, Name: canon.Quote("other"), Args: canon.Raw(`{"input":"a"}`)}}}}}
	a.CustomCalls(r.CustomTools())
	if got := a.Choices[0].Parts; !got[0].Custom || string(got[0].Args) != string(call.Args) || got[1].Custom {
		t.Errorf("answer %+v", got)
	}
}

func TestFreeText(t *testing.T) {
	for in, want := range map[string]string{
		`{"input":"a\nb"}`:       `"a\nb"`,
		` { "input" : "a" } `:    `"a"`,
		`{"input":"a`:            `"{\"input\":\"a"`,
		`{"input":"a","more":1}`: `"{\"input\":\"a\",\"more\":1}"`,
		`{"input":1}`:            `"{\"input\":1}"`,
		`free`:                   `"free"`,
		``:                       `""`,
	} {
		if got := string(canon.FreeText([]byte(in))); got != want {
			t.Errorf("%s gives %s, want %s", in, got, want)
		}
	}
}
