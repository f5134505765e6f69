// Package parameters owns what rules of keys, projects and routes do to the
// parameters of a call: refuse, force, default, clamp. One table (places.go)
// says where each dialect has each parameter, under all names that providers
// read; a body is judged and edited there before anything else reads it, so
// that a call that passes and one that is translated come out the same. It
// must not know tenants, connections or how rules got here.
package parameters

import (
	"encoding/json"
	"math"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// param is a parameter by number, so that sets of them are bits.
type param uint8

const (
	temperature param = iota
	topP
	topK
	maxTokens
	count
	seed
	stop
	tools
	toolChoice
	reasoning
	stream
	serviceTier
	responseFormat
	logProbs
	model
	user
	params int = iota
)

// names are those of configcheck.Parameters, in the order of the numbers.
var names = [params]string{
	"temperature", "top_p", "top_k", "max_tokens", "n", "seed", "stop", "tools", "tool_choice", "reasoning",
	"stream", "service_tier", "response_format", "logprobs", "model", "user",
}

func paramOf(name string) (param, bool) {
	for i, n := range names {
		if n == name {
			return param(i), true
		}
	}
	return 0, false
}

// bits is a set of parameters.
type bits uint32

func (b bits) has(p param) bool { return b>>p&1 == 1 }

// Rules are those of one key, project or route, compiled. They never change.
type Rules struct {
	list  []rule
	about bits
}

// rule is one rule, its value read.
type rule struct {
	param  param
	action configv1.ParameterAction
	// raw is the value as JSON, without space around it.
	raw canon.Raw
	// least and most are infinite where there is no bound.
	least, most float64
	names       []string
	// apply puts the value into a request; nil for a rule without one.
	apply func(*canon.Request)
}

// Compile readies rules that configcheck has taken; nil for none. A rule of a
// kind that this version does not know is left out.
func Compile(rules []*configv1.ParameterRule) *Rules {
	if len(rules) == 0 {
		return nil
	}
	r := &Rules{list: make([]rule, 0, len(rules))}
	for _, m := range rules {
		p, known := paramOf(m.GetParameter())
		if !known {
			continue
		}
		c := rule{
			param: p, action: m.GetAction(), raw: canon.Raw(strings.TrimSpace(m.GetValue())),
			least: math.Inf(-1), most: math.Inf(1), names: m.GetNames(),
		}
		if m.Minimum != nil {
			c.least = m.GetMinimum()
		}
		if m.Maximum != nil {
			c.most = m.GetMaximum()
		}
		if len(c.raw) > 0 {
			c.apply = setter(p, c.raw)
		}
		r.list = append(r.list, c)
		r.about |= 1 << p
	}
	return r
}

// Binds reports whether a rule does more with a parameter than fill it in. A
// nil *Rules binds nothing.
func (r *Rules) Binds(name string) bool {
	if r == nil {
		return false
	}
	for i := range r.list {
		if names[r.list[i].param] == name && r.list[i].action != configv1.ParameterAction_PARAMETER_ACTION_DEFAULT {
			return true
		}
	}
	return false
}

// WithModel gives rules that also allow no other model than one.
func (r *Rules) WithModel(name string) *Rules {
	with := Rules{list: []rule{{param: model, action: configv1.ParameterAction_PARAMETER_ACTION_ALLOW, names: []string{name}}}, about: 1 << model}
	if r != nil {
		with.list, with.about = append(with.list, r.list...), with.about|r.about
	}
	return &with
}

// setter reads a value once and gives what puts it into a request.
func setter(p param, raw canon.Raw) func(*canon.Request) {
	switch p {
	case temperature:
		return func(q *canon.Request) { q.Temperature = raw }
	case topP:
		return func(q *canon.Request) { q.TopP = raw }
	case topK:
		return func(q *canon.Request) { q.TopK = raw }
	case maxTokens:
		return func(q *canon.Request) { q.MaxTokens = raw }
	case count:
		return func(q *canon.Request) { q.N = raw }
	case seed:
		return func(q *canon.Request) { q.Seed = raw }
	case serviceTier:
		return func(q *canon.Request) { q.ServiceTier = canon.Text(raw) }
	case user:
		return func(q *canon.Request) { q.User = canon.Text(raw) }
	case logProbs:
		return logProbsSetter(string(raw) == "true")
	case stop:
		return stopSetter(raw)
	case toolChoice:
		return choiceSetter(raw)
	case reasoning:
		return reasoningSetter(raw)
	case responseFormat:
		return formatSetter(raw)
	}
	return nil
}

func logProbsSetter(on bool) func(*canon.Request) {
	return func(q *canon.Request) {
		q.LogProbs = canon.FlagOf(on)
		if !on {
			q.TopLogProbs = nil
		}
	}
}

func stopSetter(raw canon.Raw) func(*canon.Request) {
	var stops []json.RawMessage
	if json.Unmarshal(raw, &stops) != nil {
		return nil
	}
	texts := make([]canon.Text, len(stops))
	for i, s := range stops {
		texts[i] = canon.Text(s)
	}
	return func(q *canon.Request) { q.Stop = texts }
}

// choiceSetter leaves calls without tools alone: providers refuse a choice
// among none.
func choiceSetter(raw canon.Raw) func(*canon.Request) {
	mode := canon.ChoiceAuto
	switch canon.Text(raw).String() {
	case "none":
		mode = canon.ChoiceNone
	case "required":
		mode = canon.ChoiceAny
	}
	return func(q *canon.Request) {
		if len(q.Tools) > 0 {
			q.Choice = canon.ToolChoice{Mode: mode}
		}
	}
}

func reasoningSetter(raw canon.Raw) func(*canon.Request) {
	effort := canon.Text(raw).String()
	return func(q *canon.Request) {
		if q.Reasoning.Budget = 0; effort == "none" {
			q.Reasoning.Mode, q.Reasoning.Effort = canon.ReasoningOff, ""
			return
		}
		q.Reasoning.Mode, q.Reasoning.Effort = canon.ReasoningOn, effort
	}
}

// formatSetter reads the format in the words of chat completions.
func formatSetter(raw canon.Raw) func(*canon.Request) {
	body := append(append([]byte(`{"model":"m","messages":[],"response_format":`), raw...), '}')
	var q canon.Request
	if f := (openai.Format{}).ReadRequest(body, &q); f != nil {
		return nil
	}
	return func(to *canon.Request) { to.Format = q.Format }
}
