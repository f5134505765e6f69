package parameters

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Call is a request as rules see it.
type Call struct {
	// Route, Project and Key are the rules; nil for none.
	Route, Project, Key *Rules
	Body                []byte
	// Dialect is the caller's.
	Dialect canon.Dialect
	// Streamed says that events are asked for, Model is the provider's name of
	// what is called.
	Streamed bool
	Model    string
	// Format writes requests in the dialect of body and provider, where the
	// body passes; nil where it is translated, and what rules set goes into the
	// translation by Outcome.Set.
	Format dialect.Format
	// Takes are the parameters that values are set and bounded for; nil for
	// all. Calls beside chat have few, and the same names can mean other things
	// there.
	Takes []string
}

func (c *Call) takes(p param) bool { return c.Takes == nil || slices.Contains(c.Takes, names[p]) }

// Outcome is what rules did to a call.
type Outcome struct {
	// Body is the edited body; nil when there was nothing to edit.
	Body []byte
	// Changed says what was done, for a header: "temperature=clamped".
	Changed string
	// Lost are the parameters that rules set and the provider cannot be told.
	Lost canon.Losses

	sets []set
}

// set is a value that rules gave a parameter.
type set struct {
	param param
	raw   canon.Raw
	apply func(*canon.Request)
}

// Set puts what rules set into a request that is translated.
func (o *Outcome) Set(req *canon.Request) {
	for i := range o.sets {
		o.sets[i].apply(req)
	}
}

// owners of rules, in the order that they count.
var owners = [...]string{"route", "project", "key"}

// run is one application of rules.
type run struct {
	doc
	call  *Call
	rules [len(owners)]*Rules
	out   Outcome
	edit  edits
}

// Apply judges a call and edits its body. It costs one pass over the body, a
// second where something is edited, and some small allocations; calls without
// rules do not come here.
func Apply(c *Call) (Outcome, *fault.Fault) {
	r := &run{call: c, rules: [...]*Rules{c.Route, c.Project, c.Key}}
	var about bits
	for _, rs := range r.rules {
		if rs != nil {
			about |= rs.about
		}
	}
	if f := r.read(c.Body, tableOf(c.Dialect), about); f != nil {
		return Outcome{}, f
	}
	for p := range param(params) {
		if !about.has(p) {
			continue
		}
		if f := r.judge(p); f != nil {
			return Outcome{}, f
		}
	}
	for p := range param(params) {
		if !about.has(p) || !c.takes(p) {
			continue
		}
		if f := r.decide(p); f != nil {
			return Outcome{}, f
		}
	}
	if f := r.express(); f != nil {
		return Outcome{}, f
	}
	if r.edit.any {
		r.out.Body = r.rewrite()
	}
	return r.out, nil
}

// each visits the rules about a parameter in the order that they count, until
// visit is false.
func (r *run) each(p param, visit func(owner int, rule *rule) bool) {
	for o, rs := range r.rules {
		if rs == nil || !rs.about.has(p) {
			continue
		}
		for i := range rs.list {
			if rs.list[i].param == p && !visit(o, &rs.list[i]) {
				return
			}
		}
	}
}

// judge refuses what the caller may not ask for.
func (r *run) judge(p param) (bad *fault.Fault) {
	r.each(p, func(owner int, rule *rule) bool {
		switch rule.action {
		case configv1.ParameterAction_PARAMETER_ACTION_FORBID:
			if len(rule.names) == 0 {
				bad = r.absent(p, owner)
			} else {
				bad = r.named(p, owner, rule.names, false)
			}
		case configv1.ParameterAction_PARAMETER_ACTION_ALLOW:
			bad = r.named(p, owner, rule.names, true)
		}
		return bad == nil
	})
	return bad
}

func forbidden(p param, format string, args ...any) *fault.Fault {
	return fault.Newf(fault.ParameterForbidden, format, args...).WithParam(names[p])
}

// absent refuses a call that has the parameter.
func (r *run) absent(p param, owner int) *fault.Fault {
	has := p == stream && r.call.Streamed
	for i := range r.places {
		if r.places[i].param == p && r.present(i) && !idle(r.raw(i)) {
			has = true
		}
	}
	if !has {
		return nil
	}
	return forbidden(p, "%s is forbidden by a rule of the %s.", names[p], owners[owner])
}

// named refuses a call whose parameter holds a name that it should not.
func (r *run) named(p param, owner int, list []string, allow bool) (bad *fault.Fault) {
	check := func(n name) bool {
		if n.also && allow {
			return true
		}
		if listed(list, n, !allow) != allow {
			bad = forbidden(p, "%s may not hold %q, by a rule of the %s.", names[p], shown(n.text), owners[owner])
		}
		return bad == nil
	}
	if p == model && !check(name{text: r.call.Model}) {
		return bad
	}
	for i := range r.places {
		if r.places[i].param != p || !r.present(i) {
			continue
		}
		if f := r.doc.names(i, check); f != nil {
			return f
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// shown cuts a caller's text for a message.
func shown(s string) string {
	const most = 64
	return strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD")
}

// decide finds the value of a parameter: the first that is forced, bounded by
// the clamps before it; else the caller's or the first default, within all
// clamps.
func (r *run) decide(p param) *fault.Fault {
	var force, fill *rule
	before := clamps{}
	r.each(p, func(_ int, rule *rule) bool {
		switch rule.action {
		case configv1.ParameterAction_PARAMETER_ACTION_FORCE:
			force = rule
			return false
		case configv1.ParameterAction_PARAMETER_ACTION_DEFAULT:
			if fill == nil {
				fill = rule
			}
		case configv1.ParameterAction_PARAMETER_ACTION_CLAMP:
			before = append(before, rule)
		}
		return true
	})
	present := false
	for i := range r.places {
		present = present || r.places[i].param == p && r.present(i)
	}
	switch {
	case p == toolChoice && (force != nil || !present && fill != nil) && !r.hasTools():
		return nil
	case force != nil:
		r.force(p, before.bound(force))
		return nil
	case !present && fill != nil:
		r.give(p, before.bound(fill), "default")
		return nil
	case present && len(before) > 0:
		return r.clamp(p, before)
	case p == maxTokens && len(before) > 0:
		r.fillBound(before)
	}
	return nil
}

// fillBound gives a call that asks for output without end the bound it may
// have.
func (r *run) fillBound(c clamps) {
	if n, moved := c.move(math.Inf(1)); moved && !math.IsInf(n, 0) {
		raw := number(n)
		r.give(maxTokens, set{maxTokens, raw, setter(maxTokens, raw)}, "clamped")
	}
}

// force gives every place of the parameter a value, if it has not that alone.
func (r *run) force(p param, s set) {
	found, same := 0, false
	for i := range r.places {
		if r.places[i].param == p && r.present(i) {
			found++
			same = string(r.raw(i)) == string(s.raw) && (r.call.Format == nil || r.heeded(i))
		}
	}
	if scalar(p) && found == 1 && same {
		// Nothing changes. A translation is told all the same, since the name that
		// the caller used may mean nothing to its dialect.
		if r.call.Format == nil {
			r.give(p, s, "")
		}
		return
	}
	r.give(p, s, "forced")
}

// give sets a parameter, and takes away what the caller wrote of it.
func (r *run) give(p param, s set, verb string) {
	if s.apply == nil {
		return
	}
	if verb != "" {
		r.note(p, verb)
	}
	r.out.sets = append(r.out.sets, s)
	for i := range r.places {
		if r.places[i].param == p && r.at[i].End != 0 {
			r.edit.drop(i)
		}
	}
}

func (r *run) note(p param, verb string) {
	if r.out.Changed != "" {
		r.out.Changed += ", "
	}
	r.out.Changed += names[p] + "=" + verb
}

// clamp moves the numbers at all places of a parameter into its bounds.
func (r *run) clamp(p param, c clamps) *fault.Fault {
	moved, heeded, least := false, false, math.Inf(1)
	for i := range r.places {
		if r.places[i].param != p || !r.present(i) {
			continue
		}
		n, err := strconv.ParseFloat(string(r.raw(i)), 64)
		if err != nil && !math.IsInf(n, 0) {
			// A number in quotes is one to lenient providers.
			return fault.Newf(fault.WrongType, "%s must be a number.", r.places[i].name).WithParam(r.places[i].name)
		}
		if p == maxTokens && r.endless(n) && c.most() < math.Inf(1) {
			n = math.Inf(1)
		}
		n, out := c.move(n)
		if out {
			r.edit.replace(i, number(n))
		}
		moved, heeded, least = moved || out, heeded || r.heeded(i), min(least, n)
	}
	if moved {
		r.note(p, "clamped")
	}
	switch {
	case p != maxTokens:
	case r.call.Format == nil:
		r.keepBound(c)
	case !heeded && !math.IsInf(least, 0):
		raw := number(least)
		r.give(maxTokens, set{maxTokens, raw, setter(maxTokens, raw)}, "")
	}
	return nil
}

// endless says whether providers take a bound on output for none: some do so
// with what is below one. With Anthropic 0 asks for nothing but the prompt.
func (r *run) endless(n float64) bool { return n < 0 || n == 0 && r.call.Dialect != canon.Anthropic }

// keepBound gives a translated call the bound where what the caller wrote has
// no meaning to the dialect and is not told on.
func (r *run) keepBound(c clamps) {
	n, moved := c.move(math.Inf(1))
	if !moved || math.IsInf(n, 0) {
		return
	}
	raw := number(n)
	r.out.sets = append(r.out.sets, set{maxTokens, raw, func(q *canon.Request) {
		if q.MaxTokens == nil {
			q.MaxTokens = raw
		}
	}})
}

// hasTools says whether there is something to choose from.
func (r *run) hasTools() bool {
	var d doc
	if d.read(r.body, r.table, 1<<tools) != nil {
		return false
	}
	for i := range d.places {
		if (d.places[i].kind == toolList || d.places[i].name == "functions") && d.present(i) && !idle(d.raw(i)) {
			return true
		}
	}
	return false
}

// clamps are rules in the order that they count.
type clamps []*rule

// move brings a number within all bounds; where they exclude each other, the
// first rule has the last word.
func (c clamps) move(n float64) (float64, bool) {
	moved := n
	for i := len(c) - 1; i >= 0; i-- {
		moved = min(max(moved, c[i].least), c[i].most)
	}
	return moved, moved != n
}

// most is the bound above.
func (c clamps) most() float64 {
	n, _ := c.move(math.Inf(1))
	return n
}

// bound is the value of a rule, within the clamps.
func (c clamps) bound(from *rule) set {
	s := set{from.param, from.raw, from.apply}
	n, err := strconv.ParseFloat(string(from.raw), 64)
	if err != nil || len(c) == 0 {
		return s
	}
	if n, moved := c.move(n); moved {
		s.raw = number(n)
		s.apply = setter(from.param, s.raw)
	}
	return s
}

// number writes a number as JSON, without an exponent.
func number(n float64) canon.Raw { return strconv.AppendFloat(nil, n, 'f', -1, 64) }

// scalar says that the value has the same form in all dialects.
func scalar(p param) bool { return p <= seed || p == user }
