package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// FuzzBody holds the check of bodies against the decoder that handlers use:
// what passes decodes, and what is refused names a place.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"name":"x"}`, `{"name":"x","expires_at":"2027-01-01T00:00:00Z","allowed_routes":["a"]}`, `{"name":null}`, `[]`, `{`,
		`{"name":"a","name":"b"}`, `{"NAME":"x","name":"y"}`, "{\"name\":\"\\u0000\"}", `{"name":"x","expires_at":"2027-13-01T00:00:00Z"}`, `1e999`, ``} {
		f.Add(s)
	}
	doc, err := apiserver.GetSpec()
	if err != nil {
		f.Fatal(err)
	}
	ops, err := readOperations(doc, rules())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		fields, err := checkBody(r, []byte(body), ops["createApiKey"].body)
		if err != nil {
			if _, ok := errors.AsType[*fault.Fault](err); !ok {
				t.Fatalf("%q: %v is no fault", body, err)
			}
			return
		}
		for _, x := range fields {
			if !strings.HasPrefix(x.Location, "body") || x.Message == "" {
				t.Errorf("%q: field %+v", body, x)
			}
		}
		if len(fields) > 0 {
			return
		}
		var in apiserver.ApiKeyCreate
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Errorf("%q passed and does not decode: %v", body, err)
		}
		if in.Name == "" || strings.ContainsRune(in.Name, 0) {
			t.Errorf("%q passed with the name %q", body, in.Name)
		}
	})
}

// FuzzCursor shows that only cursors of this list come through.
func FuzzCursor(f *testing.F) {
	s := &Server{cfg: Config{CursorKey: []byte("0123456789abcdef0123456789abcdef")}}
	ctx := context.WithValue(context.Background(), callKey{}, &call{operation: "listProjects", header: http.Header{}})
	good := *s.next(ctx, "prj_1", "2")
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		position, err := s.after(ctx, &cursor)
		switch {
		case cursor == "" || cursor == good:
			if err != nil {
				t.Errorf("%q: %v", cursor, err)
			}
		case err == nil:
			t.Errorf("%q was taken for %v", cursor, position)
		case fault.From(err).Kind != fault.ValidationFailed:
			t.Errorf("%q: %v", cursor, err)
		}
	})
}
