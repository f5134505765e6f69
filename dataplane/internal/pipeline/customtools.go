package pipeline

import (
	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// functionsOnly says that the provider has no tools that take free text.
func (x *exchange) functionsOnly() bool {
	switch x.to.name {
	case canon.OpenAIChat:
		return x.target.Kind != nil && x.target.Kind.Quirks.NoCustomTools
	case canon.Responses:
		return false
	}
	return true
}

// customCalls turns calls in a stream back into calls of tools that take free
// text. Their arguments are held until they are whole.
type customCalls struct {
	names []canon.Text
	open  []customCall
}

type customCall struct {
	choice, index int
	args          []byte
}

// maxCustomText bounds what is held of a call.
const maxCustomText = 512 << 10

// held is how much is held.
func (c *customCalls) held() (n int) {
	for i := range c.open {
		n += cap(c.open[i].args)
	}
	return n
}

// turn changes an event, and says whether it is to be passed on. Before the end
// of a call comes what was held of it.
func (c *customCalls) turn(ev *canon.Event, emit func(*canon.Event) error) (pass bool, err error) {
	at := c.find(ev)
	switch {
	case ev.Kind == canon.BeginEvent && ev.Part.Kind == canon.ToolCallPart && !ev.Part.Custom && canon.IsNamed(c.names, ev.Part.Name):
		ev.Part.Custom = true
		c.open = append(c.open, customCall{choice: ev.Choice, index: ev.Index})
	case at < 0:
	case ev.Kind == canon.DeltaEvent:
		o := &c.open[at]
		if len(o.args)+len(ev.Text) > maxCustomText {
			return false, tooLarge("the text for a tool is too large")
		}
		o.args = buffer.Append(o.args, []byte(ev.Text.String()), maxCustomText)
		return false, nil
	case ev.Kind == canon.EndEvent:
		delta := canon.Event{Kind: canon.DeltaEvent, Choice: ev.Choice, Index: ev.Index, Text: canon.FreeText(c.open[at].args)}
		c.open = append(c.open[:at], c.open[at+1:]...)
		return true, emit(&delta)
	}
	return true, nil
}

func (c *customCalls) find(ev *canon.Event) int {
	if ev.Kind == canon.DeltaEvent || ev.Kind == canon.EndEvent {
		for i := range c.open {
			if c.open[i].choice == ev.Choice && c.open[i].index == ev.Index {
				return i
			}
		}
	}
	return -1
}
