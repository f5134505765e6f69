package anthropic

import "github.com/tollgate/tollgate/dataplane/internal/dialect/canon"

// What these models want is the same in APIs of others that serve them.

// Thinking is how one of these models shall think.
type Thinking struct {
	// Thinking is the object of that name; nil when it is not to be said.
	Thinking canon.Raw
	// Effort is output_config's; empty when it is not to be said.
	Effort string
	// MaxTokens is the bound on output that the thoughts ask for; 0 when the
	// caller's own goes as it is.
	MaxTokens int64
	// Thinks says that the model will: then it takes less variety of tokens.
	Thinks bool
}

// ThinkingOf plans the thoughts of a request for a model of these.
func ThinkingOf(req *canon.Request, to *canon.Target, lost *canon.Losses) Thinking {
	w := newWriter(nil, req, to, lost)
	w.thinking()
	t := Thinking{Effort: w.plan.effort, Thinks: w.plan.thinks()}
	if len(w.b) > 0 {
		t.Thinking = canon.Raw(w.b[len(`,"thinking":`):])
	}
	if t.Thinks {
		t.MaxTokens = w.plan.maxTokens
	}
	return t
}

// StrictTools says that a model holds calls to the schemas of its tools: those
// since 4.5, and names that tell nothing.
func StrictTools(model string) bool {
	v := modelOf(model)
	return v.major == 0 || v.atLeast(4, 5)
}

// JSONInstruction asks for JSON of any shape, in words, since no schema of these
// models can.
const JSONInstruction = jsonInstruction

// ClosedSchema is a schema of an answer as these models take it.
func ClosedSchema(schema canon.Raw) canon.Raw { return closed(schema) }
