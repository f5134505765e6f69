package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// TextCompletions is the dialect of OpenAI's completions from before chat.
const TextCompletions canon.Dialect = "openai-completions"

// Completions is the dialect of text completions: a prompt goes in, text comes
// out. Chat models answer it as they answer a message of the user.
type Completions struct{}

// completionReader reads a request; most fields are those of chat.
type completionReader struct {
	requestReader
	prompt canon.Text
	batch  bool
}

// Name of the dialect.
func (Completions) Name() canon.Dialect { return TextCompletions }

// AppendFault writes an error as OpenAI's SDKs read it.
func (Completions) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	return AppendFault(b, f, requestID)
}

// AppendFaultEvent writes an error as the last event of a stream.
func (Completions) AppendFaultEvent(b []byte, f *fault.Fault, requestID string) []byte {
	return AppendFaultEvent(b, f, requestID)
}

// ReadRefusal turns a provider's error into ours.
func (Completions) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	return ProviderFault(status, body, secret)
}

// ReadRequest reads what a caller sent. Fields that chat does not have, suffix,
// echo and best_of, go to Extra.
func (Completions) ReadRequest(body []byte, req *canon.Request) *fault.Fault {
	*req = canon.Request{From: TextCompletions}
	r := &completionReader{requestReader: requestReader{req: req, seen: 1 << 1}} // a prompt is in place of messages
	if bad := r.readWhole(body, r.oneField); bad != nil {
		return bad
	}
	switch {
	case r.batch:
		return fault.New(fault.BadRequest, "Only a prompt that is one text can be translated for this model.", nil).WithParam("prompt")
	case r.prompt == nil:
		return fault.New(fault.MissingField, "The body has no prompt.", nil).WithParam("prompt")
	}
	req.Messages = []canon.Message{{Role: canon.User, Parts: []canon.Part{{Kind: canon.TextPart, Text: r.prompt}}}}
	return nil
}

func (r *completionReader) oneField(name []byte) bool {
	r.at = place{}
	switch string(name) {
	case "prompt":
		if r.prompt != nil || r.batch {
			return r.refuse("prompt", "prompt is given twice; providers read that differently.")
		}
		return r.readPrompt()
	case "logprobs":
		var n canon.Raw
		if !r.number(&n, "logprobs") {
			return false
		}
		if n != nil {
			r.req.LogProbs, r.req.TopLogProbs = canon.Yes, n
		}
		return true
	case "model", "stream", "stream_options", "temperature", "top_p", "max_tokens", "n", "stop", "user", "seed", "frequency_penalty", "presence_penalty":
		return r.field(name)
	}
	return r.unknown(name)
}

// readPrompt takes a text, or a list of one text; lists of tokens and of
// several texts have no form in chat.
func (r *completionReader) readPrompt() bool {
	if r.s.Peek() != '[' {
		return r.text(&r.prompt, "prompt")
	}
	r.s.Open('[')
	for first := true; ; first = false {
		more, ok := r.s.Element(first)
		if !ok || !more {
			return ok
		}
		if r.batch = !first || r.s.Peek() != '"'; r.batch {
			ok = r.s.Skip()
		} else {
			ok = r.text(&r.prompt, "prompt")
		}
		if !ok {
			return false
		}
	}
}

// AppendRequest is not possible: what chat says has no form in a prompt.
func (Completions) AppendRequest(b []byte, _ *canon.Request, _ *canon.Target, _ *canon.Losses) ([]byte, *fault.Fault) {
	return b, fault.New(fault.BadRequest, "This provider completes text only; chat cannot be translated for it.", nil)
}

// asChat gives an answer or chunk of text completions in the form of chat, so
// that the one reader reads it: a choice's text becomes its message's content.
func asChat(body []byte, delta bool) []byte {
	var s jsonscan.Scanner
	s.Reset(body)
	out, from, choices := make([]byte, 0, len(body)+64), 0, false
	open, shut := `"message":{"content":`, "}"
	if delta {
		open = `"delta":{"content":`
	}
	ok := s.Object(func(name []byte) bool {
		if string(name) != "choices" || choices || s.Peek() != '[' {
			return s.Skip()
		}
		choices = true
		return s.Array(func(int) bool {
			if s.Peek() != '{' {
				return s.Skip()
			}
			s.Open('{')
			for first := true; ; first = false {
				key, _, more, ok := s.Member(first)
				if !ok || !more {
					return ok
				}
				value, ok := s.Value()
				if !ok {
					return false
				}
				if string(key.Of(body)) == `"text"` {
					out = append(append(append(out, body[from:key.Start]...), open...), value.Of(body)...)
					out, from = append(out, shut...), value.End
				}
			}
		})
	})
	if !ok {
		return body
	}
	return append(out, body[from:]...)
}

// ReadAnswer reads a provider's whole answer.
func (Completions) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	f := Format{}.ReadAnswer(asChat(body, false), a)
	a.From = TextCompletions
	return f
}

// completionStream reads a stream of text completions.
type completionStream struct{ canon.Reader }

// NewReader reads a provider's stream.
func (Completions) NewReader() canon.Reader { return completionStream{Format{}.NewReader()} }

// Read takes one event of the wire.
func (r completionStream) Read(name, data []byte, emit canon.Emit) error {
	return r.Reader.Read(name, asChat(data, true), emit)
}

// appendCompletion writes what answers and chunks have in common.
func appendCompletion(b []byte, id, model canon.Text, created int64) []byte {
	b = append(append(b, `{"id":`...), orEmpty(id)...)
	b = appendCount(append(b, `,"object":"text_completion"`...), `,"created":`, created)
	return append(append(b, `,"model":`...), orEmpty(model)...)
}

// AppendAnswer writes a whole answer. The text is what was said or refused;
// the dialect has no place for more.
func (Completions) AppendAnswer(b []byte, a *canon.Answer) []byte {
	b = append(appendCompletion(b, a.ID, a.Model, a.Created), `,"choices":[`...)
	for i := range a.Choices {
		c := &a.Choices[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendCount(b, `{"index":`, int64(c.Index)), `,"text":"`...)
		for k := range c.Parts {
			if p := &c.Parts[k]; p.Kind == canon.TextPart || p.Kind == canon.RefusalPart {
				b = p.Text.Append(b)
			}
		}
		b = appendReasoning(append(b, '"'), c.Parts, "reasoning_content")
		b = appendLogProbs(b, c.LogProbs)
		b = append(appendFinish(b, c.Stop, c.StopRaw, c.StopText, a.From == TextCompletions, false), '}')
	}
	b = append(b, ']')
	if a.Usage.Reported {
		b = appendReport(append(b, `,"usage":`...), &a.Usage)
	}
	return append(b, '}')
}

// completionWriter writes a stream of text completions.
type completionWriter struct {
	streamWriter
	kinds map[[2]int]canon.Kind
}

// NewWriter writes a stream for the caller who sent req.
func (Completions) NewWriter(req *canon.Request) canon.Writer {
	return &completionWriter{streamWriter{wantUsage: req.IncludeUsage, head: []byte("data: {")}, map[[2]int]canon.Kind{}}
}

// Append writes what the event means on the wire.
func (w *completionWriter) Append(b []byte, ev *canon.Event) []byte {
	at := [2]int{ev.Choice, ev.Index}
	switch ev.Kind {
	case canon.HeadEvent:
		w.head = append(appendCompletion([]byte("data: "), ev.ID, ev.Model, ev.Created), ',')
		w.keepUsage(ev)
	case canon.BeginEvent:
		w.kinds[at] = ev.Part.Kind
	case canon.EndEvent:
		delete(w.kinds, at)
	case canon.DeltaEvent:
		if k, ok := w.kinds[at]; ok && (k == canon.TextPart || k == canon.RefusalPart) {
			b = appendCount(append(append(b, w.head...), `"choices":[{`...), `"index":`, int64(ev.Choice))
			b = append(append(b, `,"text":`...), orEmpty(ev.Text)...)
			b = append(b, `,"logprobs":null,"finish_reason":null}]}`+"\n\n"...)
		}
	case canon.FinishEvent:
		b = appendCount(append(append(b, w.head...), `"choices":[{`...), `"index":`, int64(ev.Choice))
		b = appendFinish(append(b, `,"text":"","logprobs":null`...), ev.Stop, ev.StopRaw, ev.StopText, false, false)
		b = append(b, "}]}\n\n"...)
	case canon.UsageEvent, canon.DoneEvent, canon.FailEvent:
		return w.streamWriter.Append(b, ev)
	}
	return b
}
