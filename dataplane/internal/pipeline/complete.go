package pipeline

import (
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// naming is what answers of dialects that do not say it get: SDKs count on an
// answer's id, its model and, where the caller's dialect has it, its time.
type naming struct {
	id, model string
	dated     bool
}

// naming is for answers that have no name: the request's own.
func (x *exchange) naming() naming {
	return naming{x.req.ID, x.target.ProviderModel, x.from.name != canon.Anthropic && x.from.name != canon.Gemini}
}

// name fills in what is missing.
func (n naming) name(id, model *canon.Text, created *int64) {
	if id.Empty() {
		*id = canon.Quote(n.id)
	}
	if model.Empty() {
		*model = canon.Quote(n.model)
	}
	if n.dated && *created == 0 {
		*created = time.Now().Unix()
	}
}
