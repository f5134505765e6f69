package httpapi_test

import (
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// endpoint is one operation of the document.
type endpoint struct {
	id, method, path string
	op               *openapi3.Operation
	params           []*openapi3.Parameter
}

// readEndpoints reads the document once for the whole run.
var readEndpoints = sync.OnceValues(func() ([]endpoint, error) {
	doc, err := apiserver.GetSpec()
	if err != nil {
		return nil, err
	}
	var out []endpoint
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			e := endpoint{id: op.OperationID, method: method, path: path, op: op}
			for _, list := range []openapi3.Parameters{item.Parameters, op.Parameters} {
				for _, p := range list {
					e.params = append(e.params, p.Value)
				}
			}
			out = append(out, e)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path+out[i].method < out[j].path+out[j].method })
	return out, nil
})

func endpoints(t *testing.T) []endpoint {
	t.Helper()
	list, err := readEndpoints()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// find is the operation behind a call; literal segments win over parameters.
func find(t *testing.T, method, target string) *endpoint {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	want := strings.Split(path, "/")
	var best *endpoint
	for _, e := range endpoints(t) {
		have := strings.Split(e.path, "/")
		if e.method != method || len(have) != len(want) {
			continue
		}
		fits := true
		for i := range have {
			fits = fits && (have[i] == want[i] || strings.HasPrefix(have[i], "{"))
		}
		if fits && (best == nil || strings.Count(e.path, "{") < strings.Count(best.path, "{")) {
			best = &e
		}
	}
	return best
}

// holdToDocument fails the test when an answer is not what the document
// promises.
func (s *stage) holdToDocument(method, path string, a answer) {
	s.t.Helper()
	e := find(s.t, method, path)
	if e == nil {
		return
	}
	declared := e.op.Responses.Value(strconv.Itoa(a.status))
	if declared == nil {
		declared = e.op.Responses.Default()
		if a.status < 400 {
			s.t.Errorf("%s answers with %d, which the document lacks", e.id, a.status)
			return
		}
	}
	if len(declared.Value.Content) == 0 {
		if a.raw != "" {
			s.t.Errorf("%s answers %d with a body, and should have none: %s", e.id, a.status, a.raw)
		}
		return
	}
	media := declared.Value.Content[strings.TrimSuffix(a.header.Get("Content-Type"), "; charset=utf-8")]
	if media == nil {
		s.t.Errorf("%s answers %d with %s", e.id, a.status, a.header.Get("Content-Type"))
		return
	}
	if media.Schema.Value.Format == "binary" {
		return
	}
	var v any
	if err := json.Unmarshal([]byte(a.raw), &v); err != nil {
		s.t.Errorf("%s answers %d with no JSON: %v", e.id, a.status, err)
		return
	}
	if err := media.Schema.Value.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails()); err != nil {
		s.t.Errorf("%s answers %d against the document: %v: %s", e.id, a.status, err, a.raw)
	}
}

// sample is the smallest body that a schema takes; ids names what to put into
// fields called so.
func sample(schema *openapi3.Schema, ids map[string]string) any {
	switch {
	case schema.Type.Is("object"):
		out := m{}
		for name, p := range schema.Properties {
			if id, ok := ids[name]; ok {
				out[name] = id
			} else if slices.Contains(schema.Required, name) {
				out[name] = sample(p.Value, ids)
			}
		}
		return out
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("string"):
		if ex, ok := schema.Example.(string); ok {
			return ex
		}
		return "sample-" + strings.Repeat("x", int(schema.MinLength))
	case schema.Type.Is("integer"):
		return 1
	case schema.Type.Is("array"):
		return []any{}
	}
	return true
}

// body is a plausible body of an operation, nil when it takes none.
func (e *endpoint) body(ids map[string]string) any {
	if e.op.RequestBody == nil {
		return nil
	}
	return sample(e.op.RequestBody.Value.Content.Get("application/json").Schema.Value, ids)
}

// address fills the path's parameters.
func (e *endpoint) address(ids map[string]string) string {
	path := e.path
	for _, p := range e.params {
		if p.In == openapi3.ParameterInPath {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", ids[p.Name])
		}
	}
	return path
}
