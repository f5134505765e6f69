package bedrock

import (
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/proto/fault"
)

var errNoCount = errors.New("body has no count of tokens")

// Path is where calls of a model are; its name, which may be an ARN, is one
// segment.
func Path(model, call string) string { return "/model/" + sigv4.Escape(model) + "/" + call }

// CountPath is where a model's tokens are counted. The API knows models there
// and none of the profiles that spread calls over regions.
func CountPath(model string) string {
	if region, name, ok := strings.Cut(model, ".anthropic."); ok && !strings.ContainsAny(region, ":/.") {
		model = "anthropic." + name
	}
	return Path(model, "count-tokens")
}

// AppendCountRequest writes a request to count a prompt's tokens: what counts
// as prompt, and what decides how it is put.
func AppendCountRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	w := newWriter(b, req, to, lost)
	w.str(`{"input":{"converse":{`)
	w.conversation()
	w.toolConfig()
	w.additional()
	w.str("}}}")
	return w.b, nil
}

// ReadCount reads the answer.
func ReadCount(body []byte) (n int64, f *fault.Fault) {
	var s scanner
	s.Reset(body)
	told := false
	ok := s.Peek() == '{' && s.object(func(name []byte) bool {
		if string(name) != "inputTokens" {
			return s.Skip()
		}
		told = true
		return s.count(&n)
	}) && s.End()
	if !ok || !told {
		return 0, fault.New(fault.UpstreamGarbage, "", errNoCount)
	}
	return n, nil
}
