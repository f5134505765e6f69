package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// Entry is a row of the ledger.
type Entry struct {
	RequestID string
	Plane     string
	Epoch     int64
	Seq       int64
	Outcome   int
	Status    int
	Estimated bool
	Input     int64
	Output    int64
}

// outcomeOK is OUTCOME_OK of the usage contract.
const outcomeOK = 1

// Verdict compares what the provider served, what callers saw and what the
// ledger holds. All but the counts must be empty or zero.
type Verdict struct {
	Served  int `json:"served"`
	Ledger  int `json:"ledger"`
	Callers int `json:"callers"`
	// Lost were served but are not in the ledger; Double are in it more than
	// once; Invented have a good outcome but were never served.
	Lost     []string `json:"lost,omitempty"`
	Double   []string `json:"double,omitempty"`
	Invented []string `json:"invented,omitempty"`
	// Differ are whole answers whose tokens are not those that were served, or
	// which the ledger does not know as good.
	Differ []string `json:"differ,omitempty"`
	// Gaps are numbers missing within an epoch of a data plane.
	Gaps []string `json:"gaps,omitempty"`
	// Interrupted requests were open when their data plane died.
	Interrupted int `json:"interrupted"`
}

// Failed says what is wrong; empty when nothing is.
func (v Verdict) Failed() string {
	var out []string
	for _, list := range []struct {
		name string
		ids  []string
	}{{"lost", v.Lost}, {"double", v.Double}, {"invented", v.Invented}, {"differ", v.Differ}, {"gaps", v.Gaps}} {
		if len(list.ids) > 0 {
			out = append(out, fmt.Sprintf("%d %s, first %s", len(list.ids), list.name, list.ids[0]))
		}
	}
	return strings.Join(out, "; ")
}

// Judge compares the three logs.
func Judge(served []fakeprovider.Record, ledger []Entry, callers []loadgen.Record) Verdict {
	v := Verdict{Served: len(served), Ledger: len(ledger), Callers: len(callers)}
	rows := map[string][]Entry{}
	for _, e := range ledger {
		rows[e.RequestID] = append(rows[e.RequestID], e)
		if e.Outcome == outcomeInterrupted {
			v.Interrupted++
		}
	}
	whole := map[string]bool{}
	for _, c := range callers {
		whole[c.ID] = c.OK()
	}
	// A request may reach the provider twice: a second attempt is one more
	// record here and still one row there.
	byID := map[string]fakeprovider.Record{}
	for _, s := range served {
		if old, ok := byID[s.RequestID]; !ok || s.Complete && !old.Complete {
			byID[s.RequestID] = s
		}
	}
	for id, s := range byID {
		switch got := rows[id]; {
		case len(got) == 0:
			v.Lost = append(v.Lost, id)
		case len(got) > 1:
			v.Double = append(v.Double, id)
		default:
			if why := differ(s, got[0], whole[id]); why != "" {
				v.Differ = append(v.Differ, id+": "+why)
			}
		}
	}
	for id, got := range rows {
		if _, ok := byID[id]; !ok && got[0].Outcome == outcomeOK {
			v.Invented = append(v.Invented, id)
		}
		if _, ok := byID[id]; !ok && len(got) > 1 {
			v.Double = append(v.Double, id)
		}
	}
	v.Gaps = gaps(ledger)
	for _, list := range [][]string{v.Lost, v.Double, v.Invented, v.Differ} {
		slices.Sort(list)
	}
	return v
}

const outcomeInterrupted = 5

// differ compares one served request with its row.
func differ(s fakeprovider.Record, e Entry, callerHasIt bool) string {
	switch {
	case callerHasIt && e.Outcome != outcomeOK:
		// It was settled before its last byte left, or it was not settled.
		return fmt.Sprintf("the caller has the whole answer, the ledger says outcome %d", e.Outcome)
	case e.Outcome != outcomeOK:
		return ""
	case !s.Complete:
		return "the ledger has a good answer, the provider served part of one"
	case e.Estimated:
		return "the tokens are estimated though the provider told them"
	case e.Input != int64(s.Input) || e.Output != int64(s.Output):
		return fmt.Sprintf("served %d in, %d out; the ledger has %d in, %d out", s.Input, s.Output, e.Input, e.Output)
	}
	return ""
}

// gaps finds missing numbers: each epoch counts 1, 2, 3 … without holes.
func gaps(ledger []Entry) (out []string) {
	type boot struct {
		plane string
		epoch int64
	}
	count, highest := map[boot]int64{}, map[boot]int64{}
	for _, e := range ledger {
		b := boot{e.Plane, e.Epoch}
		count[b]++
		highest[b] = max(highest[b], e.Seq)
	}
	for b, n := range count {
		if highest[b] != n {
			out = append(out, fmt.Sprintf("%s epoch %d has %d events up to number %d", b.plane, b.epoch, n, highest[b]))
		}
	}
	slices.Sort(out)
	return out
}

// readLedger reads what the ledger has of a tenant.
func readLedger(ctx context.Context, s *stand.Stand, tenantID string) ([]Entry, error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer c.Close(ctx)
	rows, err := c.Query(ctx, `SELECT request_id, data_plane_id, epoch, seq, outcome, http_status, estimated, input + cache_read, output
		FROM usage_event WHERE tenant_id = $1`, tenantID)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.RequestID, &e.Plane, &e.Epoch, &e.Seq, &e.Outcome, &e.Status, &e.Estimated, &e.Input, &e.Output); err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
