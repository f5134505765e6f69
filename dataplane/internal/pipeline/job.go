package pipeline

import (
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/embedding"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/peek"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/rerank"
	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// job is a call beside chat whose body and answer are JSON, read whole.
type job struct {
	served *providerkind.Served
	// pass says that caller and provider have the same form: bytes pass.
	pass bool

	embedding embedding.Request
	embedForm *embedding.Form
	rerank    rerank.Request
	rankForm  *rerank.Form

	// tokens that the provider counted, when reported.
	tokens   int64
	reported bool
	// units were told by the provider, or are ours.
	units     usagev1.Units
	unitsTold bool
}

// readJob takes in the body and finds the fields that a gateway needs.
func (x *exchange) readJob() error {
	body, err := x.caller.Body()
	if err != nil {
		return err
	}
	x.body, x.from, x.job = body, wireOf(x.req.Dialect), new(job)
	if f := x.peek.Read(body, x.jobShape()); f != nil {
		return f
	}
	return nil
}

func (x *exchange) jobShape() *peek.Shape {
	switch x.req.Operation {
	case Moderations:
		return &peek.Moderation
	case Rerank:
		return &peek.Rerank
	}
	switch {
	case x.from.name != canon.Gemini:
		return &peek.Embedding
	case x.req.URL.Batch:
		return &peek.GeminiBatch
	}
	return &peek.GeminiContent
}

// serve finds how the provider of the route serves what is asked for, beside
// chat. A look at a table by name and at a few rows; chat pays one comparison.
func (x *exchange) serve() error {
	op, t := x.req.Operation, x.target
	if op == CountTokens {
		return nil
	}
	served := t.Kind.ServedBy(string(op), string(t.Dialect))
	if op == Completions {
		switch {
		case served != nil:
			x.to = x.from
		case t.Kind.NoChat:
			return x.unserved()
		}
		return nil
	}
	if served == nil && (x.job != nil || op == Images) {
		return x.unserved()
	}
	if x.job == nil {
		return nil
	}
	x.job.served = served
	if served.Form == providerkind.CohereForm {
		x.to = wireOf(canon.Cohere)
	}
	switch op {
	case Embeddings:
		x.job.embedForm = embedding.FormOf(served.Form, t.ProviderModel)
		if x.job.embedForm == nil {
			return x.unserved()
		}
	case Rerank:
		x.job.rankForm = rerank.FormOf(served.Form)
	}
	return nil
}

// unserved names what the provider has not.
func (x *exchange) unserved() *fault.Fault {
	return fault.Newf(fault.UnsupportedOperation, "The provider of this route, %s, does not serve %s for its model %s.",
		x.target.Kind.Label, x.req.Operation, x.target.ProviderModel).WithParam("model")
}

// jobBody is the body for the provider: the caller's own with the model's name
// exchanged, or a translation.
func (x *exchange) jobBody() ([][]byte, error) {
	j := x.job
	x.quoted = canon.AppendQuoted(x.quoted, x.target.ProviderModel)
	var lost canon.Losses
	var body []byte
	var f *fault.Fault
	switch x.req.Operation {
	case Embeddings:
		gemini := x.from.name == canon.Gemini
		switch {
		case gemini && j.served.Form == providerkind.GeminiForm:
			j.pass = true
			return append(x.pieces[:0], embedding.Rename(x.body, x.target.ProviderModel)), nil
		case !gemini && j.served.Form == providerkind.OpenAIForm:
			j.pass = true
		case gemini:
			f = embedding.ReadGemini(x.body, x.req.URL.Batch, &j.embedding)
		default:
			f = embedding.ReadOpenAI(x.body, &j.embedding)
		}
		if !j.pass && f == nil {
			body, f = j.embedForm.Append(nil, &j.embedding, embedding.Target{Model: x.target.ProviderModel}, &lost)
		}
	case Rerank:
		f = rerank.Read(x.body, &j.rerank)
		near := j.served.Form == providerkind.CohereForm || j.served.Form == providerkind.JinaForm
		if j.pass = near && !j.rerank.TopK; j.pass {
			f = nil
		} else if f == nil {
			body = j.rankForm.Append(nil, &j.rerank, rerank.Target{Model: x.target.ProviderModel, Region: x.target.Region}, &lost)
		}
	default:
		j.pass = true
	}
	if f != nil {
		return nil, f
	}
	if j.pass {
		return x.peek.Pieces(x.pieces[:0], x.quoted), nil
	}
	if len(lost) > 0 && x.rt.RefuseLoss {
		return nil, fault.Newf(fault.UnsupportedField, "The provider of this route cannot be told %s.", lost[0]).WithParam(lost[0])
	}
	x.req.Facts.Lost = lost
	return append(x.pieces[:0], body), nil
}

// base is where the target is called.
func (x *exchange) base() string {
	if x.job == nil {
		return x.target.BaseURL
	}
	return x.job.served.Base(x.target.BaseURL)
}

// jobPath is where the job is at its provider.
func (x *exchange) jobPath() string {
	j, t := x.job, x.target
	model := strings.TrimPrefix(t.Way.Model, "models/")
	if j.served.Form == providerkind.BedrockForm {
		model = sigv4.Escape(model)
	} else {
		model = escapePath(model)
	}
	path := strings.ReplaceAll(j.served.Path, "{model}", model)
	if j.served.Form == providerkind.GeminiForm {
		if j.pass && !x.req.URL.Batch {
			path += ":embedContent"
		} else {
			path += ":batchEmbedContents"
		}
	}
	return t.Path("", tenantconfig.OtherCall, path)
}

// jobAnswer looks at an answer and gives it as the caller gets it.
func (x *exchange) jobAnswer(body []byte) ([]byte, error) {
	j := x.job
	var ok bool
	out := body
	switch {
	case x.req.Operation == Rerank && j.pass:
		var u rerank.Usage
		ok = rerank.ReadUsage(body, &u)
		j.used(u)
	case x.req.Operation == Rerank:
		a := rerank.Answer{}
		if ok = j.rankForm.Read(body, &a); ok {
			j.used(a.Usage)
			j.estimateUnits()
			a.Usage.Units, a.Usage.UnitsTold = j.units.Searches, j.rankForm.Charges
			if a.ID.Empty() {
				a.ID = canon.Quote(x.req.ID)
			}
			out, ok = rerank.AppendAnswer(nil, &j.rerank, &a)
		}
	case j.pass:
		var a embedding.Answer
		ok = embedding.ReadUsage(body, &a)
		j.tokens, j.reported = a.Tokens, a.Reported
	default:
		out, ok = x.embedded(body)
	}
	if !ok {
		return nil, fault.New(fault.UpstreamGarbage, "", errNoAnswer)
	}
	return out, nil
}

// embedded translates the answer to a call of embeddings.
func (x *exchange) embedded(body []byte) ([]byte, bool) {
	j := x.job
	var a embedding.Answer
	if !j.embedForm.Read(body, &a) || len(a.Vectors) != len(j.embedding.Inputs) {
		return nil, false
	}
	j.tokens, j.reported = a.Tokens, a.Reported
	if !a.Reported {
		a.Tokens = x.jobTokens()
	}
	if x.from.name == canon.Gemini {
		return embedding.AppendGemini(nil, &j.embedding, &a)
	}
	if a.Model.Empty() {
		a.Model = canon.Quote(x.target.ProviderModel)
	}
	return embedding.AppendOpenAI(nil, &j.embedding, &a)
}

func (j *job) used(u rerank.Usage) {
	j.tokens, j.reported = u.Tokens, u.Told
	j.units.Searches, j.unitsTold = u.Units, u.UnitsTold
}

// estimateUnits counts the search units of a provider that charges by them and
// did not say how many.
func (j *job) estimateUnits() {
	if j.rankForm != nil && j.rankForm.Charges && !j.unitsTold {
		j.units.Searches = j.rerank.UnitsOf()
	}
}

// jobTokens is our own count of what is sent.
func (x *exchange) jobTokens() int64 {
	return x.promptTokens() + embedding.CountTokens(x.peek.Prompt())
}

// countJob fills in what the job used; it says whether that is an estimate.
func (x *exchange) countJob() (estimated bool) {
	j := x.job
	charged := j.rankForm != nil && j.rankForm.Charges
	switch {
	case j.reported:
		x.tokens.Input = j.tokens
	case charged:
		// Tokens are not what counts.
	default:
		x.tokens.Input, estimated = x.jobTokens(), true
	}
	// A provider whose answers may pass can also be one that charges by tokens.
	if charged && !j.unitsTold && !(j.pass && j.reported) {
		j.estimateUnits()
		estimated = true
	}
	if j.units.Searches > 0 {
		x.event.Units = &usagev1.Units{Searches: j.units.Searches}
	}
	return estimated
}

// TextCompletions is the dialect of callers of completions.
const TextCompletions = openai.TextCompletions

var errNoAnswer = errors.New("the answer is not of the form that was asked for")
