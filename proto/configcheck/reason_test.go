package configcheck_test

import (
	"slices"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
)

func TestReasonsAreFew(t *testing.T) {
	for path, want := range map[string]string{
		"envelope": "envelope", "envelope.tenant_id": "envelope", "payload": "payload", "sealed_secret": "secret",
		"targets[0].model_id": "field", "name": "field", "": "field", "ten_a made this up": "field",
	} {
		got := configcheck.Reason(path)
		if got != want || !slices.Contains(configcheck.Reasons(), got) {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
