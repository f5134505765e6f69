package canon

// Replay tells a whole answer as the events of a stream: for callers who asked
// for a stream of a provider that answered plain. A text is one delta.
func Replay(a *Answer, emit Emit) error {
	p := replay{emit: emit}
	p.tell(&Event{Kind: HeadEvent, ID: a.ID, Model: a.Model, Created: a.Created, ServiceTier: a.ServiceTier, Fingerprint: a.Fingerprint,
		From: a.From, Extra: a.Extra})
	for i := range a.Choices {
		c := &a.Choices[i]
		for k := range c.Parts {
			p.part(c.Index, k, &c.Parts[k])
		}
		if c.LogProbs != nil {
			p.tell(&Event{Kind: LogProbsEvent, Choice: c.Index, Index: max(0, len(c.Parts)-1), Raw: c.LogProbs})
		}
		p.tell(&Event{Kind: FinishEvent, Choice: c.Index, Stop: c.Stop, StopText: c.StopText, StopRaw: c.StopRaw})
	}
	if a.Usage.Reported {
		p.tell(&Event{Kind: UsageEvent, Usage: a.Usage})
	}
	p.tell(&Event{Kind: DoneEvent})
	return p.err
}

type replay struct {
	emit Emit
	err  error
}

// tell emits an event, unless an earlier one was not taken.
func (p *replay) tell(ev *Event) {
	if p.err == nil {
		p.err = p.emit(ev)
	}
}

func (p *replay) part(choice, index int, part *Part) {
	begun := *part
	begun.Text, begun.Args, begun.Signature, begun.Citations = nil, nil, nil, nil
	begun.Media.Data = nil
	p.tell(&Event{Kind: BeginEvent, Choice: choice, Index: index, Part: begun})
	at := Event{Choice: choice, Index: index}
	text := part.Text
	if part.Kind == ToolCallPart {
		if text = Text(part.Args); !part.Custom {
			text = Quote(string(part.Args))
		}
	}
	if !text.Empty() || part.Media.Data != nil {
		delta := at
		delta.Kind, delta.Text, delta.Part.Media.Data = DeltaEvent, text, part.Media.Data
		p.tell(&delta)
	}
	if !part.Signature.Empty() {
		signature := at
		signature.Kind, signature.Text, signature.Part.From = SignatureEvent, part.Signature, part.From
		p.tell(&signature)
	}
	if len(part.Citations) > 0 {
		citations := at
		citations.Kind, citations.Part.Citations = CitationEvent, part.Citations
		p.tell(&citations)
	}
	end := at
	end.Kind = EndEvent
	p.tell(&end)
}
