package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// rules reads the editor of rules about parameters; nil when the form has none.
// Rows without a parameter go, so that what the control plane says of a rule by
// its number is about the row of that number.
func (v *visit) rules() (*apiclient.ParameterRules, error) {
	form := v.c.Request().PostForm
	if _, there := form[view.RuleParameter]; !there {
		return nil, nil
	}
	rows := sentRules(form)
	setRules(form, rows)
	rules := make(apiclient.ParameterRules, len(rows))
	for i, row := range rows {
		rule, wrong := ruleOf(row)
		if wrong != "" {
			return nil, wrongField(fmt.Sprintf("parameter_rules[%d]", i), wrong)
		}
		rules[i] = rule
	}
	return &rules, nil
}

func sentRules(form url.Values) (rows []view.RuleRow) {
	at := func(name string, i int) string {
		if all := form[name]; i < len(all) {
			return strings.TrimSpace(all[i])
		}
		return ""
	}
	for i := range form[view.RuleParameter] {
		row := view.RuleRow{Parameter: at(view.RuleParameter, i), Action: at(view.RuleAction, i), Setting: at(view.RuleSetting, i)}
		if row.Parameter != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// setRules puts rows into the values of a form.
func setRules(form url.Values, rows []view.RuleRow) {
	for _, name := range []string{view.RuleParameter, view.RuleAction, view.RuleSetting} {
		delete(form, name)
	}
	for _, r := range rows {
		form.Add(view.RuleParameter, r.Parameter)
		form.Add(view.RuleAction, r.Action)
		form.Add(view.RuleSetting, r.Setting)
	}
}

// ruleOf reads what was typed; wrong says what cannot be read.
func ruleOf(row view.RuleRow) (rule apiclient.ParameterRule, wrong string) {
	rule.Parameter, rule.Action = apiclient.ParameterRuleParameter(row.Parameter), apiclient.ParameterRuleAction(row.Action)
	if row.Setting == "" {
		return rule, ""
	}
	switch row.Action {
	case "clamp":
		least, most, ok := strings.Cut(row.Setting, "..")
		if rule.Minimum, wrong = bound(least); wrong == "" {
			rule.Maximum, wrong = bound(most)
		}
		if !ok {
			wrong = "Type two bounds with two dots between, such as 0..1; one of them may be missing."
		}
	case "forbid", "allow":
		var names []string
		for name := range strings.SplitSeq(row.Setting, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		rule.Names = &names
	default:
		rule.Value = json.RawMessage(row.Setting)
		if !json.Valid(rule.Value) {
			// A word is meant as one: nobody has to know JSON for that.
			text, err := json.Marshal(row.Setting)
			if err != nil {
				return rule, "This cannot be read."
			}
			rule.Value = text
		}
	}
	return rule, wrong
}

func bound(s string) (*float64, string) {
	if s = strings.TrimSpace(s); s == "" {
		return nil, ""
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, "Bounds are numbers, such as 0..1 or ..4096."
	}
	return &n, ""
}

// ruleRows shows rules as they would be typed.
func ruleRows(rules apiclient.ParameterRules) []view.RuleRow {
	rows := make([]view.RuleRow, len(rules))
	for i, r := range rules {
		row := view.RuleRow{Parameter: string(r.Parameter), Action: string(r.Action), Setting: string(r.Value)}
		var word string
		if json.Unmarshal(r.Value, &word) == nil && !json.Valid([]byte(word)) && strings.TrimSpace(word) == word {
			row.Setting = word
		}
		if r.Minimum != nil || r.Maximum != nil {
			row.Setting = typed(r.Minimum) + ".." + typed(r.Maximum)
		}
		if r.Names != nil {
			row.Setting = strings.Join(*r.Names, ", ")
		}
		rows[i] = row
	}
	return rows
}

func typed(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// withRules adds rules to the values of a new form.
func withRules(values url.Values, rules apiclient.ParameterRules) url.Values {
	setRules(values, ruleRows(rules))
	return values
}
