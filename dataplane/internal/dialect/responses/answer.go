package responses

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// response is what was read of a response object: a whole answer, or what the
// events at a stream's start and end hold.
type response struct {
	id, model, status, tier canon.Text
	created                 int64
	reason                  canon.Text // of incomplete_details
	failure                 canon.Raw
	stop                    canon.Raw // what we wrote when another dialect's answer became this one
	output                  canon.Raw
	toolUsage               canon.Raw
	usage                   canon.Usage
	searched                int64
	calls, refused          bool
	parts                   []canon.Part
	hasOutput               bool
	extra                   []canon.Field
}

// stopField holds why an answer of another dialect ended.
const stopField = "tollgate_stop"

// response reads a response object; whole ones with their output.
func (r *reader) response(to *response, whole bool) bool {
	if r.s.Peek() != '{' {
		return r.s.Skip()
	}
	r.s.Open('{')
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || !more {
			return ok
		}
		if !r.responseField(to, name, whole) {
			return false
		}
	}
}

func (r *reader) responseField(to *response, name []byte, whole bool) bool {
	switch string(name) {
	case "id":
		return r.text(&to.id, "id")
	case "model":
		return r.text(&to.model, "model")
	case "status":
		return r.text(&to.status, "status")
	case "service_tier":
		return r.text(&to.tier, "service_tier")
	case "created_at":
		var v canon.Raw
		ok := r.raw(&v)
		to.created = int64(count(v))
		return ok
	case "error":
		return r.raw(&to.failure)
	case "incomplete_details":
		var v canon.Raw
		ok := r.raw(&v)
		to.reason = asText(fieldsOf(v, "reason")[0])
		return ok
	case "usage":
		return readUsage(&r.s, &to.usage)
	case stopField:
		return r.raw(&to.stop)
	case "tool_usage":
		if ok := r.raw(&to.toolUsage); !ok || !whole || to.toolUsage == nil {
			return ok
		}
		to.extra = append(to.extra, canon.Field{Name: "tool_usage", Value: to.toolUsage})
		return true
	case "output":
		to.hasOutput = r.s.Peek() == '['
		if whole && to.hasOutput {
			return r.output(to)
		}
		return r.raw(&to.output)
	case "object":
		return r.s.Skip()
	}
	if !whole {
		return r.s.Skip()
	}
	return r.keep(&to.extra, name)
}

// output reads the items of an answer.
func (r *reader) output(to *response) bool {
	r.s.Open('[')
	for first := true; ; first = false {
		more, ok := r.s.Element(first)
		if !ok || !more {
			return ok
		}
		if r.s.Peek() != '{' {
			ok = r.s.Skip()
		} else {
			if ok = r.item(&r.it); ok {
				to.parts = r.answered(to, &r.it, to.parts)
			}
		}
		if !ok {
			return false
		}
	}
}

// answered makes parts of an item of an answer.
func (r *reader) answered(to *response, it *item, parts []canon.Part) []canon.Part {
	to.note(it)
	if it.kind.Is("image_generation_call") {
		f := fieldsOf(it.raw, "result", "output_format")
		if data := asText(f[0]); !data.Empty() {
			parts, p := r.parts.add(parts)
			p.Kind, p.Raw, p.From, p.ID, p.Name = canon.ImagePart, it.raw, canon.Responses, it.id, it.kind
			p.Media.Data = data
			p.Media.Type = imageType(asText(f[1]))
			return parts
		}
	}
	return r.add(it, parts)
}

var imageTypes = [...]struct{ format, kind string }{{"png", `"image/png"`}, {"jpeg", `"image/jpeg"`}, {"webp", `"image/webp"`}}

func imageType(format canon.Text) canon.Text {
	for _, t := range imageTypes {
		if format.Is(t.format) {
			return canon.Text(t.kind)
		}
	}
	return canon.Text(imageTypes[0].kind)
}

// note sums up what an item says of the whole answer.
func (to *response) note(it *item) {
	switch {
	case it.kind.Is("function_call"), it.kind.Is("custom_tool_call"):
		to.calls = to.calls || !it.hosted()
	case it.kind.Is("message"):
		for i := range it.content {
			to.refused = to.refused || it.content[i].Kind == canon.RefusalPart
		}
	case it.kind.Is("web_search_call"):
		// Opening a page that was found is no search.
		if asText(fieldsOf(fieldsOf(it.raw, "action")[0], "type")[0]).Is("search") {
			to.searched++
		}
	}
}

// report is the usage with the searches that are told elsewhere.
func (to *response) report() canon.Usage {
	u := to.usage
	if u.Searches == 0 {
		u.Searches = to.searched
	}
	if told := fieldsOf(fieldsOf(to.toolUsage, "web_search")[0], "num_requests")[0]; told != nil {
		u.Searches = int64(count(told))
	}
	return u
}

// stops are the names of reasons as we write them, with the status that stands
// for each and the reason why the response is incomplete.
var stops = [...]struct{ name, status, reason string }{
	canon.StopUnset:    {"", "completed", ""},
	canon.StopEnd:      {"end", "completed", ""},
	canon.StopLength:   {"length", "incomplete", "max_output_tokens"},
	canon.StopTools:    {"tools", "completed", ""},
	canon.StopSequence: {"sequence", "completed", ""},
	canon.StopFilter:   {"filter", "incomplete", "content_filter"},
	canon.StopRefusal:  {"refusal", "completed", ""},
	canon.StopPause:    {"pause", "incomplete", "pause"},
	canon.StopContext:  {"context", "incomplete", "max_output_tokens"},
	canon.StopError:    {"error", "incomplete", "error"},
}

// stopped finds why the model stopped: there is no reason as such, but a
// status, and what the answer holds.
func (to *response) stopped() (stop canon.Stop, text, raw canon.Text) {
	if to.stop != nil {
		f := fieldsOf(to.stop, "reason", "raw", "text")
		for i := range stops {
			if i > 0 && asText(f[0]).Is(stops[i].name) {
				stop = canon.Stop(i)
			}
		}
		return stop, asText(f[2]), asText(f[1])
	}
	switch {
	case to.status.Is("incomplete") && to.reason.Is("content_filter"):
		return canon.StopFilter, nil, to.reason
	case to.status.Is("incomplete") && to.reason != nil:
		return canon.StopLength, nil, to.reason
	case to.status.Is("incomplete"):
		return canon.StopLength, nil, to.status
	case to.status.Is("queued"), to.status.Is("in_progress"), to.status.Is("cancelled"):
		return canon.StopUnset, nil, to.status
	case to.calls:
		return canon.StopTools, nil, to.status
	case to.refused:
		return canon.StopRefusal, nil, to.status
	}
	return canon.StopEnd, nil, to.status
}

// failed gives the fault of a response that failed.
func (to *response) failed() *fault.Fault {
	if len(to.failure) > 0 && (to.failure[0] == '{' || to.failure[0] == '"') && (to.status == nil || to.status.Is("failed")) {
		return failureOf(to.failure)
	}
	if to.status.Is("failed") {
		return fault.New(fault.UpstreamError, "", nil)
	}
	return nil
}

// failureOf turns an error object into a fault.
func failureOf(v canon.Raw) *fault.Fault {
	return openaierror.Inside(append(append([]byte(`{"error":`), v...), '}'))
}

// ReadAnswer reads a provider's whole answer.
func (Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	*a = canon.Answer{From: canon.Responses}
	r := reader{lax: true}
	r.j = -1
	r.s.Reset(body)
	if r.s.Peek() != '{' {
		return garbage("body is not a JSON object")
	}
	var to response
	if !r.response(&to, true) || !r.s.End() {
		return garbage("body is not a JSON object")
	}
	if f := to.failed(); f != nil {
		return f
	}
	if !to.hasOutput {
		return garbage("body has no output")
	}
	a.ID, a.Model, a.Created, a.ServiceTier = to.id, to.model, to.created, to.tier
	a.Usage, a.Extra = to.report(), to.extra
	a.Choices = make([]canon.Choice, 1)
	c := &a.Choices[0]
	c.Parts, c.LogProbs = to.parts, wrapLogProbs(r.logprobs)
	c.Stop, c.StopText, c.StopRaw = to.stopped()
	return nil
}

// wrapLogProbs joins lists of log-probabilities into the form that canon has.
func wrapLogProbs(lists []canon.Raw) canon.Raw {
	if len(lists) == 0 {
		return nil
	}
	b := append(make(canon.Raw, 0, len(lists[0])+16), `{"content":[`...)
	for i, l := range lists {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, l[1:len(l)-1]...)
	}
	return append(b, "]}"...)
}

// logProbsOf gives the inside of the list.
func logProbsOf(v canon.Raw) canon.Raw {
	if len(v) > 0 && v[0] == '{' {
		v = fieldsOf(v, "content")[0]
	}
	if len(v) < 2 || v[0] != '[' {
		return nil
	}
	return v[1 : len(v)-1]
}
