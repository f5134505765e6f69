package providerkind

import "strings"

// Operations beside chat whose bodies are JSON.
const (
	Completions = "completions"
	Embeddings  = "embeddings"
	Moderations = "moderations"
	Images      = "images"
	Rerank      = "rerank"
)

// Forms of their bodies, by who made them.
const (
	OpenAIForm  = "openai"
	GeminiForm  = "gemini"
	CohereForm  = "cohere"
	VoyageForm  = "voyage"
	JinaForm    = "jina"
	BedrockForm = "bedrock"
	VertexForm  = "vertex"
	// FireworksForm is that of its reranks.
	FireworksForm = "fireworks"
)

// Served is where a provider has an operation beside chat.
type Served struct {
	Operation string
	// Form of the bodies.
	Form string
	// Dialect that the credential must speak; empty means any.
	Dialect string
	// Path after the base URL; {model} is the model's name.
	Path string
	// Cut are ends of base URLs that the path takes the place of.
	Cut []string
	// Host takes the place of all of the host up to and including InPlaceOf.
	Host, InPlaceOf string
	// Global: the path follows the global location of the project.
	Global bool
}

// ServedBy finds an operation; nil when the provider has none. dialect is the
// credential's.
func (k *Kind) ServedBy(operation, dialect string) *Served {
	rows, known := operations[k.Name]
	if !known && k.Name == Custom {
		rows = whole
	}
	for i := range rows {
		if rows[i].Operation == operation && (rows[i].Dialect == "" || rows[i].Dialect == dialect) {
			return &rows[i]
		}
	}
	return nil
}

// Base is the base URL of the operation for a credential's base URL.
func (s *Served) Base(given string) string {
	for _, end := range s.Cut {
		if root, ok := strings.CutSuffix(given, end); ok {
			given = root
			break
		}
	}
	if scheme, rest, ok := strings.Cut(given, "://"); ok && s.Host != "" {
		host, path, slash := strings.Cut(rest, "/")
		// Google's hosts of several regions are SERVICE.REGION.rep.googleapis.com.
		if front, back, many := strings.Cut(host, ".rep."); many {
			service, _, _ := strings.Cut(front, ".")
			host = service + "." + back
		}
		if at := strings.Index(host, s.InPlaceOf); at >= 0 {
			given = scheme + "://" + s.Host + host[at+len(s.InPlaceOf):]
			if slash {
				given += "/" + path
			}
		}
	}
	if s.Global {
		given, _, _ = strings.Cut(given, "/locations/")
		given += "/locations/global"
	}
	return given
}

// as gives the rows of a provider that has operations where OpenAI has them.
func as(names ...string) []Served {
	paths := map[string]string{Completions: "/completions", Embeddings: "/embeddings", Moderations: "/moderations",
		Images: "/images/generations", Rerank: "/rerank"}
	out := make([]Served, len(names))
	for i, n := range names {
		form := OpenAIForm
		if n == Rerank {
			form = CohereForm
		}
		out[i] = Served{Operation: n, Form: form, Path: paths[n]}
	}
	return out
}

// speaking restricts rows to credentials of a dialect.
func speaking(dialect string, rows []Served) []Served {
	for i := range rows {
		rows[i].Dialect = dialect
	}
	return rows
}

// geminiEmbeddings are where Google has them; the caller's or the translated
// body decides which of its two methods is called.
var geminiEmbeddings = Served{Operation: Embeddings, Form: GeminiForm, Dialect: Gemini, Path: "/models/{model}"}

// whole is what to expect of an endpoint that no row knows.
var whole = append(append(speaking(OpenAIChat, as(Completions, Embeddings, Moderations, Images, Rerank)),
	speaking(Responses, as(Completions, Embeddings, Moderations, Images, Rerank))...), geminiEmbeddings)

// cohereEnds are the ends of Cohere's base URLs.
var cohereEnds = []string{"/compatibility/v1", "/v1", "/v2"}

// operations lists what providers serve. Who is not listed serves none. Looked
// up in November of 2026, in documentation of their own: fireworks (embeddings,
// rerank), groq (none), ollama (all; images are experimental there), openrouter
// (rerank), together (rerank), vllm (all), xai (completions); in that of
// clients of theirs: azure-openai, deepseek (none here: its completions have
// another base URL), mistral. The other rows were not looked up.
var operations = map[string][]Served{
	"alibaba": as(Embeddings),
	"aws-bedrock": {
		{Operation: Embeddings, Form: BedrockForm, Path: "/model/{model}/invoke"},
		{Operation: Rerank, Form: BedrockForm, Path: "/rerank", Host: "bedrock-agent-runtime.", InPlaceOf: "bedrock-runtime."},
	},
	"azure-openai":          as(Completions, Embeddings, Images),
	"cerebras":              as(Completions),
	"cloudflare-workers-ai": as(Embeddings),
	"cohere": {
		{Operation: Embeddings, Form: CohereForm, Path: "/v2/embed", Cut: cohereEnds},
		{Operation: Rerank, Form: CohereForm, Path: "/v2/rerank", Cut: cohereEnds},
	},
	Demo: as(Completions, Embeddings, Moderations, Images, Rerank),
	"fireworks": append(as(Completions, Embeddings),
		Served{Operation: Rerank, Form: FireworksForm, Path: "/rerank"}),
	"github-models": as(Embeddings),
	"google":        append(speaking(OpenAIChat, as(Embeddings, Images)), geminiEmbeddings),
	"google-vertex": {
		{Operation: Embeddings, Form: VertexForm, Path: "/publishers/google/models/{model}:predict"},
		{Operation: Rerank, Form: VertexForm, Path: "/rankingConfigs/default_ranking_config:rank",
			Host: "discoveryengine.googleapis.com", InPlaceOf: "aiplatform.googleapis.com", Global: true},
	},
	"jina": {
		{Operation: Embeddings, Form: JinaForm, Path: "/embeddings"},
		{Operation: Rerank, Form: JinaForm, Path: "/rerank"},
	},
	"llamacpp":   as(Completions, Embeddings, Rerank),
	"mistral":    as(Embeddings, Moderations),
	"nvidia":     as(Completions, Embeddings),
	"ollama":     as(Completions, Embeddings, Images),
	"openai":     as(Completions, Embeddings, Moderations, Images),
	"openrouter": as(Completions, Embeddings, Rerank),
	"sambanova":  as(Embeddings),
	"tgi":        as(Completions),
	"together":   as(Completions, Embeddings, Images, Rerank),
	"vllm":       as(Completions, Embeddings, Rerank),
	"voyage": {
		{Operation: Embeddings, Form: VoyageForm, Path: "/embeddings"},
		{Operation: Rerank, Form: VoyageForm, Path: "/rerank"},
	},
	"xai":   as(Completions, Images),
	"zhipu": as(Embeddings, Images),
}
