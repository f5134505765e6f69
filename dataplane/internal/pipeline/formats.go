package pipeline

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/cohere"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/peek"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// wire is a dialect as the pipeline uses it.
type wire struct {
	name   canon.Dialect
	format dialect.Format
	shape  *peek.Shape
	// path of a chat request at a provider, after the base URL.
	path func(model string, stream bool) string
	// headers of a request to a provider, complete lines.
	headers func(*exchange) string
	// models and model write what can be called, tokens the answer to a count;
	// nil where the dialect has no such call.
	models func([]byte, []canon.Model) []byte
	model  func([]byte, canon.Model) []byte
	tokens func([]byte, int64) []byte
	// marks tell when a body may ask for what a model cannot do.
	marks []mark
	// framed says that its streams are in AWS's framing.
	framed bool
	// counting is nil where providers are not asked to count.
	counting *counting
}

func noHeaders(*exchange) string { return "" }

// wires lists the dialects that callers and providers speak.
var wires = [...]wire{
	{
		name: canon.OpenAIChat, format: openai.Format{}, shape: &peek.Chat, marks: chatMarks, headers: noHeaders,
		path:   func(string, bool) string { return "/chat/completions" },
		models: openai.AppendModels, model: openai.AppendModel,
	},
	{
		name: canon.Anthropic, format: anthropic.Format{}, shape: &peek.Messages, marks: messagesMarks, headers: anthropicHeaders,
		path:   func(string, bool) string { return "/messages" },
		models: anthropic.AppendModels, model: anthropic.AppendModel, tokens: anthropic.AppendTokenCount,
		counting: &counting{
			path:    func(string) string { return "/messages/count_tokens" },
			request: anthropic.AppendCountTokens, answer: anthropic.ReadTokenCount,
		},
	},
	{
		name: canon.Gemini, format: gemini.Format{}, shape: &peek.Gemini, marks: geminiMarks, headers: noHeaders, path: geminiPath,
		models: gemini.AppendModels, model: gemini.AppendModel, tokens: gemini.AppendTokenCount,
	},
	{
		name: canon.Bedrock, format: bedrock.Format{}, headers: noHeaders, path: bedrockPath, framed: true,
		counting: &counting{path: bedrock.CountPath, request: bedrock.AppendCountRequest, answer: bedrock.ReadCount},
	},
	{
		name: canon.Cohere, format: cohere.Format{}, headers: noHeaders,
		path: func(string, bool) string { return "/chat" },
	},
	{
		name: TextCompletions, format: openai.Completions{}, shape: &peek.Completion, headers: noHeaders,
		path: func(string, bool) string { return "/completions" },
	},
	{
		name: canon.Responses, format: responses.Format{}, shape: &peek.Responses, marks: responsesMarks, headers: noHeaders,
		path: func(string, bool) string { return "/responses" },
	},
}

// wireOf finds a dialect; those in config and in the front's routes are known.
func wireOf(d canon.Dialect) *wire {
	for i := range wires {
		if wires[i].name == d {
			return &wires[i]
		}
	}
	return &wires[0]
}

// AppendFault writes an error in the dialect of the caller.
func AppendFault(d canon.Dialect, b []byte, f *fault.Fault, requestID string) []byte {
	return wireOf(d).format.AppendFault(b, f, requestID)
}

// formatFor is the format as a provider of this kind speaks it.
func (w *wire) formatFor(k *providerkind.Kind) dialect.Format {
	if w.name == canon.OpenAIChat && k != nil {
		return openai.Format{Quirks: k.Quirks}
	}
	return w.format
}

func geminiPath(model string, stream bool) string {
	model = strings.TrimPrefix(model, "models/")
	if stream {
		return "/models/" + escapePath(model) + ":streamGenerateContent?alt=sse"
	}
	return "/models/" + escapePath(model) + ":generateContent"
}

func bedrockPath(model string, stream bool) string {
	if stream {
		return bedrock.Path(model, "converse-stream")
	}
	return bedrock.Path(model, "converse")
}

// escapePath writes a model's name into a path; config allows letters, digits
// and ._:/@+- in names.
func escapePath(name string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", " ", "%20").Replace(name)
}

// anthropicVersion is the version of the API that translations are written
// for.
const anthropicVersion = "2023-06-01"

// anthropicHeaders passes on the version and the beta features that a caller
// of the same dialect asks for.
func anthropicHeaders(x *exchange) string {
	version, beta := anthropicVersion, ""
	if x.req.Dialect == canon.Anthropic {
		if harmless(x.req.Version) {
			version = x.req.Version
		}
		if harmless(x.req.Beta) {
			beta = x.req.Beta
		}
	}
	h := "Anthropic-Version: " + version + "\r\n"
	if beta != "" {
		h += "Anthropic-Beta: " + beta + "\r\n"
	}
	return h
}

// harmless lets through the names and dates that such headers hold.
func harmless(s string) bool {
	const most = 1024
	if s == "" || len(s) > most {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == ',', c == ' ':
		default:
			return false
		}
	}
	return true
}
