package anthropic

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// ReadUsage reads the usage objects of one answer that were found by
// themselves: what a later one names replaces what an earlier one said.
func ReadUsage(u *canon.Usage, raws ...[]byte) {
	var r report
	for _, raw := range raws {
		if len(raw) == 0 {
			continue
		}
		var s jsonscan.Scanner
		s.Reset(raw)
		if !r.read(&s) {
			return
		}
	}
	*u = r.usage()
}
