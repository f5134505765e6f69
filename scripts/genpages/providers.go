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
	providerkind.Responses:  "[OpenAI Responses](../dialects.md#openai-responses)",
	providerkind.Anthropic:  "[Anthropic messages](../dialects.md#anthropic-messages)",
	providerkind.Gemini:     "[Gemini generateContent](../dialects.md#gemini)",
	providerkind.Bedrock:    "[Bedrock Converse](../dialects.md#bedrock-converse)",
	providerkind.Cohere:     "[Cohere chat](../dialects.md#cohere-chat)",
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
		if k.Regional != "" {
			address = "`" + k.Regional + "`"
		} else if k.BaseURL == "" {
			address = "yours, such as `" + k.Example + "`"
		}
		speaks := dialectTexts[k.Dialect]
		if k.NoChat {
			speaks = "[embeddings and reranks](../dialects.md#beside-chat)"
		}
		fmt.Fprintf(&index, "| [`%s`](%s.md) | %s | %s | %s |\n", k.Name, k.Name, k.Label, speaks, address)
	}
	index.WriteString(fromSecretToCall)
	pages["README.md"] = index.String()
	return pages, nil
}

func renderProvider(k *providerkind.Kind) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nName in credentials: `%s`. %s\n\n", k.Label, k.Name, speaksText(k))
	b.WriteString(alsoText(k) + familiesText(k) + addressText(k) + versionText(k) + authText(k.Auth))
	if k.Counts {
		b.WriteString("Calls that count the tokens of a prompt are answered by the provider's own count.\n\n")
	}
	if k.Local {
		b.WriteString("It runs on your own machines: the operator must allow its network with `TOLLGATE_ALLOWED_NETWORKS`, such as `127.0.0.0/8` for this machine, since private addresses are closed to tenants.\n\n")
	}
	quirks, err := quirksOf(k.Quirks)
	if err != nil {
		return "", err
	}
	if len(quirks) > 0 && !k.NoChat {
		b.WriteString("## What differs from OpenAI\n\nCalls that come in OpenAI's dialect pass unchanged. When Tollgate writes the request for a caller of another dialect:\n\n")
		for _, q := range quirks {
			b.WriteString("- " + q + "\n")
		}
		b.WriteString("\n")
	}
	b.WriteString(setupText(k))
	if k.Docs != "" {
		fmt.Fprintf(&b, "\nThe provider's own documentation: <%s>\n", k.Docs)
	}
	return b.String(), nil
}

// speaksText says in which dialect calls go to a provider, if chat does.
func speaksText(k *providerkind.Kind) string {
	if k.NoChat {
		return "Serves [embeddings and reranks](../dialects.md#beside-chat) and no chat."
	}
	return "Speaks " + dialectTexts[k.Dialect] + "."
}

func alsoText(k *providerkind.Kind) string {
	if len(k.Also) == 0 {
		return ""
	}
	return "It also speaks " + dialectList(k.Also) + ": callers of these are passed on as they are, and nothing of their calls is lost. " +
		"A server that calls itself by this name but knows " + dialectTexts[k.Dialect] + " alone is `custom`.\n\n"
}

func dialectList(names []string) string {
	texts := make([]string, 0, len(names))
	for _, n := range names {
		texts = append(texts, dialectTexts[n])
	}
	return strings.Join(texts, " and ")
}

func familiesText(k *providerkind.Kind) string {
	if len(k.Families) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("What a model speaks goes by its name; the first row that fits counts:\n\n| models | speak | called at |\n|---|---|---|\n")
	for _, f := range k.Families {
		place := f.Place
		if place == nil {
			place = k.PlaceOf(f.Dialects[0])
		}
		at := "the usual path"
		switch {
		case place != nil && place.Chat != "":
			at = "`" + place.Chat + "`"
		case place != nil:
			at = "`" + place.Prefix + "/…`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(f.Models, "`, `"), dialectList(f.Dialects), at)
	}
	fmt.Fprintf(&b, "| others | %s | ", dialectTexts[k.Dialect])
	if place := k.PlaceOf(k.Dialect); place != nil {
		b.WriteString("`" + place.Prefix + "/…` |\n\n")
	} else {
		b.WriteString("the usual path |\n\n")
	}
	return b.String()
}

func addressText(k *providerkind.Kind) string {
	switch {
	case k.Regional != "":
		text := fmt.Sprintf("Address: `%s`, made of the `region` of the credential", k.Regional)
		if strings.Contains(k.Regional, "{project}") {
			text += " and of the project that the secret names"
		}
		return text + "; another one can be given as `base_url`.\n\n"
	case k.BaseURL != "":
		return fmt.Sprintf("Address: `%s`; another one can be given as `base_url`.\n\n", k.BaseURL)
	}
	return fmt.Sprintf("It has no address of its own: give `base_url` up to and including the version, such as `%s`.\n\n", k.Example)
}

func versionText(k *providerkind.Kind) string {
	switch v := k.Versioned; {
	case v != nil:
		return fmt.Sprintf("Without `api_version`, and with one that is no date, such as `preview`, calls go to `%s`. "+
			"With a date, such as `%s`, they go to `%s`, and the name of the model is that of the deployment. The version is sent as `?%s=`.\n\n", v.Plain, k.APIVersion, v.Deployment, v.Query)
	case k.VersionHeader != "":
		return fmt.Sprintf("The version of the API is sent in the header `%s`: the `api_version` of the credential, or `%s`.\n\n", k.VersionHeader, k.APIVersion)
	}
	return ""
}

func authText(a providerkind.Auth) string {
	switch {
	case a.None:
		return "No secret is needed. For a server behind a proxy that wants one, choose how it is sent.\n\n"
	case a.AWS:
		return "Requests are signed (AWS Signature Version 4) for the `region`. The secret is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it for temporary keys, or JSON as AWS gives it. " +
			"For an API key of the provider's own, choose the auth style `bearer`.\n\n"
	case a.Google:
		return "The secret is the JSON key of a service account. Tollgate signs in with it, and keeps and renews the access token. " +
			"The word `metadata` in its place stands for the identity of the machine that the data plane runs on, where the operator allows that with `TOLLGATE_MACHINE_IDENTITY`.\n\n"
	case a.Header != "":
		return fmt.Sprintf("The secret is sent in the header `%s`.\n\n", a.Header)
	}
	return "The secret is sent as `Authorization: Bearer`.\n\n"
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
