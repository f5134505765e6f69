package id_test

import (
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
