// Package embedding owns the forms in which texts are sent to be embedded and
// vectors come back: OpenAI's, Gemini's, Cohere's, Voyage's, Jina's, and those
// of models on Bedrock and Vertex AI. It must not know routes, credentials or
// connections, nor where a provider has the operation.
package embedding

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// Request is what is to be embedded, between forms. Its texts lie in the body
// that it was read from.
type Request struct {
	Inputs []Input
	// List says that the caller sent a list, if only of one text.
	List bool
	// Dimensions of the vectors; 0 when the model decides.
	Dimensions int64
	// Base64 says that the caller wants each vector as one string.
	Base64 bool
	// Purpose is nil when none is given.
	Purpose  *Purpose
	Title    canon.Text
	Truncate canon.Flag
	// Others are the fields that have no name here.
	Others []canon.Field
}

// Input is one text, or what a tokenizer made of one.
type Input struct {
	Text   canon.Text
	Tokens canon.Raw
}

// Answer is what comes back.
type Answer struct {
	// Vectors in the order of the inputs: arrays of numbers, or strings of
	// base64, as they stood.
	Vectors []canon.Raw
	// Tokens that the provider counted, when Reported.
	Tokens   int64
	Reported bool
	Model    canon.Text
}

// Target is what a request is written for.
type Target struct {
	// Model is the provider's name of it.
	Model string
}

// Form writes requests for a kind of provider and reads its answers.
type Form struct {
	// Append writes a request. What the form cannot say is added to lost.
	Append func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault)
	// Read reads an answer; false when it is none.
	Read func(body []byte, a *Answer) bool
}

// FormOf finds a form of package providerkind; on Bedrock each maker of models
// has its own. Nil when there is none.
func FormOf(name, model string) *Form {
	switch name {
	case providerkind.OpenAIForm:
		return &openaiForm
	case providerkind.GeminiForm:
		return &geminiForm
	case providerkind.CohereForm:
		return &cohereForm
	case providerkind.VoyageForm:
		return &voyageForm
	case providerkind.JinaForm:
		return &jinaForm
	case providerkind.VertexForm:
		return &vertexForm
	case providerkind.BedrockForm:
		switch {
		case strings.Contains(model, "cohere."):
			return &bedrockCohereForm
		case strings.Contains(model, "titan"):
			return &titanForm
		case strings.Contains(model, "nova"):
			return &novaForm
		}
	}
	return nil
}

// Purpose is what vectors are for, in the words of each form; an empty word
// means that the form has none for it.
type Purpose struct {
	gemini, cohere, voyage, jina string
}

// purposes are searched from the top.
var purposes = []Purpose{
	{"RETRIEVAL_QUERY", "search_query", "query", "retrieval.query"},
	{"RETRIEVAL_DOCUMENT", "search_document", "document", "retrieval.passage"},
	{"SEMANTIC_SIMILARITY", "", "", "text-matching"},
	{"CLASSIFICATION", "classification", "", "classification"},
	{"CLUSTERING", "clustering", "", "separation"},
	{"QUESTION_ANSWERING", "search_query", "query", "retrieval.query"},
	{"FACT_VERIFICATION", "search_query", "query", "retrieval.query"},
	{"CODE_RETRIEVAL_QUERY", "search_query", "query", "nl2code.query"},
}

// purposeOf finds a purpose by any of its words.
func purposeOf(word canon.Text) *Purpose {
	s := word.String()
	for i := range purposes {
		if p := &purposes[i]; s != "" && (s == p.gemini || s == p.cohere || s == p.voyage || s == p.jina) {
			return p
		}
	}
	// NVIDIA's words and Jina's short ones.
	switch s {
	case "passage", "retrieval.document":
		return &purposes[1]
	}
	return nil
}

// noTokens refuses what a tokenizer made: only who has that tokenizer can read
// it.
func (r *Request) noTokens() *fault.Fault {
	for i := range r.Inputs {
		if r.Inputs[i].Tokens != nil {
			return fault.New(fault.UnsupportedField, "The provider of this route embeds texts only, not arrays of tokens.", nil).WithParam("input")
		}
	}
	return nil
}

// onlyOne refuses lists for models that take one text at a time.
func (r *Request) onlyOne() *fault.Fault {
	if len(r.Inputs) == 1 {
		return r.noTokens()
	}
	return fault.New(fault.UnsupportedField, "The model of this route embeds one text at a time.", nil).WithParam("input").
		WithFix("Send one text for each request, or call a model that takes lists.")
}

// lose adds the fields that a form has no place for.
func (r *Request) lose(lost *canon.Losses, title, truncate bool) {
	if r.Title != nil && !title {
		lost.Add("title")
	}
	if r.Truncate != canon.Unset && !truncate {
		lost.Add("auto_truncate")
	}
	for i := range r.Others {
		lost.Add(r.Others[i].Name)
	}
}

func appendList(b []byte, name string, inputs []Input) []byte {
	b = append(append(append(b, '"'), name...), `":[`...)
	for i := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, inputs[i].raw()...)
	}
	return append(b, ']')
}

func (in *Input) raw() []byte {
	if in.Tokens != nil {
		return in.Tokens
	}
	return in.Text
}
