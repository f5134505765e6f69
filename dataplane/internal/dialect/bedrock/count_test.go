package bedrock_test

import (
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/proto/fault"
)

func TestCounts(t *testing.T) {
	for body, want := range map[string]int64{`{"inputTokens":7}`: 7, `{"inputTokens":0,"x":1}`: 0} {
		if n, f := bedrock.ReadCount([]byte(body)); f != nil || n != want {
			t.Errorf("%s: %d %v", body, n, f)
		}
	}
	for _, body := range []string{``, `{}`, `{"inputTokens":1`, `[]`, `{"message":"no"}`} {
		if _, f := bedrock.ReadCount([]byte(body)); f == nil || f.Kind != fault.UpstreamGarbage {
			t.Errorf("%s: %v", body, f)
		}
	}
}

// TestCountPaths: profiles are not known where tokens are counted, ARNs stay.
func TestCountPaths(t *testing.T) {
	for model, want := range map[string]string{
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0":                                         "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
		"anthropic.claude-3-5-haiku-20241022-v1:0":                                             "/model/anthropic.claude-3-5-haiku-20241022-v1%3A0/count-tokens",
		"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0": "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fanthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens",
	} {
		if got := bedrock.CountPath(model); got != want {
			t.Errorf("%s: %s", model, got)
		}
	}
}
