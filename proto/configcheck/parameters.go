package configcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Caps of parameter rules.
const (
	// MaxParameterRules is how many rules one key, project or route may have.
	MaxParameterRules = 64
	// MaxParameterValue is the size of a rule's value, in bytes.
	MaxParameterValue = 16 << 10
	// MaxParameterNames is how many names a rule may list.
	MaxParameterNames = 256
	// maxStops is how many stop sequences a value may hold, maxUser how long
	// the name of an end user may be.
	maxStops, maxUser = 16, 256
)

// Parameter says how a parameter of calls can be controlled.
type Parameter struct {
	Name string
	// Actions that make sense for it.
	Actions []configv1.ParameterAction
	// Least and Most bound its values and the bounds of a clamp, where it is a
	// number.
	Least, Most float64
	// Whole says that the number has no fraction.
	Whole bool
	// Value says in words what a value must be.
	Value string
	// Named says that its content has names, which FORBID and ALLOW may list.
	Named bool
	// good checks a value that is valid JSON; nil for numbers.
	good func(json.RawMessage) bool
}

const (
	actForce   = configv1.ParameterAction_PARAMETER_ACTION_FORCE
	actDefault = configv1.ParameterAction_PARAMETER_ACTION_DEFAULT
	actClamp   = configv1.ParameterAction_PARAMETER_ACTION_CLAMP
	actForbid  = configv1.ParameterAction_PARAMETER_ACTION_FORBID
	actAllow   = configv1.ParameterAction_PARAMETER_ACTION_ALLOW
)

// Parameters lists what rules can be about. A stream can only be forbidden:
// whoever asked for one form of an answer cannot read the other.
func Parameters() []Parameter {
	number := []configv1.ParameterAction{actForce, actDefault, actClamp, actForbid}
	value := []configv1.ParameterAction{actForce, actDefault, actForbid}
	content := []configv1.ParameterAction{actForbid, actAllow}
	const most = 1 << 40
	return []Parameter{
		{Name: "temperature", Actions: number, Least: 0, Most: 2, Value: "a number from 0 to 2"},
		{Name: "top_p", Actions: number, Least: 0, Most: 1, Value: "a number from 0 to 1"},
		{Name: "top_k", Actions: number, Least: 0, Most: most, Whole: true, Value: "a whole number, 0 or more"},
		{Name: "max_tokens", Actions: number, Least: 1, Most: most, Whole: true, Value: "a whole number, 1 or more"},
		{Name: "n", Actions: number, Least: 1, Most: 128, Whole: true, Value: "a whole number from 1 to 128"},
		{Name: "seed", Actions: value, Least: -1 << 53, Most: 1 << 53, Whole: true, Value: "a whole number"},
		{Name: "stop", Actions: value, Value: "an array of 1 to 16 strings", good: goodStops},
		{Name: "tools", Actions: content, Named: true},
		{Name: "tool_choice", Actions: value, Value: `"auto", "none" or "required"`, good: oneOf("auto", "none", "required")},
		{Name: "reasoning", Actions: value, Value: `"none", "minimal", "low", "medium", "high", "xhigh" or "max"`,
			good: oneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")},
		{Name: "stream", Actions: []configv1.ParameterAction{actForbid}},
		{Name: "service_tier", Actions: append(slices.Clone(value), actAllow), Named: true, Value: "a string of lower-case letters and _", good: goodTier},
		{Name: "response_format", Actions: value, Value: "an object with the type text, json_object or json_schema", good: goodFormat},
		{Name: "logprobs", Actions: value, Value: "true or false", good: func(v json.RawMessage) bool { return string(v) == "true" || string(v) == "false" }},
		{Name: "model", Actions: content, Named: true},
		{Name: "user", Actions: value, Value: "a string of 1 to 256 characters", good: goodUser},
	}
}

// FindParameter gives a parameter by its name.
func FindParameter(name string) (Parameter, bool) {
	all := Parameters()
	i := slices.IndexFunc(all, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return all[i], true
}

// CheckParameterRules validates the rules of a key, a project or a route. The
// error's path begins with parameter_rules[i].
func CheckParameterRules(rules []*configv1.ParameterRule) error {
	if n := len(rules); n > MaxParameterRules {
		return errorf("parameter_rules", "has %d rules, more than %d", n, MaxParameterRules)
	}
	for i, r := range rules {
		if field, message := checkRule(r); message != "" {
			return &Error{Path: fmt.Sprintf("parameter_rules[%d].%s", i, field), Message: message}
		}
	}
	return nil
}

func checkRule(r *configv1.ParameterRule) (field, message string) {
	p, known := FindParameter(r.GetParameter())
	if !known {
		return "parameter", "is not a parameter that rules can be about"
	}
	action := r.GetAction()
	if !slices.Contains(p.Actions, action) {
		return "action", fmt.Sprintf("does not fit %s: use %s", p.Name, actionWords(p.Actions))
	}
	if sets := action == actForce || action == actDefault; sets != (r.GetValue() != "") {
		if sets {
			return "value", "is missing"
		}
		return "value", "is set though the action has none"
	}
	if action != actClamp && (r.Minimum != nil || r.Maximum != nil) {
		if r.Minimum != nil {
			return "minimum", "is set though only clamp has bounds"
		}
		return "maximum", "is set though only clamp has bounds"
	}
	if field, message := p.checkNames(r); message != "" {
		return field, message
	}
	if action == actClamp {
		return p.checkBounds(r)
	}
	if r.GetValue() != "" && !p.goodValue(r.GetValue()) {
		return "value", "must be " + p.Value
	}
	return "", ""
}

func (p *Parameter) checkNames(r *configv1.ParameterRule) (field, message string) {
	names := r.GetNames()
	switch {
	case len(names) == 0:
		if r.GetAction() == actAllow || p.Name == "model" {
			return "names", "is empty: say which"
		}
		return "", ""
	case !p.Named || r.GetAction() != actForbid && r.GetAction() != actAllow:
		return "names", "is set though only rules that forbid or allow tools, models or service tiers have names"
	case len(names) > MaxParameterNames:
		return "names", fmt.Sprintf("has %d names, more than %d", len(names), MaxParameterNames)
	}
	for i, n := range names {
		if !ValidName(n) {
			return fmt.Sprintf("names[%d]", i), fmt.Sprintf("must be 1 to %d of letters, digits and ._:/@+-", MaxName)
		}
	}
	return "", ""
}

func (p *Parameter) checkBounds(r *configv1.ParameterRule) (field, message string) {
	if r.Minimum == nil && r.Maximum == nil {
		return "maximum", "is missing, and so is minimum: set one of them"
	}
	for _, b := range []struct {
		field string
		value *float64
	}{{"minimum", r.Minimum}, {"maximum", r.Maximum}} {
		if b.value != nil && !p.inRange(*b.value) {
			return b.field, "must be " + p.Value
		}
	}
	if r.Minimum != nil && r.Maximum != nil && *r.Minimum > *r.Maximum {
		return "maximum", "is less than minimum"
	}
	return "", ""
}

// inRange is false for what is not a number too.
func (p *Parameter) inRange(v float64) bool {
	return v >= p.Least && v <= p.Most && (!p.Whole || v == math.Trunc(v))
}

func (p *Parameter) goodValue(s string) bool {
	if len(s) > MaxParameterValue || !utf8.ValidString(s) || !json.Valid([]byte(s)) {
		return false
	}
	v := json.RawMessage(strings.TrimSpace(s))
	if p.good != nil {
		return p.good(v)
	}
	var n float64
	if v[0] == 'n' || json.Unmarshal(v, &n) != nil {
		return false
	}
	// 1e3 is a whole number to us and none to most providers.
	return p.inRange(n) && (!p.Whole || !bytes.ContainsAny(v, ".eE"))
}

func goodStops(v json.RawMessage) bool {
	var stops []*string
	if json.Unmarshal(v, &stops) != nil || len(stops) == 0 || len(stops) > maxStops {
		return false
	}
	return !slices.ContainsFunc(stops, func(s *string) bool { return s == nil || *s == "" })
}

func oneOf(words ...string) func(json.RawMessage) bool {
	return func(v json.RawMessage) bool {
		var s string
		return json.Unmarshal(v, &s) == nil && slices.Contains(words, s)
	}
}

func goodTier(v json.RawMessage) bool {
	var s string
	return json.Unmarshal(v, &s) == nil && s != "" && len(s) <= MaxShortName &&
		only(s, func(c byte) bool { return c >= 'a' && c <= 'z' || c == '_' })
}

func goodUser(v json.RawMessage) bool {
	var s string
	return json.Unmarshal(v, &s) == nil && s != "" && utf8.RuneCountInString(s) <= maxUser
}

func goodFormat(v json.RawMessage) bool {
	var f struct {
		Type   string `json:"type"`
		Schema *struct {
			Schema map[string]json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	if json.Unmarshal(v, &f) != nil {
		return false
	}
	if f.Type == "json_schema" {
		return f.Schema != nil && f.Schema.Schema != nil
	}
	return (f.Type == "text" || f.Type == "json_object") && f.Schema == nil
}

// ParameterActionName is the word for an action: "force", "default", "clamp",
// "forbid" or "allow"; empty for none of them.
func ParameterActionName(a configv1.ParameterAction) string {
	name, ok := strings.CutPrefix(a.String(), "PARAMETER_ACTION_")
	if !ok || a == configv1.ParameterAction_PARAMETER_ACTION_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(name)
}

// ParameterActionOf is the action of a word; unspecified for other words.
func ParameterActionOf(name string) configv1.ParameterAction {
	for _, a := range []configv1.ParameterAction{actForce, actDefault, actClamp, actForbid, actAllow} {
		if ParameterActionName(a) == name {
			return a
		}
	}
	return configv1.ParameterAction_PARAMETER_ACTION_UNSPECIFIED
}

func actionWords(actions []configv1.ParameterAction) string {
	words := make([]string, len(actions))
	for i, a := range actions {
		words[i] = ParameterActionName(a)
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return words[0]
}

func checkProject(p *configv1.Project) error { return CheckParameterRules(p.GetParameterRules()) }
