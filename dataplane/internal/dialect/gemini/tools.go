package gemini

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

var toolNames = []string{"functionDeclarations"}
var functionNames = []string{"name", "description", "parameters", "parametersJsonSchema"}

// tools reads the tools: each function is one, and so is each tool that Google
// runs itself.
func (r *reader) tools(req *canon.Request) {
	for a := r.array(); r.element(&a); {
		r.push("tools", a.i)
		for o := r.object(); r.next(&o, toolNames); {
			if o.field == 0 {
				r.functions(req)
				continue
			}
			name := canon.Quote(string(o.key))
			if v := r.value(); r.bad == nil {
				req.Tools = append(req.Tools, canon.Tool{Name: name, Raw: v, From: canon.Gemini})
			}
		}
		if r.bad != nil {
			return
		}
		r.pop()
	}
}

func (r *reader) functions(req *canon.Request) {
	for a := r.array(); r.element(&a); {
		r.push("functionDeclarations", a.i)
		t := canon.Tool{From: canon.Gemini}
		for o := r.object(); r.next(&o, functionNames); {
			switch o.field {
			case 0:
				r.text(&t.Name)
			case 1:
				r.text(&t.Description)
			case 2:
				if v := r.schema(); v != nil {
					t.Schema = jsonSchema(v)
				}
			case 3:
				if v := r.schema(); v != nil {
					t.Schema = v
				}
			default:
				f := canon.Field{Name: string(o.key)}
				f.Value = r.value()
				t.Extra = append(t.Extra, f)
			}
		}
		if r.bad == nil && t.Name == nil {
			r.missing("name")
		}
		if r.bad != nil {
			return
		}
		r.report(t.Extra)
		req.Tools = append(req.Tools, t)
		r.pop()
	}
}

func (r *reader) schema() []byte {
	if r.null() {
		return nil
	}
	if r.s.Peek() != '{' {
		r.skip()
		r.wrong("an object")
		return nil
	}
	return r.value()
}
