// Package parameter owns rules about the parameters of calls, as tenants set
// them for a key, a project or a route: how they are checked, kept and handed
// to the data planes. What a rule may say is the business of configcheck, which
// data planes ask too. It knows neither rows nor HTTP.
package parameter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Rule is one rule.
type Rule struct {
	Parameter string `json:"parameter"`
	// Action is "force", "default", "clamp", "forbid" or "allow".
	Action string `json:"action"`
	// Value is JSON, kept as the string that was sent.
	Value   string   `json:"value,omitempty"`
	Minimum *float64 `json:"minimum,omitempty"`
	Maximum *float64 `json:"maximum,omitempty"`
	Names   []string `json:"names,omitempty"`
}

// Rules are those of one resource, in the order that they count.
type Rules []Rule

// Proto gives the rules as data planes read them.
func (rs Rules) Proto() []*configv1.ParameterRule {
	out := make([]*configv1.ParameterRule, len(rs))
	for i, r := range rs {
		out[i] = &configv1.ParameterRule{
			Parameter: r.Parameter, Action: configcheck.ParameterActionOf(r.Action), Value: r.Value,
			Minimum: r.Minimum, Maximum: r.Maximum, Names: r.Names,
		}
	}
	return out
}

// Check holds rules of a request's body against what data planes take, and
// adds what is wrong to bad, of each rule the first thing.
func (rs Rules) Check(bad *fault.Fault) {
	const at = "body.parameter_rules"
	rules := rs.Proto()
	if len(rules) > configcheck.MaxParameterRules {
		bad.WithField(at, fmt.Sprintf("has more than %d entries", configcheck.MaxParameterRules), "Send fewer.")
		return
	}
	for i := range rules {
		e, wrong := errors.AsType[*configcheck.Error](configcheck.CheckParameterRules(rules[i : i+1]))
		if wrong {
			field := strings.TrimPrefix(e.Path, "parameter_rules[0]")
			bad.WithField(fmt.Sprintf("%s[%d]%s", at, i, field), e.Message, "Correct the rule, or remove it.")
		}
	}
}

// Column gives the rules as they are stored.
func (rs Rules) Column() ([]byte, error) {
	if len(rs) == 0 {
		return []byte("[]"), nil
	}
	return json.Marshal(rs)
}

// Detail is what the audit trail says of them; it has no entry for none.
func (rs Rules) Detail(into map[string]any) {
	if len(rs) > 0 {
		into["parameter_rules"] = rs
	}
}
