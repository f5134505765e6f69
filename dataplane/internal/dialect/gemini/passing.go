package gemini

import "github.com/tollgate/tollgate/dataplane/internal/dialect/canon"

// ReadUsage reads a report that was found by itself.
func ReadUsage(raw []byte, u *canon.Usage) { readUsage(raw, u) }
