package demo

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

// Carried is a call whose body passes as it arrives.
type Carried struct {
	// Operation is "speech", "transcription", "translation", "files" or
	// another, which the demo provider does not have.
	Operation, Method, Path, ContentType string
	// Body in pieces, or Source.
	Body           [][]byte
	Source         provider.Source
	Suffix, Header string
	Cancel         *provider.Cancel
}

// Fields are the headers of the answer.
func (r *Response) Fields() []provider.Field {
	kind := r.kind
	if kind == "" {
		kind = "application/json"
	}
	return []provider.Field{{Name: "Content-Type", Value: kind}}
}

// Length is that of the body.
func (r *Response) Length() (n int64) {
	for _, p := range r.pieces {
		n += int64(len(p))
	}
	return n
}

// Carry answers a call of speech, of transcriptions and of files. It keeps
// nothing: an answer is made of the call alone.
func Carry(call *Carried) (*Response, error) {
	b, err := parseBehaviour(call.Suffix, call.Header)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "The demo provider does not understand its options: "+err.Error()+".", nil).WithParam("model")
	}
	if err := wait(call.Cancel, b.latency); err != nil {
		return nil, err
	}
	size, sum, err := call.read()
	if err != nil {
		return nil, err
	}
	r := &Response{status: 200, content: provider.JSON, cancel: call.Cancel}
	if b.status != 0 && b.status != 200 {
		r.refuse(b.status, "The demo provider was asked for this status.", "demo_status")
		return r, nil
	}
	switch call.Operation {
	case "speech":
		r.speak(call.Body)
	case "transcription", "translation":
		r.json(map[string]any{
			"text":  fmt.Sprintf("The demo provider heard %d bytes.", size),
			"usage": map[string]any{"type": "duration", "seconds": 1 + size/32000},
		})
	case "images":
		r.draw(call.Body, b)
	case "files":
		r.file(call, size, sum)
	default:
		r.refuse(404, "The demo provider has no calls of this kind.", "not_found")
	}
	return r, nil
}

// read takes in the body and gives its size and a number made of it.
func (call *Carried) read() (size int64, sum uint64, err error) {
	h := fnv.New64a()
	for _, p := range call.Body {
		h.Write(p)
		size += int64(len(p))
	}
	if call.Source == nil {
		return size, h.Sum64(), nil
	}
	for {
		p, err := call.Source.Next()
		h.Write(p)
		size += int64(len(p))
		if err == io.EOF {
			return size, h.Sum64(), nil
		}
		if err != nil {
			return size, 0, err
		}
	}
}

func (r *Response) json(v any) {
	body, _ := json.Marshal(v)
	r.pieces = [][]byte{body}
}

// file answers calls of files as if each existed.
func (r *Response) file(call *Carried, size int64, sum uint64) {
	id, content, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(call.Path, "/files"), "/"), "/")
	meta := map[string]any{"id": id, "object": "file", "bytes": 12, "created_at": 0, "filename": "demo.txt", "purpose": "user_data", "status": "processed"}
	switch {
	case call.Method == http.MethodPost:
		meta["id"], meta["bytes"] = fmt.Sprintf("file-demo-%016x", sum), size
	case call.Method == http.MethodDelete:
		meta = map[string]any{"id": id, "object": "file", "deleted": true}
	case id == "":
		meta = map[string]any{"object": "list", "data": []any{}, "has_more": false}
	case content == "content":
		r.content, r.kind = provider.Other, "text/plain; charset=utf-8"
		r.pieces = [][]byte{[]byte("Hello, demo\n")}
		return
	}
	r.json(meta)
}

// speak answers with a tone, the longer the more there is to say: mono, 16
// bits, 8000 samples a second.
func (r *Response) speak(body [][]byte) {
	var req struct {
		Input string `json:"input"`
	}
	var whole []byte
	for _, p := range body {
		whole = append(whole, p...)
	}
	if json.Unmarshal(whole, &req) != nil || req.Input == "" {
		r.refuse(400, "input must be the text to be spoken.", "invalid_input")
		return
	}
	const rate, most = 8000, 8000 * 5
	samples := min(len([]rune(req.Input))*rate/20, most)
	wav := make([]byte, 44, 44+2*samples)
	copy(wav, "RIFF")
	binary.LittleEndian.PutUint32(wav[4:], uint32(36+2*samples))
	copy(wav[8:], "WAVEfmt ")
	for at, v := range map[int]uint32{16: 16, 24: rate, 28: 2 * rate, 40: uint32(2 * samples)} {
		binary.LittleEndian.PutUint32(wav[at:], v)
	}
	for at, v := range map[int]uint16{20: 1, 22: 1, 32: 2, 34: 16} {
		binary.LittleEndian.PutUint16(wav[at:], v)
	}
	copy(wav[36:], "data")
	for i := range samples {
		wav = binary.LittleEndian.AppendUint16(wav, uint16(int16(8000*math.Sin(float64(i)*2*math.Pi*440/rate))))
	}
	r.content, r.kind = provider.Other, "audio/wav"
	r.pieces = [][]byte{wav}
}
