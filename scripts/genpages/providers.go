package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/tollgate/tollgate/proto/providerkind"
)

// quirkTexts explains the fields of providerkind.Quirks to people.
var quirkTexts = map[string]string{
	"MaxTokens":       "The bound on output is sent as `max_tokens`, not `max_completion_tokens`.",
	"NoDeveloper":     "Developer messages are sent as system messages.",
	"NoStreamOptions": "`stream_options` is not sent; streams report their usage without it.",
	"NoParallel":      "`parallel_tool_calls` is not sent.",
	"NoSchema":        "A JSON schema for the answer is reduced to JSON mode.",
	"NoStrict":        "`strict` is not sent with tools.",
	"NoUser":          "`user` is not sent.",
	"NoName":          "The `name` of messages is not sent.",
	"NoSeed":          "`seed` is not sent.",
	"RandomSeed":      "`seed` is sent as `random_seed`.",
	"NoN":             "It gives one answer to a call: `n` is not sent.",
	"NoLogProbs":      "Log-probabilities cannot be asked for.",
	"NoPenalties":     "`frequency_penalty` and `presence_penalty` are not sent.",
	"AnyAsRequired":   "`tool_choice` `required` is sent as `any`.",
	"NoEffort":        "`reasoning_effort` is not sent.",
	"Thinking":        "Reasoning is switched by `thinking`.",
	"ReasoningObject": "Reasoning is asked for by the object `reasoning`.",
	"ThinkingBudget":  "Reasoning is asked for by `enable_thinking` and `thinking_budget`.",
	"PlainEfforts":    "Efforts of reasoning are low, medium and high; others are sent as the nearest.",
	"EchoReasoning":   "The reasoning of earlier turns is sent back as `reasoning_content`.",
	"ThoughtDetails":  "The reasoning of earlier turns is sent back, signatures included, as `reasoning_details`.",
	"ThoughtParts":    "The reasoning of earlier turns is sent back as parts of the content.",
	"TopK":            "`top_k` can be set.",
	"CacheControl":    "Cache marks are sent as `cache_control`.",
	"StringContent":   "Content is sent as a string; images and files cannot be sent.",
	"NoCustomTools":   "Tools are functions; custom tools cannot be sent.",
}

// dialectTexts name the dialects for people, with the page about each.
var dialectTexts = map[string]string{
	providerkind.OpenAIChat: "[OpenAI chat completions](../dialects.md#openai-chat-completions)",
	providerkind.Anthropic:  "[Anthropic messages](../dialects.md#anthropic-messages)",
	providerkind.Gemini:     "[Gemini generateContent](../dialects.md#gemini)",
}

// renderProviders gives the page of each provider and their index.
func renderProviders() (map[string]string, error) {
	pages := map[string]string{}
	var index strings.Builder
	index.WriteString("# Providers\n\nA credential names one of these. What a provider has of its own (address, dialect, how it takes its secret) need not be given. " +
		"Any other endpoint that speaks one of the dialects can be used as `custom`, or under a name of your choice.\n\n" +
		"| name | provider | speaks | address |\n|---|---|---|---|\n")
	for _, k := range providerkind.All() {
		page, err := renderProvider(&k)
		if err != nil {
			return nil, err
		}
		pages[k.Name+".md"] = page
		address := "`" + k.BaseURL + "`"
		if k.BaseURL == "" {
			address = "yours, such as `" + k.Example + "`"
		}
		fmt.Fprintf(&index, "| [`%s`](%s.md) | %s | %s | %s |\n", k.Name, k.Name, k.Label, dialectTexts[k.Dialect], address)
	}
	pages["README.md"] = index.String()
	return pages, nil
}

func renderProvider(k *providerkind.Kind) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nName in credentials: `%s`. Speaks %s.\n\n", k.Label, k.Name, dialectTexts[k.Dialect])
	switch {
	case k.BaseURL != "":
		fmt.Fprintf(&b, "Address: `%s`; another one can be given as `base_url`.\n\n", k.BaseURL)
	default:
		fmt.Fprintf(&b, "It has no address of its own: give `base_url` up to and including the version, such as `%s`.\n\n", k.Example)
	}
	switch {
	case k.Auth.None:
		b.WriteString("No secret is needed. For a server behind a proxy that wants one, choose how it is sent.\n\n")
	case k.Auth.Header != "":
		fmt.Fprintf(&b, "The secret is sent in the header `%s`.\n\n", k.Auth.Header)
	default:
		b.WriteString("The secret is sent as `Authorization: Bearer`.\n\n")
	}
	if k.Local {
		b.WriteString("It runs on your own machines: the operator must allow its network with `TOLLGATE_ALLOWED_NETWORKS`, since private addresses are closed to tenants.\n\n")
	}
	quirks, err := quirksOf(k.Quirks)
	if err != nil {
		return "", err
	}
	if len(quirks) > 0 {
		b.WriteString("## What differs from OpenAI\n\nCalls that come in OpenAI's dialect pass unchanged. When Tollgate writes the request for a caller of another dialect:\n\n")
		for _, q := range quirks {
			b.WriteString("- " + q + "\n")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "## Setting it up\n\nIn the portal: Credentials, New credential. By the API:\n\n```sh\n"+
		"curl \"$TOLLGATE_API_URL/v1/tenants/$TOLLGATE_TENANT/credentials\" \\\n"+
		"  -H \"Authorization: Bearer $TOLLGATE_MANAGEMENT_KEY\" -H \"Content-Type: application/json\" \\\n"+
		"  -H \"Idempotency-Key: $(uuidgen)\" \\\n  -d '%s'\n```\n\nThen add a model of the credential and a route to it.\n", setup(k))
	if k.Docs != "" {
		fmt.Fprintf(&b, "\nThe provider's own documentation: <%s>\n", k.Docs)
	}
	return b.String(), nil
}

func setup(k *providerkind.Kind) string {
	s := fmt.Sprintf(`{"name": "%s", "provider": "%s"`, k.Label, k.Name)
	if k.BaseURL == "" {
		s += fmt.Sprintf(`, "base_url": "%s"`, k.Example)
	}
	if !k.Auth.None {
		s += `, "secret": "…"`
	}
	return s + "}"
}

// quirksOf lists the texts of the quirks that are set, in the order of the
// fields.
func quirksOf(q providerkind.Quirks) (texts []string, err error) {
	v := reflect.ValueOf(q)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		text, ok := quirkTexts[name]
		if !ok {
			return nil, fmt.Errorf("the quirk %s is not explained in providers.go", name)
		}
		if v.Field(i).Bool() {
			texts = append(texts, text)
		}
	}
	return texts, nil
}
