package fault_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
)

func TestEveryKindSaysWhatHappenedAndWhatToDo(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]bool{}
	for _, k := range fault.All() {
		if seen[k.Code] {
			t.Errorf("%s stands twice", k.Code)
		}
		seen[k.Code] = true
		if !code.MatchString(k.Code) || k.Status < 400 || k.Status > 599 || k.Type == "" {
			t.Errorf("%s: malformed row %+v", k.Code, k)
		}
		if !strings.HasSuffix(k.Text, ".") || !strings.HasSuffix(k.Fix, ".") {
			t.Errorf("%s: text and fix are sentences", k.Code)
		}
		if fault.ByCode(k.Code) != k {
			t.Errorf("%s is not found by its code", k.Code)
		}
	}
	if fault.ByCode("no_such_code") != nil {
		t.Error("an unknown code was found")
	}
}

func TestSpokenEndsWithTheFix(t *testing.T) {
	own := fault.New(fault.ModelNotFound, "", nil)
	if got := own.Spoken(); got != fault.ModelNotFound.Text+" "+fault.ModelNotFound.Fix {
		t.Errorf("an SDK's user reads %q", got)
	}
	if got := own.WithFix("Ask."); got.Spoken() != fault.ModelNotFound.Text+" Ask." || got.PublicFix() != "Ask." {
		t.Errorf("its own advice is lost: %q", got.Spoken())
	}
	quoted := fault.New(fault.UpstreamRejected, "The provider refused the call: too long", nil)
	quoted.Status = 400
	if got := quoted.Spoken(); got != quoted.Detail {
		t.Errorf("a provider's words became %q", got)
	}
	long := fault.New(fault.BadRequest, strings.Repeat("x", 400), nil)
	if long.Spoken() != long.Detail {
		t.Error("a long message grew")
	}
}

func TestUnknownErrorsLoseTheirText(t *testing.T) {
	cause := errors.New("password is hunter2")
	f := fault.From(fmt.Errorf("query: %w", cause))
	if f.Kind != fault.Internal || strings.Contains(f.Public(), "hunter2") {
		t.Errorf("callers would see %q", f.Public())
	}
	if !errors.Is(f, cause) || !strings.Contains(f.Error(), "hunter2") {
		t.Error("the log would miss the cause")
	}
	wrapped := fmt.Errorf("create key: %w", fault.New(fault.Forbidden, "", cause))
	if got := fault.From(wrapped); got.Kind != fault.Forbidden {
		t.Errorf("a wrapped fault became %s", got.Kind.Code)
	}
}
