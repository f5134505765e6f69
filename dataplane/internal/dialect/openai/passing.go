package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// ReadUsage reads a usage object that was found by itself.
func ReadUsage(raw []byte, u *canon.Usage) {
	var s jsonscan.Scanner
	readReport(&s, raw, u)
}
