package id_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proto/id"
)

func TestIdsSortByCreationAndKeepTheirKind(t *testing.T) {
	a := id.New(id.APIKey)
	for start := time.Now(); time.Since(start) < 2*time.Millisecond; {
	}
	b := id.New(id.APIKey)
	if a >= b {
		t.Errorf("%q was made before %q but sorts after it", a, b)
	}
	if !id.Valid(id.APIKey, a) || id.Valid(id.Route, a) || id.Valid(id.APIKey, a+"0") || id.Valid(id.APIKey, "key_"+"OOOOOOOOOOOOOOOOOOOOOOOOOO") {
		t.Error("Valid does not tell ids apart")
	}
}

func TestRequestIdsOfCallersAreTakenWhenHarmless(t *testing.T) {
	for _, good := range []string{"x", "7", "-a", "my-id_1.b", strings.Repeat("x", 128)} {
		if got := id.OfRequest(good); got != good {
			t.Errorf("%q became %q", good, got)
		}
	}
	for _, bad := range []string{"", ".", "..", "-", "_.-", "has space", "semi;colon", "é", "a\n", strings.Repeat("x", 129)} {
		if got := id.OfRequest(bad); !id.Valid(id.Request, got) {
			t.Errorf("%q became %q", bad, got)
		}
	}
}
