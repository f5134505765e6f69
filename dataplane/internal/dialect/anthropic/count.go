package anthropic

import (
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

var errNoCount = errors.New("body has no count of tokens")

// ReadCountTokens reads a request to count_tokens: one of messages without a
// bound on output.
func ReadCountTokens(body []byte, req *canon.Request) *fault.Fault {
	return Format{}.ReadRequest(body, req)
}

// AppendCountTokens writes a request to count_tokens for a provider: what
// counts as prompt, and what decides how it is put.
func AppendCountTokens(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	w := newWriter(b, req, to, lost)
	w.str(`{"model":`)
	w.modelName()
	w.conversation()
	w.tools()
	w.toolChoice()
	w.thinking()
	w.outputConfig()
	for _, f := range req.Extra {
		switch {
		case !w.own:
			w.lose(f.Name)
		case oneOf(f.Name, "thinking", "mcp_servers", "context_management"):
			w.b = appendField(w.b, f)
		}
	}
	return append(w.b, '}'), nil
}

// ReadTokenCount reads a provider's answer to count_tokens.
func ReadTokenCount(body []byte) (int64, *fault.Fault) {
	w := walk{head: "content"}
	var r report
	var told, failed bool
	w.s.Reset(body)
	ok := w.s.Peek() == '{' && w.members(func(name []byte) bool {
		var ok bool
		switch string(name) {
		case "input_tokens":
			told, ok = r.count(&w.s, &r.input)
			return ok
		case "error":
			failed = w.s.Peek() == '{'
		}
		return w.s.Skip()
	}) && w.s.End()
	switch {
	case ok && told && !r.bad:
		return r.input, nil
	case ok && failed:
		return 0, readRefusal(200, body, "")
	case ok:
		return 0, fault.New(fault.UpstreamGarbage, "", errNoCount)
	}
	return 0, fault.New(fault.UpstreamGarbage, "", errNotJSON)
}
