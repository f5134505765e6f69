package pipeline

import "testing"

func TestVersionsAreNotOtherModels(t *testing.T) {
	for name, want := range map[string]bool{
		"gpt-5": true, "gpt-5-2025-08-07": true, "gpt-5-0613": true, "gpt-5@20250807": true, "gpt-5-001": true,
		"gpt-5.4": false, "gpt-5-4": false, "gpt-5-4-20251101": false, "gpt-5-mini": false, "gpt-51": false, "gpt-5-12": false, "gpt": false,
	} {
		if got := isVersion(name, "gpt-5"); got != want {
			t.Errorf("%s as a version of gpt-5: %t", name, got)
		}
	}
}
