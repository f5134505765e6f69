package web

import (
	"strings"

	"github.com/tollgate/tollgate/portal/internal/view"
)

// snippets are programs that make the first call, with the real address, and
// with the key while it is known.
func snippets(baseURL, key, model string) []view.Snippet {
	fill := func(code, fromEnv string) string {
		imports, secret := "", `"`+key+`"`
		if key == "" {
			secret, imports = fromEnv, "import os\n"
		}
		return strings.NewReplacer("{url}", baseURL, "{root}", strings.TrimSuffix(baseURL, "/v1"), "{key}", secret, "{model}", model, "{import}", imports).Replace(strings.TrimSpace(code)) + "\n"
	}
	bearer := key
	if bearer == "" {
		bearer = "$TOLLGATE_API_KEY"
	}
	return []view.Snippet{
		{ID: "curl", Name: "curl", Code: strings.NewReplacer("{bearer}", bearer).Replace(fill(curlCode, ""))},
		{ID: "python", Name: "Python", Install: "pip install openai", Code: fill(pythonCode, `os.environ["TOLLGATE_API_KEY"]`)},
		{ID: "typescript", Name: "TypeScript", Install: "npm install openai", Code: fill(typescriptCode, "process.env.TOLLGATE_API_KEY")},
		{ID: "anthropic", Name: "Anthropic SDK", Install: "pip install anthropic", Code: fill(anthropicCode, `os.environ["TOLLGATE_API_KEY"]`)},
		{ID: "gemini", Name: "Google GenAI SDK", Install: "pip install google-genai", Code: fill(geminiCode, `os.environ["TOLLGATE_API_KEY"]`)},
		{ID: "go", Name: "Go", Install: "go get github.com/openai/openai-go/v3", Code: fill(goCode, `os.Getenv("TOLLGATE_API_KEY")`)},
	}
}

const curlCode = `
curl {url}/chat/completions \
  -H "Authorization: Bearer {bearer}" \
  -H "Content-Type: application/json" \
  -d '{"model": "{model}", "messages": [{"role": "user", "content": "Hello!"}]}'
`

const pythonCode = `
{import}from openai import OpenAI

client = OpenAI(
    base_url="{url}",
    api_key={key},
)
answer = client.chat.completions.create(
    model="{model}",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)
`

// The SDKs of Anthropic and Google write the version themselves.
const anthropicCode = `
{import}from anthropic import Anthropic

client = Anthropic(
    base_url="{root}",
    api_key={key},
)
answer = client.messages.create(
    model="{model}",
    max_tokens=1000,
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.content[0].text)
`

const geminiCode = `
{import}from google import genai

client = genai.Client(
    api_key={key},
    http_options={"base_url": "{root}"},
)
answer = client.models.generate_content(model="{model}", contents="Hello!")
print(answer.text)
`

const typescriptCode = `
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "{url}",
  apiKey: {key},
});
const answer = await client.chat.completions.create({
  model: "{model}",
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.choices[0].message.content);
`

const goCode = `
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	client := openai.NewClient(
		option.WithBaseURL("{url}"),
		option.WithAPIKey({key}),
	)
	answer, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
		Model:    "{model}",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello!")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, answer.Choices[0].Message.Content)
}
`
