package bedrock

import (
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

var (
	errNotJSON   = errors.New("body is not a JSON object")
	errNoContent = errors.New("body has no message")
)

// ReadAnswer reads a provider's whole answer. The API names neither it nor the
// model.
func (f Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	*a = canon.Answer{From: canon.Bedrock}
	var s scanner
	s.Reset(body)
	var c canon.Choice
	told, failed := false, false
	ok := s.Peek() == '{' && s.object(func(name []byte) bool {
		switch string(name) {
		case "output":
			return s.object(func(name []byte) bool {
				if string(name) != "message" || s.Peek() != '{' {
					return s.Skip()
				}
				told = true
				return s.message(&c.Parts)
			})
		case "stopReason":
			return s.text(&c.StopRaw)
		case "usage":
			return s.usage(&a.Usage)
		case "serviceTier":
			return s.tier(&a.ServiceTier)
		case "additionalModelResponseFields":
			return s.additional(name, &c.StopText, &a.Extra)
		case "message", "__type":
			failed = true
		}
		return s.field(name, &a.Extra)
	}) && s.End()
	switch {
	case !ok:
		return fault.New(fault.UpstreamGarbage, "", errNotJSON)
	case !told && failed:
		return f.ReadRefusal(500, body, "")
	case !told:
		return fault.New(fault.UpstreamGarbage, "", errNoContent)
	}
	c.Stop = stopOf(c.StopRaw)
	a.Choices = append(a.Choices, c)
	return nil
}

func (s *scanner) message(parts *[]canon.Part) bool {
	return s.object(func(name []byte) bool {
		if string(name) != "content" {
			return s.Skip()
		}
		return s.list(func(int) bool {
			var p canon.Part
			p.Kind = canon.OpaquePart
			ok := s.block(&p)
			*parts = append(*parts, p)
			return ok
		})
	})
}

// block reads a block of content: an object with one member that says what it
// is. Blocks without a kind here are opaque.
func (s *scanner) block(p *canon.Part) bool {
	s.Peek()
	start := s.Pos()
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "text":
			p.Kind = canon.TextPart
			return s.text(&p.Text)
		case "toolUse":
			return s.toolUse(p)
		case "reasoningContent":
			p.Kind, p.From = canon.ReasoningPart, canon.Bedrock
			return s.reasoning(p)
		case "citationsContent":
			p.Kind = canon.TextPart
			return s.cited(p)
		}
		for i := range mediaKinds {
			if string(name) == mediaKinds[i].name {
				return s.media(p, mediaKinds[i].kind)
			}
		}
		return s.Skip()
	})
	if ok && p.Kind == canon.OpaquePart {
		p.Raw, p.From = canon.Raw(s.Text()[start:s.Pos()]), canon.Bedrock
	}
	return ok
}

func (s *scanner) toolUse(p *canon.Part) bool {
	typ := canon.Text(nil)
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "toolUseId":
			return s.text(&p.ID)
		case "name":
			return s.text(&p.Name)
		case "type":
			return s.text(&typ)
		case "input":
			return s.raw(&p.Args)
		}
		return s.Skip()
	})
	if typ.Is("server_tool_use") {
		return ok // the provider's own affair: the block stays opaque
	}
	p.Kind = canon.ToolCallPart
	if len(p.Args) > 0 && p.Args[0] == '"' {
		// A model that broke off wrote something else than an object.
		p.Args = canon.Raw(canon.Text(p.Args).String())
	}
	return ok
}

func (s *scanner) reasoning(p *canon.Part) bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "reasoningText":
			return s.object(func(name []byte) bool {
				switch string(name) {
				case "text":
					return s.text(&p.Text)
				case "signature":
					return s.text(&p.Signature)
				}
				return s.Skip()
			})
		case "redactedContent":
			return s.text(&p.Redacted)
		}
		return s.Skip()
	})
}

// cited reads a text with where it came from.
func (s *scanner) cited(p *canon.Part) bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "content":
			return s.list(func(int) bool {
				return s.object(func(name []byte) bool {
					var t canon.Text
					ok := string(name) == "text" && s.text(&t) || s.Skip()
					if t != nil {
						p.Text = canon.Join(appendText(nil, p.Text), t)
					}
					return ok
				})
			})
		case "citations":
			return s.list(func(int) bool {
				var c canon.Citation
				ok := s.citation(&c)
				p.Citations = append(p.Citations, c)
				return ok
			})
		}
		return s.Skip()
	})
}

func (s *scanner) citation(c *canon.Citation) bool {
	s.Peek()
	start := s.Pos()
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "title":
			return s.text(&c.Title)
		case "source":
			return s.text(&c.URL)
		case "sourceContent":
			return s.list(func(int) bool {
				return s.object(func(name []byte) bool {
					if string(name) == "text" && c.Quote == nil {
						return s.text(&c.Quote)
					}
					return s.Skip()
				})
			})
		case "location":
			return s.object(func(name []byte) bool {
				if string(name) != "web" {
					return s.Skip()
				}
				return s.object(func(name []byte) bool {
					if string(name) == "url" {
						return s.text(&c.URL)
					}
					return s.Skip()
				})
			})
		}
		return s.Skip()
	})
	c.Raw, c.From = canon.Raw(s.Text()[start:s.Pos()]), canon.Bedrock
	return ok
}

func (s *scanner) media(p *canon.Part, kind canon.Kind) bool {
	p.Kind = kind
	var format canon.Text
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "format":
			return s.text(&format)
		case "name":
			return s.text(&p.Media.Name)
		case "source":
			return s.object(func(name []byte) bool {
				switch string(name) {
				case "bytes":
					return s.text(&p.Media.Data)
				case "text":
					return s.text(&p.Text)
				case "s3Location":
					return s.object(func(name []byte) bool {
						if string(name) == "uri" {
							return s.text(&p.Media.URL)
						}
						return s.Skip()
					})
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
	p.Media.Type = typeOf(kind, format)
	return ok
}

// usage reads a report. What came from a cache or went into it is no part of
// inputTokens.
func (s *scanner) usage(u *canon.Usage) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	start := s.Pos()
	var v canon.Usage
	told := false
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "inputTokens":
			told = true
			return s.count(&v.Input)
		case "outputTokens":
			told = true
			return s.count(&v.Output)
		case "cacheReadInputTokens":
			return s.count(&v.CacheRead)
		case "cacheWriteInputTokens":
			return s.count(&v.CacheWrite)
		case "cacheDetails":
			return s.cacheDetails(&v.CacheWriteHour)
		}
		return s.Skip()
	})
	if ok && told {
		v.CacheWriteHour = min(v.CacheWriteHour, v.CacheWrite)
		v.Reported, v.From, v.Raw = true, canon.Bedrock, canon.Raw(s.Text()[start:s.Pos()])
		*u = v
	}
	return ok
}

// cacheDetails reads how much is kept for an hour: [{"ttl","inputTokens"}].
func (s *scanner) cacheDetails(hour *int64) bool {
	return s.list(func(int) bool {
		var ttl canon.Text
		var n int64
		ok := s.object(func(name []byte) bool {
			switch string(name) {
			case "ttl":
				return s.text(&ttl)
			case "inputTokens":
				return s.count(&n)
			}
			return s.Skip()
		})
		if ttl.Is("1h") {
			*hour = min(*hour+n, most)
		}
		return ok
	})
}

func (s *scanner) tier(into *canon.Text) bool {
	return s.object(func(name []byte) bool {
		if string(name) == "type" {
			return s.text(into)
		}
		return s.Skip()
	})
}

// additional reads the fields of the model's maker that were asked for: the
// sequence that was met stands in one of two places.
func (s *scanner) additional(name []byte, stop *canon.Text, extra *[]canon.Field) bool {
	f := canon.Field{Name: string(name)}
	var t scanner
	if !s.raw(&f.Value) {
		return false
	}
	t.Reset(f.Value)
	t.object(func(name []byte) bool {
		switch string(name) {
		case "stop_sequence":
			return t.text(stop)
		case "delta":
			return t.object(func(name []byte) bool {
				if string(name) == "stop_sequence" {
					return t.text(stop)
				}
				return t.Skip()
			})
		}
		return t.Skip()
	})
	if f.Value[0] != 'n' {
		*extra = append(*extra, f)
	}
	return true
}
