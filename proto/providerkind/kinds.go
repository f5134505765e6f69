package providerkind

// compatible are the quirks to expect of a server that calls itself
// OpenAI-compatible and says no more.
var compatible = Quirks{MaxTokens: true, NoDeveloper: true, NoCustomTools: true}

// kinds are ordered by label; the last row stands for all others. Base URLs
// and differences are from each provider's documentation, read in 2026.
var kinds = []Kind{
	{Name: "alibaba", Label: "Alibaba Cloud Model Studio", BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoEffort: true, ThinkingBudget: true, TopK: true, CacheControl: true, NoCustomTools: true}, Docs: "https://www.alibabacloud.com/help/en/model-studio/"},
	{Name: "anthropic", Label: "Anthropic", BaseURL: "https://api.anthropic.com/v1", Dialect: Anthropic,
		Auth: Auth{Header: "x-api-key"}, Counts: true, Docs: "https://platform.claude.com/docs/en/api/messages"},
	{Name: "aws-bedrock", Label: "Amazon Bedrock", Example: "https://bedrock-runtime.us-east-1.amazonaws.com", Dialect: Bedrock,
		Regional: "https://bedrock-runtime.{region}.amazonaws.com",
		Auth:     Auth{AWS: true}, Counts: true, Docs: "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"},
	{Name: "azure-openai", Label: "Azure OpenAI", Example: "https://RESOURCE.openai.azure.com/openai/v1", Dialect: OpenAIChat,
		Also:       []string{Responses},
		APIVersion: "2024-10-21", Versioned: &Versioned{Query: "api-version", Deployment: "/openai/deployments/{model}", Shared: "/openai", Plain: "/openai/v1"},
		Auth: Auth{Header: "api-key"}, Docs: "https://learn.microsoft.com/azure/ai-foundry/openai/"},
	{Name: "cerebras", Label: "Cerebras", BaseURL: "https://api.cerebras.ai/v1", Dialect: OpenAIChat,
		Quirks: Quirks{NoDeveloper: true, NoPenalties: true}, Docs: "https://inference-docs.cerebras.ai/"},
	{Name: "cloudflare-workers-ai", Label: "Cloudflare Workers AI", Example: "https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1", Dialect: OpenAIChat,
		Quirks: compatible, Docs: "https://developers.cloudflare.com/workers-ai/"},
	{Name: "cohere", Label: "Cohere", BaseURL: "https://api.cohere.ai/compatibility/v1", Dialect: OpenAIChat,
		Places: []Place{{Dialect: Cohere, BaseURL: "https://api.cohere.com/v2"}},
		Quirks: Quirks{MaxTokens: true, NoN: true, NoUser: true, NoLogProbs: true, NoParallel: true}, Docs: "https://docs.cohere.com/docs/compatibility-api"},
	{Name: "deepseek", Label: "DeepSeek", BaseURL: "https://api.deepseek.com/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoSchema: true, NoN: true, NoSeed: true, NoParallel: true, NoEffort: true, Thinking: true}, Docs: "https://api-docs.deepseek.com/"},
	{Name: Demo, Label: "Demo (built in)", Dialect: OpenAIChat, Auth: Auth{None: true}},
	{Name: "fireworks", Label: "Fireworks AI", BaseURL: "https://api.fireworks.ai/inference/v1", Dialect: OpenAIChat,
		Also:   []string{Responses},
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoParallel: true}, Docs: "https://docs.fireworks.ai/"},
	{Name: "github-models", Label: "GitHub Models", BaseURL: "https://models.github.ai/inference", Dialect: OpenAIChat,
		APIVersion: "2022-11-28", VersionHeader: "X-GitHub-Api-Version",
		Quirks: compatible, Docs: "https://docs.github.com/rest/models"},
	{Name: "google", Label: "Google Gemini", BaseURL: "https://generativelanguage.googleapis.com/v1beta", Dialect: Gemini,
		Auth: Auth{Header: "x-goog-api-key"}, Docs: "https://ai.google.dev/api"},
	{Name: "google-vertex", Label: "Google Vertex AI", Example: "https://us-central1-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-central1", Dialect: Gemini,
		Regional: "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}",
		Families: vertexFamilies, Places: vertexPlaces,
		Auth: Auth{Google: true}, Counts: true, Docs: "https://cloud.google.com/vertex-ai/generative-ai/docs"},
	{Name: "groq", Label: "Groq", BaseURL: "https://api.groq.com/openai/v1", Dialect: OpenAIChat,
		Also:   []string{Responses},
		Quirks: Quirks{NoDeveloper: true, NoN: true, NoLogProbs: true, NoName: true}, Docs: "https://console.groq.com/docs/openai"},
	{Name: "huggingface", Label: "Hugging Face", BaseURL: "https://router.huggingface.co/v1", Dialect: OpenAIChat,
		Quirks: compatible, Docs: "https://huggingface.co/docs/inference-providers/"},
	{Name: "jina", Label: "Jina AI", BaseURL: "https://api.jina.ai/v1", Dialect: OpenAIChat,
		NoChat: true, Quirks: compatible, Docs: "https://docs.jina.ai/"},
	{Name: "llamacpp", Label: "llama.cpp", Example: "http://127.0.0.1:8080/v1", Dialect: OpenAIChat,
		Also:   []string{Responses, Anthropic},
		Quirks: compatible, Local: true, Docs: "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"},
	{Name: "minimax", Label: "MiniMax", BaseURL: "https://api.minimax.io/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoPenalties: true, NoEffort: true, NoLogProbs: true, NoN: true}, Docs: "https://platform.minimax.io/docs"},
	{Name: "mistral", Label: "Mistral", BaseURL: "https://api.mistral.ai/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoStreamOptions: true, NoUser: true, NoName: true, RandomSeed: true, NoLogProbs: true, AnyAsRequired: true, NoEffort: true, ThoughtParts: true, NoCustomTools: true}, Docs: "https://docs.mistral.ai/api"},
	{Name: "moonshot", Label: "Moonshot AI", BaseURL: "https://api.moonshot.ai/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoParallel: true, NoEffort: true, Thinking: true, EchoReasoning: true}, Docs: "https://platform.moonshot.ai/docs"},
	{Name: "nvidia", Label: "NVIDIA NIM", BaseURL: "https://integrate.api.nvidia.com/v1", Dialect: OpenAIChat,
		Quirks: compatible, Docs: "https://docs.api.nvidia.com/nim"},
	{Name: "ollama", Label: "Ollama", Example: "http://127.0.0.1:11434/v1", Dialect: OpenAIChat,
		Also: []string{Responses, Anthropic},
		Auth: Auth{None: true}, Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoN: true, NoParallel: true, NoUser: true}, Local: true, Docs: "https://docs.ollama.com/api/openai-compatibility"},
	{Name: "openai", Label: "OpenAI", BaseURL: "https://api.openai.com/v1", Dialect: OpenAIChat,
		Also: []string{Responses}, Families: openaiFamilies, Docs: "https://platform.openai.com/docs/api-reference"},
	{Name: "openrouter", Label: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", Dialect: OpenAIChat,
		Also:   []string{Responses},
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, ReasoningObject: true, ThoughtDetails: true, TopK: true, CacheControl: true}, Docs: "https://openrouter.ai/docs/api-reference"},
	{Name: "perplexity", Label: "Perplexity", BaseURL: "https://api.perplexity.ai", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoStreamOptions: true, NoN: true, NoSeed: true, NoLogProbs: true, NoUser: true, NoParallel: true}, Docs: "https://docs.perplexity.ai/api-reference"},
	{Name: "sambanova", Label: "SambaNova", BaseURL: "https://api.sambanova.ai/v1", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoN: true, NoLogProbs: true, NoPenalties: true, NoSeed: true}, Docs: "https://docs.sambanova.ai/"},
	{Name: "tgi", Label: "Text Generation Inference", Example: "http://127.0.0.1:3000/v1", Dialect: OpenAIChat,
		Quirks: compatible, Local: true, Docs: "https://huggingface.co/docs/text-generation-inference/"},
	{Name: "together", Label: "Together AI", BaseURL: "https://api.together.xyz/v1", Dialect: OpenAIChat,
		Quirks: compatible, Docs: "https://docs.together.ai/reference"},
	{Name: "vllm", Label: "vLLM", Example: "http://127.0.0.1:8000/v1", Dialect: OpenAIChat,
		Also:   []string{Responses, Anthropic},
		Quirks: Quirks{NoDeveloper: true}, Local: true, Docs: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server/"},
	{Name: "voyage", Label: "Voyage AI", BaseURL: "https://api.voyageai.com/v1", Dialect: OpenAIChat,
		NoChat: true, Quirks: compatible, Docs: "https://docs.voyageai.com/reference"},
	{Name: "xai", Label: "xAI", BaseURL: "https://api.x.ai/v1", Dialect: OpenAIChat,
		Also:   []string{Responses},
		Quirks: Quirks{NoDeveloper: true}, Docs: "https://docs.x.ai/docs/api-reference"},
	{Name: "zhipu", Label: "Zhipu AI (Z.ai)", BaseURL: "https://api.z.ai/api/paas/v4", Dialect: OpenAIChat,
		Quirks: Quirks{MaxTokens: true, NoDeveloper: true, NoStreamOptions: true, NoN: true, NoLogProbs: true, NoPenalties: true, NoSeed: true, NoParallel: true, NoSchema: true, NoEffort: true, Thinking: true}, Docs: "https://docs.z.ai/api-reference"},
	{Name: Custom, Label: "Another provider", Example: "https://models.example.com/v1", Dialect: OpenAIChat, Quirks: compatible},
}

// openaiFamilies are the models of OpenAI that know one of its two dialects
// only.
var openaiFamilies = []Family{
	{Models: []string{"*-pro", "*-pro-20*", "*codex*", "*deep-research*", "computer-use-preview*"}, Dialects: []string{Responses}},
	{Models: []string{"*-audio-preview*", "gpt-audio*", "*-search-preview*", "gpt-*-search-api*"}, Dialects: []string{OpenAIChat}},
}

// vertexPlaces are Vertex AI's: a publisher of models has the paths of its own
// dialect.
var vertexPlaces = []Place{
	{Dialect: Gemini, Prefix: "/publishers/google"},
	{Dialect: Anthropic, Chat: "/publishers/anthropic/models/{model}:rawPredict", Stream: "/publishers/anthropic/models/{model}:streamRawPredict",
		Count: "/publishers/anthropic/models/count-tokens:rawPredict", BodyVersion: "vertex-2023-10-16"},
	{Dialect: OpenAIChat, Prefix: "/endpoints/openapi"},
}

// vertexFamilies are Vertex AI's models by publisher; what has none is
// Google's own. Tuned models are endpoints of the project.
var vertexFamilies = []Family{
	{Models: []string{"claude-*", "anthropic/*", "publishers/anthropic/*"}, Dialects: []string{Anthropic}, Short: true},
	{Models: []string{"endpoints/*"}, Dialects: []string{Gemini},
		Place: &Place{Dialect: Gemini, Chat: "/{model}:generateContent", Stream: "/{model}:streamGenerateContent?alt=sse", Count: "/{model}:countTokens"}},
	{Models: []string{"gemini-*", "google/*", "publishers/google/*"}, Dialects: []string{Gemini}, Short: true},
	{Models: []string{"mistralai/*", "publishers/mistralai/*"}, Dialects: []string{OpenAIChat}, Short: true,
		Place: &Place{Dialect: OpenAIChat, Chat: "/publishers/mistralai/models/{model}:rawPredict", Stream: "/publishers/mistralai/models/{model}:streamRawPredict"}},
	{Models: []string{"ai21/*", "publishers/ai21/*"}, Dialects: []string{OpenAIChat}, Short: true,
		Place: &Place{Dialect: OpenAIChat, Chat: "/publishers/ai21/models/{model}:rawPredict", Stream: "/publishers/ai21/models/{model}:streamRawPredict"}},
	{Models: []string{"*/*"}, Dialects: []string{OpenAIChat}},
}
