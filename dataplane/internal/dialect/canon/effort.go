package canon

// efforts are the names of effort with the share of thought they stand for, in
// tokens, for dialects that have only one of the two. The budgets are those
// that OpenAI-compatible front ends of Anthropic and Gemini agree on: 1,024 is
// the least that Anthropic takes.
var efforts = []struct {
	name   string
	budget int64
}{
	{"minimal", 1024},
	{"low", 1024},
	{"medium", 2048},
	{"high", 4096},
	{"xhigh", 8192},
	{"max", 16384},
}

// BudgetOf gives the tokens that an effort stands for, 0 for unknown names.
func BudgetOf(effort string) int64 {
	for _, e := range efforts {
		if e.name == effort {
			return e.budget
		}
	}
	return 0
}

// EffortOf gives the effort that a budget comes closest to: the smallest that
// allows as much.
func EffortOf(budget int64) string {
	for _, e := range efforts[1:] {
		if budget <= e.budget {
			return e.name
		}
	}
	return efforts[len(efforts)-1].name
}
