package pricelist

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Limits of rules: how they nest, how long one may be, and of how many steps all
// regular expressions of a list may consist. A short one can stand for many.
const (
	maxDepth = 8
	maxRule  = 1 << 10
	maxSteps = 1 << 16
)

// regexp compiles a regular expression, as long as there is room for more.
func (r *reader) regexp(text string) (*regexp.Regexp, error) {
	large := errors.New("larger than the regular expressions of a list may be")
	if len(text) > maxRule || r.steps > maxSteps {
		return nil, large
	}
	re, err := regexp.Compile("(?i)" + text)
	if err != nil {
		return nil, errors.New("not a regular expression of RE2")
	}
	if r.steps += steps(re); r.steps > maxSteps {
		return nil, large
	}
	return re, nil
}

// steps is the size of a regular expression once its repetitions are written
// out.
func steps(re *regexp.Regexp) int {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

// genaiMatch reads a rule of which names stand for a model. Names are compared
// in lower case. Nil after a problem.
func (r *reader) genaiMatch(n node, depth int) func(string) bool {
	keys := r.object(n)
	if len(keys) != 1 || depth > maxDepth {
		r.problem(n.where(), "is not one rule of which names match")
		return nil
	}
	v := n.at(keys[0])
	switch keys[0] {
	case "or", "and":
		return r.genaiMatches(v, keys[0] == "and", depth)
	}
	text := r.text(v)
	if text == "" {
		r.problem(v.path, "is empty")
		return nil
	}
	if keys[0] == "regex" {
		// RE2 takes time linear in the name, whoever wrote the list.
		re, err := r.regexp(text)
		if err != nil {
			r.problem(v.path, "is %v", err)
			return nil
		}
		return re.MatchString
	}
	text = strings.ToLower(text)
	switch keys[0] {
	case "equals":
		return func(name string) bool { return name == text }
	case "starts_with":
		return func(name string) bool { return strings.HasPrefix(name, text) }
	case "ends_with":
		return func(name string) bool { return strings.HasSuffix(name, text) }
	case "contains":
		return func(name string) bool { return strings.Contains(name, text) }
	}
	r.problem(v.path, "is not a rule of this format")
	return nil
}

func (r *reader) genaiMatches(n node, all bool, depth int) func(string) bool {
	var rules []func(string) bool
	for _, e := range r.array(n) {
		rule := r.genaiMatch(e, depth+1)
		if rule == nil {
			return nil
		}
		rules = append(rules, rule)
	}
	return func(name string) bool {
		for _, rule := range rules {
			if rule(name) != all {
				return !all
			}
		}
		return all && len(rules) > 0
	}
}
