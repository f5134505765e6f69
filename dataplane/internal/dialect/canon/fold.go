package canon

import "slices"

// Fold makes a whole answer of the events of a stream. It copies what it
// keeps: for tests, and for callers who want plain what came as a stream.
type Fold struct {
	Answer Answer
	// Done says that the stream was complete.
	Done bool
	args map[[2]int]*Text
}

func keep[B ~[]byte](b B) B { return slices.Clone(b) }

// Add takes the next event.
func (f *Fold) Add(ev *Event) error {
	a := &f.Answer
	switch ev.Kind {
	case HeadEvent:
		a.ID, a.Model, a.Created = keep(ev.ID), keep(ev.Model), ev.Created
		a.ServiceTier, a.Fingerprint = keep(ev.ServiceTier), keep(ev.Fingerprint)
		a.From = ev.From
		f.extra(ev)
		f.usage(ev)
	case UsageEvent:
		f.usage(ev)
	case BeginEvent:
		f.begin(ev)
	case DeltaEvent:
		f.delta(ev)
	case SignatureEvent:
		p := f.part(ev)
		p.Signature = keep(ev.Text)
		if ev.Part.From != "" {
			p.From = ev.Part.From
		}
	case CitationEvent:
		p := f.part(ev)
		for _, c := range ev.Part.Citations {
			c.URL, c.Title, c.Quote, c.Raw = keep(c.URL), keep(c.Title), keep(c.Quote), keep(c.Raw)
			p.Citations = append(p.Citations, c)
		}
	case EndEvent:
		f.arguments(ev)
	case FinishEvent:
		c := f.choice(ev.Choice)
		c.Stop, c.StopText, c.StopRaw = ev.Stop, keep(ev.StopText), keep(ev.StopRaw)
		f.extra(ev)
	case DoneEvent:
		f.Done = true
	case FailEvent:
		return ev.Fault
	}
	return nil
}

// extra takes the fields without a name; later ones replace earlier ones.
func (f *Fold) extra(ev *Event) {
	for _, e := range ev.Extra {
		e.Value = keep(e.Value)
		at := slices.IndexFunc(f.Answer.Extra, func(x Field) bool { return x.Name == e.Name })
		if at < 0 {
			f.Answer.Extra = append(f.Answer.Extra, e)
		} else {
			f.Answer.Extra[at] = e
		}
	}
}

func (f *Fold) usage(ev *Event) {
	if ev.Usage.Reported {
		u := ev.Usage
		u.Cost, u.Raw = keep(u.Cost), keep(u.Raw)
		f.Answer.Usage = u
	}
}

func (f *Fold) choice(i int) *Choice {
	a := &f.Answer
	for k := range a.Choices {
		if a.Choices[k].Index == i {
			return &a.Choices[k]
		}
	}
	a.Choices = append(a.Choices, Choice{Index: i})
	return &a.Choices[len(a.Choices)-1]
}

func (f *Fold) part(ev *Event) *Part {
	c := f.choice(ev.Choice)
	for len(c.Parts) <= ev.Index {
		c.Parts = append(c.Parts, Part{})
	}
	return &c.Parts[ev.Index]
}

func (f *Fold) begin(ev *Event) {
	p, from := f.part(ev), &ev.Part
	*p = *from
	p.Text, p.ID, p.Name = keep(from.Text), keep(from.ID), keep(from.Name)
	p.Signature, p.Redacted, p.Raw, p.Args = keep(from.Signature), keep(from.Redacted), keep(from.Raw), keep(from.Args)
	p.Media.Data, p.Media.Type, p.Media.URL = keep(from.Media.Data), keep(from.Media.Type), keep(from.Media.URL)
	p.Citations = nil
	p.Extra = nil
	for _, e := range from.Extra {
		p.Extra = append(p.Extra, Field{Name: e.Name, Value: keep(e.Value)})
	}
}

func (f *Fold) delta(ev *Event) {
	p := f.part(ev)
	if ev.Part.Media.Data != nil {
		p.Media.Data = extend(p.Media.Data, ev.Part.Media.Data)
	}
	if p.Kind != ToolCallPart {
		p.Text = extend(p.Text, ev.Text)
		return
	}
	if f.args == nil {
		f.args = map[[2]int]*Text{}
	}
	at := [2]int{ev.Choice, ev.Index}
	t := f.args[at]
	if t == nil {
		t = new(Text)
		f.args[at] = t
	}
	*t = extend(*t, ev.Text)
	if p.Custom {
		p.Args = Raw(*t)
	}
}

// arguments gives a call its arguments, of which the last piece is there.
func (f *Fold) arguments(ev *Event) {
	t := f.args[[2]int{ev.Choice, ev.Index}]
	if p := f.part(ev); t != nil && !p.Custom {
		p.Args = Raw(t.String())
	}
}

// extend puts more at the end of a text of its own. Unlike Join it copies only
// what is new.
func extend(t, more Text) Text {
	if len(t) == 0 {
		return Join(nil, more)
	}
	return append(more.Append(t[:len(t)-1]), '"')
}
