// Package operations owns what the fake provider does besides chat:
// embeddings, legacy completions, moderations, images, audio, rerank, counting
// tokens, files and batches, each in the shape of the API that has it.
// Everything follows from the request and from the files that were sent
// before; fields that the real API does not know are refused, so that a
// request that was translated wrongly fails. It must not know connections.
package operations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"sync"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
)

// Request is what was asked.
type Request struct {
	Method, Path, Query string
	// Version is Anthropic's header: with it the paths of files and batches
	// are Anthropic's.
	Version     string
	ContentType string
	Body        []byte
}

func (q *Request) dialect() dialogue.Dialect {
	switch {
	case strings.HasPrefix(q.Path, "/v1beta/"):
		return dialogue.Gemini
	case q.Version != "":
		return dialogue.Messages
	}
	return dialogue.Chat
}

// Desk answers requests and keeps the files that it was sent.
type Desk struct {
	mu      sync.Mutex
	files   []file
	batches []batch
}

// New makes a desk without files.
func New() *Desk { return new(Desk) }

type object = map[string]any

// refusal is an error that the API would answer with.
type refusal struct {
	status  int
	message string
}

func (r refusal) Error() string { return r.message }

func bad(format string, args ...any) error { return refusal{400, fmt.Sprintf(format, args...)} }

// call is an operation at a path.
type call struct {
	method, path string
	run          func(*Desk, *Request) (any, error)
}

// calls are matched in order; a * at the end stands for any rest.
var calls = []call{
	{"POST", "/v1/embeddings", embed},
	{"POST", "/v1/completions", complete},
	{"POST", "/v1/moderations", moderate},
	{"POST", "/v1/images/generations", draw},
	{"POST", "/v1/images/edits", redraw},
	{"POST", "/v1/audio/speech", speak},
	{"POST", "/v1/audio/transcriptions", hear},
	{"POST", "/v1/audio/translations", hear},
	{"POST", "/v1/rerank", rerank},
	{"POST", "/v2/rerank", rerank},
	{"POST", "/v1/messages/count_tokens", countMessages},
	{"POST", "/v1/files", (*Desk).upload},
	{"GET", "/v1/files", (*Desk).list},
	{"GET", "/v1/files/*", (*Desk).fetch},
	{"DELETE", "/v1/files/*", (*Desk).remove},
	{"POST", "/v1/batches", (*Desk).submit},
	{"GET", "/v1/batches/*", (*Desk).look},
	{"POST", "/v1/batches/*", (*Desk).cancel},
	{"POST", "/v1beta/models/*", gemini},
}

// Answer answers a request; ok is false when the path is none of these.
func (d *Desk) Answer(q *Request) (a dialogue.Answer, ok bool) {
	for _, c := range calls {
		prefix, open := strings.CutSuffix(c.path, "*")
		if c.method != q.Method || !(q.Path == c.path || open && strings.HasPrefix(q.Path, prefix)) {
			continue
		}
		v, err := c.run(d, q)
		if err == errNotHere {
			return a, false
		}
		return answer(q, v, err), true
	}
	return a, false
}

var errNotHere = fmt.Errorf("not an operation of this package")

// document is an answer that is not JSON.
type document struct {
	kind string
	body []byte
}

func answer(q *Request, v any, err error) dialogue.Answer {
	if r, ok := err.(refusal); ok {
		return dialogue.Refuse(q.dialect(), r.status, r.message)
	}
	if err != nil {
		return dialogue.Refuse(q.dialect(), 400, err.Error())
	}
	a := dialogue.Answer{Status: 200, Type: "application/json", Content: []int{0}}
	switch v := v.(type) {
	case dialogue.Answer:
		return v
	case document:
		a.Type, a.Parts = v.kind, [][]byte{v.body}
	default:
		a.Parts = [][]byte{encode(v)}
	}
	return a
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// decode reads a body that may hold nothing but the fields of v.
func (q *Request) decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(q.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad("%v", err)
	}
	return nil
}

// form is a multipart body that was read.
type form struct {
	values map[string]string
	file   []byte
	name   string
}

// form reads a body of parts; allowed are the names of its fields.
func (q *Request) form(allowed ...string) (*form, error) {
	kind, params, err := mime.ParseMediaType(q.ContentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, bad("content type %q is not multipart/form-data", q.ContentType)
	}
	f := &form{values: map[string]string{}}
	for r := multipart.NewReader(bytes.NewReader(q.Body), params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return nil, bad("multipart: %v", err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, bad("multipart: %v", err)
		}
		name := strings.TrimSuffix(p.FormName(), "[]")
		if !contains(allowed, name) {
			return nil, bad("unknown field %q", name)
		}
		if p.FileName() != "" {
			f.file, f.name = body, p.FileName()
		} else {
			f.values[name] = string(body)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// words counts as tokens.
func words(s string) int { return len(strings.Fields(s)) }
