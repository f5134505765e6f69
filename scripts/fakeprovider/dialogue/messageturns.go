package dialogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func (c *Conversation) messageTurns(q *messagesRequest) *refusal {
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages.%d", i)
		want := "user"
		if i%2 == 1 {
			want = "assistant"
		}
		if m.Role != want {
			return Messages.bad("%s: roles must alternate between user and assistant, starting with user; found %q", at, m.Role)
		}
		var parts []part
		var r *refusal
		switch kindOf(m.Content) {
		case 0:
			return Messages.bad("%s.content: Field required", at)
		case '"':
			parts = []part{{kind: text, text: unquote(m.Content)}}
			if parts[0].text == "" {
				return Messages.bad("%s: content must be non-empty", at)
			}
		default:
			parts, r = c.blocks(m.Content, at+".content")
		}
		if r == nil {
			r = c.messageOrder(at, m.Role, parts)
		}
		if r != nil {
			return r
		}
		c.turns = append(c.turns, turn{m.Role, parts})
	}
	return c.messageEnd()
}

// messageOrder checks how a turn stands to the one before it.
func (c *Conversation) messageOrder(at, role string, parts []part) *refusal {
	if len(parts) == 0 {
		return Messages.bad("%s: content must be non-empty", at)
	}
	var open []string
	if n := len(c.turns); n > 0 && role == "user" {
		for _, p := range c.turns[n-1].parts {
			if p.kind == call {
				open = append(open, p.id)
			}
		}
	}
	other := false
	for _, p := range parts {
		switch {
		case p.kind == result && role != "user", (p.kind == call || p.kind == thought) && role != "assistant":
			return Messages.bad("%s: a block of a kind that %s messages cannot hold", at, role)
		case p.kind == call:
			if c.names[p.id] != "" {
				return Messages.bad("%s: `tool_use` ids must be unique", at)
			}
			c.names[p.id] = p.name
		case p.kind == result:
			i := slices.Index(open, p.id)
			if i < 0 {
				return Messages.bad("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", at, p.id)
			}
			if other {
				return Messages.bad("%s: `tool_result` blocks must come first", at)
			}
			open = slices.Delete(open, i, i+1)
		default:
			other = true
		}
	}
	if len(open) > 0 {
		return Messages.bad("%s: `tool_use` ids were found without `tool_result` blocks immediately after: %s", at, strings.Join(open, ", "))
	}
	return nil
}

// messageEnd checks how the conversation ends.
func (c *Conversation) messageEnd() *refusal {
	n := len(c.turns)
	last := c.turns[n-1]
	if last.role == "assistant" {
		end := last.parts[len(last.parts)-1]
		switch {
		case end.kind == call:
			return Messages.bad("messages: `tool_use` ids were found without `tool_result` blocks immediately after: %s", end.id)
		case c.think:
			return Messages.bad("messages: an assistant message cannot be prefilled when thinking is enabled")
		case strings.TrimRight(end.text, " \n\t") != end.text:
			return Messages.bad("messages: final assistant content cannot end with trailing whitespace")
		}
		return nil
	}
	// Within a round of tools the thoughts must still be there.
	if c.think && n > 1 && last.parts[0].kind == result && c.turns[n-2].parts[0].kind != thought {
		return Messages.bad("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found another. When `thinking` is enabled, a final `assistant` message must start with a thinking block.", n-2)
	}
	return nil
}

func (c *Conversation) blocks(raw json.RawMessage, at string) ([]part, *refusal) {
	var each []json.RawMessage
	if r := strict(Messages, raw, &each); r != nil {
		return nil, r
	}
	var out []part
	for i, one := range each {
		at := fmt.Sprintf("%s.%d", at, i)
		var b block
		if r := strict(Messages, one, &b); r != nil {
			return nil, r
		}
		fields, _ := asObject(one)
		names, known := allowed[b.Type]
		if !known {
			return nil, Messages.bad("%s: Input tag %q does not match any of the expected tags", at, b.Type)
		}
		for _, name := range sorted(fields) {
			if name != "type" && !slices.Contains(strings.Fields(names), name) {
				return nil, Messages.bad("%s.%s.%s: Extra inputs are not permitted", at, b.Type, name)
			}
		}
		c.mark(b.CacheControl)
		p, r := c.block(&b, at)
		if r != nil {
			return nil, r
		}
		out = append(out, p)
	}
	return out, nil
}

func (c *Conversation) block(b *block, at string) (part, *refusal) {
	switch b.Type {
	case "text":
		if b.Text == nil || strings.TrimSpace(*b.Text) == "" {
			return part{}, Messages.bad("%s: text content blocks must be non-empty", at)
		}
		return part{kind: text, text: *b.Text}, nil
	case "image", "document":
		return c.source(b, at)
	case "tool_use":
		_, ok := asObject(b.Input)
		if !messageToolID.MatchString(b.ID) || !messageToolName.MatchString(b.Name) || !ok {
			return part{}, Messages.bad("%s.tool_use: id, name and an object as input are required", at)
		}
		return part{kind: call, id: b.ID, name: b.Name, text: string(b.Input)}, nil
	case "tool_result":
		return c.toolResult(b, at)
	case "thinking":
		if b.Thinking == nil || b.Signature == nil {
			return part{}, Messages.bad("%s.thinking.signature: Field required", at)
		}
		if *b.Signature != sign(*b.Thinking) {
			return part{}, Messages.bad("%s: Invalid `signature` in `thinking` block", at)
		}
		return part{kind: thought, text: *b.Thinking}, nil
	}
	hidden, ok := strings.CutPrefix(b.Data, sign("hidden"))
	if !ok || hidden != "" {
		return part{}, Messages.bad("%s: Invalid `data` in `redacted_thinking` block", at)
	}
	return part{kind: thought}, nil
}

var messageImages = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

func (c *Conversation) source(b *block, at string) (part, *refusal) {
	s := b.Source
	if s == nil {
		return part{}, Messages.bad("%s.%s.source: Field required", at, b.Type)
	}
	p := part{kind: media, mime: s.MediaType}
	switch {
	case s.Type == "url" && strings.HasPrefix(s.URL, "https://"):
		p.mime = "url"
	case s.Type == "text" && b.Type == "document" && s.MediaType == "text/plain":
		p.size = len(s.Data)
	case s.Type != "base64":
		return p, Messages.bad("%s.%s.source: %q is not known", at, b.Type, s.Type)
	default:
		if p.size = size(s.Data); p.size < 0 {
			return p, Messages.bad("%s.%s.source.base64: invalid base64 data", at, b.Type)
		}
		if ok := s.MediaType == "application/pdf"; b.Type == "document" && !ok || b.Type == "image" && !slices.Contains(messageImages, s.MediaType) {
			return p, Messages.bad("%s.%s.source.base64.media_type: %q is not supported", at, b.Type, s.MediaType)
		}
	}
	return p, nil
}

func (c *Conversation) toolResult(b *block, at string) (part, *refusal) {
	p := part{kind: result, id: b.ToolUseID, failed: b.IsError != nil && *b.IsError}
	switch kindOf(b.Content) {
	case 0:
	case '"':
		p.text = unquote(b.Content)
	default:
		inner, r := c.blocks(b.Content, at+".tool_result.content")
		if r != nil {
			return p, r
		}
		for _, one := range inner {
			switch one.kind {
			case text:
				p.text += one.text
			case media:
				p.text += fmt.Sprintf("[%s %d]", one.mime, one.size)
			default:
				return p, Messages.bad("%s: a result holds text, images and documents", at)
			}
		}
	}
	return p, nil
}
