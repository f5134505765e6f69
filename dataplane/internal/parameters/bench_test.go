package parameters

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
)

// BenchmarkApply is what a call pays whose key has rules.
func BenchmarkApply(b *testing.B) {
	body := []byte(`{"model":"fast","messages":[{"role":"user","content":"` + strings.Repeat("some words ", 3000) + `"}],"max_tokens":5000,"temperature":1}`)
	for name, rs := range map[string]*Rules{
		"judged": rules(b, only("tools", forbid), between("temperature", 0, 2)),
		"edited": rules(b, between("max_tokens", 1, 100)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, f := Apply(&Call{Key: rs, Body: body, Dialect: canon.OpenAIChat, Model: "m", Format: openai.Format{}}); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
}
