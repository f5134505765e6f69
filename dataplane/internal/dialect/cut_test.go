package dialect_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Recordings up to these sizes are cut at each place; larger ones at as many
// places, spread evenly.
const (
	mostByteCuts  = 3 << 10
	mostEventCuts = 120
)

// TestRecordingsCutAnywhere cuts each recording: a whole answer at each byte, a
// stream behind each event and, in the event after that, at some bytes. What is
// left is a fault of a known kind or, where only the end is missing that says
// nothing, an answer.
func TestRecordingsCutAnywhere(t *testing.T) {
	began := time.Now()
	cuts, answers := 0, 0
	for _, r := range recorded(t) {
		f := formatOf(r.dialect)
		check := func(at int, err error) {
			cuts++
			if err == nil {
				answers++
			} else if typed := (*fault.Fault)(nil); !errors.As(err, &typed) || typed.Kind == fault.Internal {
				t.Errorf("%s cut at %d: %v, want a fault", r.path, at, err)
			}
		}
		if r.payloads == nil {
			for at := 0; at < len(r.body); at += 1 + len(r.body)/mostByteCuts {
				check(at, readCut(f, r.body[:at]))
			}
			continue
		}
		for at := 0; at < len(r.payloads); at += 1 + len(r.payloads)/mostEventCuts {
			check(at, foldCut(f, r.payloads[:at], nil))
			next := r.payloads[at]
			check(at, foldCut(f, r.payloads[:at], next[:len(next)*(at%8)/8]))
		}
	}
	t.Logf("%d cuts in %v: %d faults, %d answers", cuts, time.Since(began).Round(time.Millisecond), cuts-answers, answers)
	if answers > cuts/4 {
		t.Errorf("%d of %d cut recordings pass for whole ones", answers, cuts)
	}
}

// readCut gives an untyped nil where there is no fault.
func readCut(f dialect.Format, body []byte) error {
	var a canon.Answer
	if bad := f.ReadAnswer(body, &a); bad != nil {
		return bad
	}
	return nil
}

// foldCut reads a stream that breaks off, within an event where torn is given.
func foldCut(f dialect.Format, payloads [][]byte, torn []byte) error {
	var whole canon.Fold
	r := f.NewReader()
	for _, p := range payloads {
		var named struct{ Type string }
		if f.Name() != canon.OpenAIChat && f.Name() != canon.Gemini {
			json.Unmarshal(p, &named)
		}
		if err := r.Read([]byte(named.Type), p, whole.Add); err != nil {
			return err
		}
	}
	if torn != nil {
		if err := r.Read(nil, torn, whole.Add); err != nil {
			return err
		}
	}
	return r.End(whole.Add)
}
