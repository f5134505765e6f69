package jsonscan

import (
	"strings"
	"testing"
)

// BenchmarkStr passes over one text of 30 KB, as prompts are.
func BenchmarkStr(b *testing.B) {
	text := []byte(`"` + strings.Repeat("Please count the coins in the box by the gate once more and tell me how many. ", 390) + `"`)
	var s Scanner
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(text)
		if _, _, ok := s.Str(); !ok {
			b.Fatal("no string")
		}
	}
}

// BenchmarkEscapes passes over a text with many escapes, as code has them.
func BenchmarkEscapes(b *testing.B) {
	text := []byte(`"` + strings.Repeat(`func main() {\n\tfmt.Println(\"hi\")\n}\n`, 780) + `"`)
	var s Scanner
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Reset(text)
		if _, _, ok := s.Str(); !ok {
			b.Fatal("no string")
		}
	}
}
