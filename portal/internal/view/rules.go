package view

import (
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/proto/configcheck"
)

// Fields of the editor of rules about parameters: each is there once for every
// row, in the order of the rows.
const (
	RuleParameter = "rule_parameter"
	RuleAction    = "rule_action"
	RuleSetting   = "rule_setting"
)

// RuleRow is a rule as people type it.
type RuleRow struct{ Parameter, Action, Setting string }

// actionOptions are what can be done to a parameter.
var actionOptions = []Option{
	{"force", "is always"}, {"default", "is, if not sent"}, {"clamp", "is kept within"}, {"forbid", "is forbidden"}, {"allow", "may only be"},
}

func actionLabel(action string) string {
	for _, o := range actionOptions {
		if o.Value == action {
			return o.Label
		}
	}
	return action
}

func parameterOptions() []Option {
	options := []Option{{"", "no rule"}}
	for _, p := range configcheck.Parameters() {
		options = append(options, Option{p.Name, p.Name})
	}
	return options
}

// spareRules are empty rows for rules to come.
const spareRules = 2

// ruleRows are the rows of the editor: what the form holds and some empty ones.
func ruleRows(f Form) []RuleRow {
	at := func(name string, i int) string {
		if all := f.Values[name]; i < len(all) {
			return all[i]
		}
		return ""
	}
	n := len(f.Values[RuleParameter])
	rows := make([]RuleRow, min(n+spareRules, max(n, configcheck.MaxParameterRules)))
	for i := range rows {
		rows[i] = RuleRow{at(RuleParameter, i), at(RuleAction, i), at(RuleSetting, i)}
	}
	return rows
}

// ruleError finds what is wrong with a row; the list as a whole is row -1.
func ruleError(f Form, i int) (FieldError, bool) {
	const list = "parameter_rules"
	if i < 0 {
		e, bad := f.Errors[list]
		return e, bad
	}
	row := fmt.Sprintf("%s[%d]", list, i)
	for name, e := range f.Errors {
		if field, ok := strings.CutPrefix(name, row); ok {
			if field = strings.Trim(field, "."); field != "" {
				e.Message = strings.ReplaceAll(field, "_", " ") + " " + e.Message
			}
			return e, true
		}
	}
	return FieldError{}, false
}

func anyRuleError(f Form) bool {
	for name := range f.Errors {
		if strings.HasPrefix(name, "parameter_rules") {
			return true
		}
	}
	return false
}

func ruleID(i int, field string) string { return fmt.Sprintf("rule-%d-%s", i, field) }
