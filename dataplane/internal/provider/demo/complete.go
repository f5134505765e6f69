package demo

import (
	"encoding/json"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

// event frames data as an event of a stream.
func event(data []byte) []byte { return append(append([]byte("data: "), data...), "\n\n"...) }

// spoil makes an answer fail as it was asked to.
func (r *Response) spoil(b behaviour) {
	switch b.fail {
	case failGarbage:
		r.content = provider.Other
		r.pieces = [][]byte{[]byte("<html>This is not what you were waiting for.</html>")}
	case failReset:
		r.pieces = r.pieces[:len(r.pieces)/2]
		r.fails = fault.New(fault.UpstreamReset, "", nil)
	}
}

// choice is one text of completions, or a piece of it.
func choice(at int, text string, finish any) object {
	return object{"index": at, "text": text, "logprobs": nil, "finish_reason": finish}
}

// complete answers a call of completions as chat answers the prompt.
func (r *Response) complete(body []byte, b behaviour) {
	var req struct {
		request
		Prompt json.RawMessage `json:"prompt"`
	}
	if json.Unmarshal(body, &req) != nil {
		r.refuse(400, unreadable, "invalid_request")
		return
	}
	prompts := textsOf(req.Prompt)
	switch {
	case len(prompts) == 0 || len(prompts) > maxChoices:
		r.refuse(400, "prompt must hold from 1 to 16 texts.", "invalid_prompt")
		return
	case req.N > maxChoices:
		r.refuse(400, "n must be at most 16.", "invalid_n")
		return
	}
	answers, used := make([]*answer, len(prompts)), usage{}
	for i, p := range prompts {
		one := req.request
		one.Messages = []message{{Role: "user", Content: encode(p)}}
		answers[i] = compose(&one, b)
		used.Prompt += answers[i].usage.Prompt
		used.Completion += answers[i].usage.Completion
	}
	used.Total = used.Prompt + used.Completion
	id := strings.Replace(answers[0].id, "chatcmpl", "cmpl", 1)
	whole := func(choices []object, u any) object {
		o := object{"id": id, "object": "text_completion", "created": 0, "model": req.Model, "choices": choices}
		if u != nil {
			o["usage"] = u
		}
		return o
	}
	n := max(1, req.N)
	if !req.Stream {
		var choices []object
		for i := range len(answers) * n {
			choices = append(choices, choice(i, answers[i/n].text, answers[i/n].finish))
		}
		r.pieces, r.pause = [][]byte{encode(whole(choices, used))}, 0
		r.spoil(b)
		return
	}
	r.content, r.pieces = provider.EventStream, nil
	send := func(choices []object, u any) { r.pieces = append(r.pieces, event(encode(whole(choices, u)))) }
	for i := range len(answers) * n {
		for _, w := range strings.SplitAfter(answers[i/n].text, " ") {
			send([]object{choice(i, w, nil)}, nil)
		}
		send([]object{choice(i, "", answers[i/n].finish)}, nil)
	}
	if req.StreamOptions != nil && req.StreamOptions.IncludeUsage {
		send([]object{}, used)
	}
	r.pieces = append(r.pieces, []byte("data: [DONE]\n\n"))
	r.spoil(b)
}
