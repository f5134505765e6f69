package responses

import (
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// ReadDigest takes the digest of an event that is too large to be held. The
// dialect tells all of an answer again, at the end of each part, of each item
// and of the response: what was told before is not lost with such an event.
// Anything else is.
func (s *streamReader) ReadDigest(_, data []byte, dropped bool, emit canon.Emit) error {
	if s.done {
		return nil
	}
	if !s.parse(data) || s.ev.kind == nil {
		return garbage("an event of the stream is not a JSON object")
	}
	switch kind := s.ev.kind.String(); kind {
	case "response.completed", "response.incomplete", "response.done":
		if s.next > 0 {
			return s.completed(emit)
		}
	case "response.failed", "response.cancelled":
		return s.completed(emit)
	case "response.created", "response.in_progress", "response.queued":
		// They repeat the request; the names come first in them.
		return s.created(emit)
	case "response.output_text.done", "response.refusal.done":
		if p := s.find(s.ev.item, s.ev.content); p != nil && p.told {
			return nil
		}
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		if p := s.find(s.ev.item, 0); p == nil || p.told {
			return nil
		}
	case "response.content_part.done":
		p := s.find(s.ev.item, s.ev.content)
		if p == nil || p.thoughts {
			return nil
		}
		if all := s.r.citations(fieldsOf(s.ev.whole, "annotations")[0]); p.told && !dropped && len(all) <= p.cited {
			return s.close(p, emit)
		}
	case "response.output_item.done":
		if done, err := s.toldItem(dropped, emit); done {
			return err
		}
	default:
		if !handled(kind) {
			return nil
		}
	}
	return fault.New(fault.UpstreamTooLarge, "", errors.New(strings.Clone(s.ev.kind.String())+" is too large to be translated"))
}

// handled says whether an event means anything.
func handled(kind string) bool {
	for i := range handlers {
		if kind == handlers[i].kind {
			return true
		}
	}
	return false
}

// toldItem ends a call or a message of which everything was told before; false
// when that is not certain.
func (s *streamReader) toldItem(dropped bool, emit canon.Emit) (bool, error) {
	it := &s.r.it
	if !s.parseItem(it) {
		return true, garbage("an item of the stream is not a JSON object")
	}
	switch {
	case it.kind.Is("function_call") || it.kind.Is("custom_tool_call"):
		p := s.find(s.ev.item, 0)
		if p == nil || !p.told {
			return false, nil
		}
	case it.kind.Is("message") && !dropped:
		open := s.item(s.ev.item)
		parts := s.r.answered(&s.sum, it, nil)
		if open == nil || len(parts) > open.given {
			return false, nil
		}
		for i := range parts {
			if p := s.find(s.ev.item, i); p != nil && (!p.told || len(parts[i].Citations) > p.cited) {
				return false, nil
			}
		}
	default:
		return false, nil
	}
	return true, s.tell(it, s.ev.item, emit)
}
