package httpapi

import (
	"bytes"

	"github.com/tollgate/tollgate/controlplane/internal/parameter"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// rulesOf reads the rules of a body; nil when it says nothing of them.
func rulesOf(in *apiserver.ParameterRules) *parameter.Rules {
	if in == nil {
		return nil
	}
	rules := make(parameter.Rules, len(*in))
	for i, r := range *in {
		rules[i] = parameter.Rule{
			Parameter: string(r.Parameter), Action: string(r.Action), Value: string(bytes.TrimSpace(r.Value)),
			Minimum: r.Minimum, Maximum: r.Maximum, Names: value(r.Names),
		}
	}
	return &rules
}

func rulesJSON(rules parameter.Rules) apiserver.ParameterRules {
	out := make(apiserver.ParameterRules, len(rules))
	for i, r := range rules {
		out[i] = apiserver.ParameterRule{
			Parameter: apiserver.ParameterRuleParameter(r.Parameter), Action: apiserver.ParameterRuleAction(r.Action),
			Value: []byte(r.Value), Minimum: r.Minimum, Maximum: r.Maximum,
		}
		if len(r.Names) > 0 {
			out[i].Names = &r.Names
		}
	}
	return out
}
