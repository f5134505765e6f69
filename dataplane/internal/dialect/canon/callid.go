package canon

import (
	"bytes"
	"strconv"
)

// Gemini's calls may have no id: results answer them by name and order. All
// other dialects demand one.

// NameCalls gives ids to calls in a request that have none, and to their
// results.
func (r *Request) NameCalls() {
	var open []*Part
	made := 0
	for i := range r.Messages {
		parts := r.Messages[i].Parts
		for k := range parts {
			switch p := &parts[k]; {
			case p.Kind == ToolCallPart && p.ID.Empty():
				made++
				p.ID = Quote("call_" + strconv.Itoa(made))
				open = append(open, p)
			case p.Kind == ToolResultPart && p.ID.Empty() && len(open) > 0:
				at := answers(open, p.Name)
				p.ID = open[at].ID
				open = append(open[:at], open[at+1:]...)
			}
		}
	}
}

// answers finds the oldest open call of a tool, or the oldest of all.
func answers(open []*Part, name Text) int {
	for i, p := range open {
		if bytes.Equal(p.Name, name) {
			return i
		}
	}
	return 0
}

// NameCalls gives ids that made makes to calls in an answer that have none.
// They must be of one conversation only once.
func (a *Answer) NameCalls(made func() Text) {
	for i := range a.Choices {
		parts := a.Choices[i].Parts
		for k := range parts {
			if p := &parts[k]; p.Kind == ToolCallPart && p.ID.Empty() {
				p.ID = made()
			}
		}
	}
}
