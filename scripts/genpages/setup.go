package main

import (
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/proto/providerkind"
)

// fromSecretToCall is the part of the index that all pages of providers lead
// to: what is the same for each of them.
const fromSecretToCall = `
## From a secret to a call

1. Store the secret as a credential: in the portal under *Credentials*, or as the provider's page says. The variables in these pages are those of ` + "[`tollgate up`](../../README.md#two-commands)" + `.
2. Add a model of it, with a route, which is the name that your programs call: in the portal under *Models*, or, with the ` + "`id`" + ` that the first step answered,

   ` + "```sh" + `
   curl "$TOLLGATE_API_URL/v1/tenants/$TOLLGATE_TENANT/models" \
     -H "Authorization: Bearer $TOLLGATE_MANAGEMENT_KEY" -H "Content-Type: application/json" \
     -d '{"credential_id": "crd_…", "provider_model": "MODEL", "route_name": "my-model"}'
   ` + "```" + `

   ` + "`provider_model`" + ` is the model's name at the provider. The answer says whether it is ` + "`priced`" + `. If not, calls are refused with [` + "`price_unknown`" + `](../errors/price_unknown.md) until one of these is done: add ` + "`\"price\": {\"input\": \"0.15\", \"output\": \"0.60\"}`" + ` (dollars per million tokens), let the operator [import a price list](../catalog.md#importing-a-public-list), or add ` + "`\"unknown_price\": \"zero\"`" + `, which counts tokens and no money.
3. Call it:

   ` + "```sh" + `
   curl "$TOLLGATE_GATEWAY_URL/v1/chat/completions" \
     -H "Authorization: Bearer $TOLLGATE_API_KEY" -H "Content-Type: application/json" \
     -d '{"model": "my-model", "messages": [{"role": "user", "content": "Hello!"}]}'
   ` + "```" + `

An address that is private or loopback, such as that of a server on your own machine, must be in ` + "`TOLLGATE_ALLOWED_NETWORKS`" + ` of the gateway and the control plane: ` + "`TOLLGATE_ALLOWED_NETWORKS=127.0.0.0/8 make up`" + `.
`

// field is one of a credential that a recipe gives.
type field struct{ name, value string }

// setupText is the recipe of a provider: how its secret is stored.
func setupText(k *providerkind.Kind) string {
	var b strings.Builder
	b.WriteString("## Setting it up\n\nIn the portal: Credentials, New credential. By the API:\n\n")
	fields := []field{{"name", k.Label}, {"provider", k.Name}}
	switch {
	case k.Regional != "" && k.Auth.Google:
		fields = append(fields, field{"region", "us-central1"})
	case k.Regional != "":
		fields = append(fields, field{"region", "us-east-1"})
	case k.BaseURL == "":
		fields = append(fields, field{"base_url", k.Example})
	}
	switch {
	case k.Auth.Google:
		b.WriteString(fileRecipe(fields))
	case k.Auth.None:
		b.WriteString(recipe(fields))
	case k.Auth.AWS:
		b.WriteString(recipe(append(fields, field{"secret", "ACCESS_KEY_ID:SECRET_ACCESS_KEY"})))
	default:
		b.WriteString(recipe(append(fields, field{"secret", "…"})))
	}
	b.WriteString(variantsText(k, fields))
	b.WriteString("Then [add a model and call it](README.md#from-a-secret-to-a-call).\n")
	return b.String()
}

// variantsText tells of the other ways in which a provider can be stored.
func variantsText(k *providerkind.Kind, fields []field) string {
	var b strings.Builder
	if k.Auth.AWS {
		b.WriteString("With an API key of the provider's own:\n\n" + recipe(append(fields, field{"auth_style", "bearer"}, field{"secret", "…"})))
	}
	if v := k.Versioned; v != nil {
		b.WriteString("For deployments by name, as older resources have them, with the address of the resource alone; the model is then named after the deployment:\n\n" +
			recipe([]field{{"name", k.Label}, {"provider", k.Name}, {"base_url", strings.TrimSuffix(k.Example, v.Plain)}, {"api_version", k.APIVersion}, {"secret", "…"}}))
	}
	for _, p := range k.Places {
		if p.BaseURL != "" {
			fmt.Fprintf(&b, "In its own dialect, %s, at `%s`:\n\n%s", dialectTexts[p.Dialect], p.BaseURL,
				recipe(append(fields, field{"dialect", p.Dialect}, field{"secret", "…"})))
		}
	}
	if k.Name == providerkind.Custom {
		b.WriteString("For an endpoint that speaks another dialect add `dialect`: `" + strings.Join(providerkind.Dialects()[1:], "`, `") + "`. " +
			"For one that wants its secret in a header of its own add `\"auth_style\": \"header\", \"auth_header\": \"x-api-key\"`; for one that wants none, `\"auth_style\": \"none\"` in place of the secret.\n\n")
	}
	return b.String()
}

// request is the beginning of each recipe.
const request = "curl \"$TOLLGATE_API_URL/v1/tenants/$TOLLGATE_TENANT/credentials\" \\\n" +
	"  -H \"Authorization: Bearer $TOLLGATE_MANAGEMENT_KEY\" -H \"Content-Type: application/json\" \\\n"

// recipe stores a credential with these fields.
func recipe(fields []field) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %q", f.name, f.value)
	}
	return "```sh\n" + request + "  -d '{" + b.String() + "}'\n```\n\n"
}

// fileRecipe stores one whose secret is a file of JSON, as text.
func fileRecipe(fields []field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %q, ", f.name, f.value)
	}
	return "```sh\njq -n --rawfile key key.json '{" + b.String() + "secret: $key}' |\n" + request + "  -d @-\n```\n\n" +
		"The region `global` and those of several regions, `eu` and `us`, have addresses of their own, which Tollgate knows.\n\n"
}
