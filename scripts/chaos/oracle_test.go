package main

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// TestJudge spoils a good run in each way that must be found.
func TestJudge(t *testing.T) {
	type logs struct {
		served  []fakeprovider.Record
		ledger  []Entry
		callers []loadgen.Record
	}
	good := func() logs {
		return logs{
			[]fakeprovider.Record{{RequestID: "a", Input: 10, Output: 5, Complete: true}, {RequestID: "b", Output: 2}},
			[]Entry{{RequestID: "a", Plane: "p", Epoch: 1, Seq: 1, Outcome: outcomeOK, Input: 10, Output: 5},
				{RequestID: "b", Plane: "p", Epoch: 1, Seq: 2, Outcome: outcomeInterrupted, Estimated: true}},
			[]loadgen.Record{{ID: "a", Status: 200}, {ID: "b", Failure: loadgen.Cut}},
		}
	}
	for _, c := range []struct {
		name, want string
		spoil      func(*logs)
	}{
		{"good", "", func(*logs) {}},
		{"lost", "lost", func(l *logs) { l.ledger = l.ledger[:1] }},
		{"double", "double", func(l *logs) {
			e := l.ledger[0]
			e.Seq = 3
			l.ledger = append(l.ledger, e)
		}},
		{"invented", "invented", func(l *logs) {
			l.ledger = append(l.ledger, Entry{RequestID: "c", Plane: "p", Epoch: 1, Seq: 3, Outcome: outcomeOK})
		}},
		{"tokens", "differ", func(l *logs) { l.ledger[0].Output = 6 }},
		{"estimated", "differ", func(l *logs) { l.ledger[0].Estimated = true }},
		{"half served, fully charged", "differ", func(l *logs) { l.ledger[1].Outcome = outcomeOK }},
		{"whole answer, not settled", "differ", func(l *logs) { l.ledger[0].Outcome = outcomeInterrupted }},
		{"gap", "gaps", func(l *logs) { l.ledger[1].Seq = 3 }},
		{"second attempt", "", func(l *logs) { l.served = append(l.served, fakeprovider.Record{RequestID: "a"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := good()
			c.spoil(&l)
			v := Judge(l.served, l.ledger, l.callers)
			if got := v.Failed(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("verdict %q, want %q", got, c.want)
			}
		})
	}
}
