package operations

import (
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
)

// maxFiles bounds what a desk keeps.
const maxFiles = 1000

// file is what was uploaded.
type file struct {
	id, name, purpose string
	body              []byte
	anthropic         bool
}

// batch is what was submitted.
type batch struct {
	id, input, endpoint, status string
}

func (f *file) show() object {
	if f.anthropic {
		return object{"id": f.id, "type": "file", "filename": f.name, "mime_type": "text/plain", "size_bytes": len(f.body),
			"created_at": "2026-01-01T00:00:00Z", "downloadable": true}
	}
	return object{"id": f.id, "object": "file", "bytes": len(f.body), "created_at": 1700000000, "filename": f.name,
		"purpose": f.purpose, "status": "processed"}
}

func (b *batch) show() object {
	return object{"id": b.id, "object": "batch", "endpoint": b.endpoint, "input_file_id": b.input, "completion_window": "24h",
		"status": b.status, "created_at": 1700000000, "request_counts": object{"total": 0, "completed": 0, "failed": 0}}
}

func (d *Desk) upload(q *Request) (any, error) {
	form, err := q.form("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
	if err != nil {
		return nil, err
	}
	f := file{name: form.name, purpose: form.values["purpose"], body: form.file, anthropic: q.dialect() == dialogue.Messages}
	if f.name == "" || f.purpose == "" && !f.anthropic {
		return nil, bad("file and purpose are required")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.files) == maxFiles {
		return nil, refusal{429, "too many files"}
	}
	f.id = fmt.Sprintf("file-%d", len(d.files)+1)
	if f.anthropic {
		f.id = fmt.Sprintf("file_%d", len(d.files)+1)
	}
	d.files = append(d.files, f)
	return f.show(), nil
}

func (d *Desk) list(q *Request) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data := []object{}
	for i := range d.files {
		if f := &d.files[i]; f.id != "" && f.anthropic == (q.dialect() == dialogue.Messages) {
			data = append(data, f.show())
		}
	}
	return object{"object": "list", "data": data, "has_more": false, "first_id": nil, "last_id": nil}, nil
}

// find is called with the lock held.
func (d *Desk) find(id string) (*file, error) {
	for i := range d.files {
		if d.files[i].id == id {
			return &d.files[i], nil
		}
	}
	return nil, refusal{404, "no such file: " + id}
}

func (d *Desk) fetch(q *Request) (any, error) {
	id, content := strings.CutSuffix(strings.TrimPrefix(q.Path, "/v1/files/"), "/content")
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find(id)
	switch {
	case err != nil:
		return nil, err
	case content:
		return document{"application/octet-stream", f.body}, nil
	}
	return f.show(), nil
}

func (d *Desk) remove(q *Request) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find(strings.TrimPrefix(q.Path, "/v1/files/"))
	if err != nil {
		return nil, err
	}
	out := object{"id": f.id, "object": "file", "deleted": true}
	if f.anthropic {
		out = object{"id": f.id, "type": "file_deleted"}
	}
	*f = file{}
	return out, nil
}

func (d *Desk) submit(q *Request) (any, error) {
	var in struct {
		Input    string            `json:"input_file_id"`
		Endpoint string            `json:"endpoint"`
		Window   string            `json:"completion_window"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find(in.Input); err != nil {
		return nil, err
	}
	b := batch{id: fmt.Sprintf("batch_%d", len(d.batches)+1), input: in.Input, endpoint: in.Endpoint, status: "in_progress"}
	d.batches = append(d.batches, b)
	return b.show(), nil
}

// batch is called with the lock held.
func (d *Desk) batch(id string) (*batch, error) {
	for i := range d.batches {
		if d.batches[i].id == id {
			return &d.batches[i], nil
		}
	}
	return nil, refusal{404, "no such batch: " + id}
}

func (d *Desk) look(q *Request) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.batch(strings.TrimPrefix(q.Path, "/v1/batches/"))
	if err != nil {
		return nil, err
	}
	return b.show(), nil
}

func (d *Desk) cancel(q *Request) (any, error) {
	id, ok := strings.CutSuffix(strings.TrimPrefix(q.Path, "/v1/batches/"), "/cancel")
	if !ok {
		return nil, refusal{404, "no such path"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.batch(id)
	if err != nil {
		return nil, err
	}
	b.status = "cancelling"
	return b.show(), nil
}
