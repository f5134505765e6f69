package credential

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	"github.com/tollgate/tollgate/proto/secretform"
)

// secret is one in force, with what it tells of itself.
type secret struct {
	// text is the form that is stored; hint is what people are shown of it.
	text, hint string
	// project is the one of a service account.
	project string
}

// secretFor gives the secret in force, new or kept: nil for a style that sends
// none.
func (s *Service) secretFor(ctx context.Context, c *Credential, given *string) (*secret, error) {
	if c.AuthStyle == None {
		if given != nil && *given != "" {
			return nil, fault.Invalid("body.secret", "is given though auth_style none sends no secret", "Leave the secret out, or choose another auth_style.")
		}
		return nil, nil
	}
	if given != nil {
		return s.read(c.AuthStyle, *given)
	}
	if !c.HasSecret() {
		return nil, fault.Invalid("body.secret", "is missing", missing(c.AuthStyle))
	}
	kept, err := s.vault.Open(ctx, c.TenantID, c.ID, c.Secret)
	if err != nil {
		return nil, fmt.Errorf("open credential %s: %w", c.ID, err)
	}
	defer clear(kept)
	// The style may be a new one, for which the secret is of another form.
	return s.read(c.AuthStyle, string(kept))
}

func missing(style string) string {
	switch style {
	case AWS:
		return "Give the access keys as ACCESS_KEY_ID:SECRET_ACCESS_KEY, or as JSON with access_key_id and secret_access_key."
	case Google:
		return "Paste the JSON key of a service account, or the word metadata for the identity of the data plane's machine."
	}
	return "Paste the key that the provider gave you."
}

// read checks what was pasted by the form that its style wants.
func (s *Service) read(style, pasted string) (*secret, error) {
	switch style {
	case AWS:
		k, err := secretform.ParseAWS(pasted)
		if err != nil {
			return nil, fault.Invalid("body.secret", err.Error(), missing(style))
		}
		return &secret{text: k.String(), hint: hint(k.AccessKeyID)}, nil
	case Google:
		g, err := secretform.ParseGoogle(pasted)
		if err != nil {
			return nil, fault.Invalid("body.secret", err.Error(), missing(style))
		}
		if g.Metadata {
			return &secret{text: g.String(), hint: secretform.Metadata}, nil
		}
		if !s.mayFetch(&g) {
			return nil, fault.Invalid("body.secret", "has a token_uri that is none of Google's", "Paste the key as Google gave it. The operator can allow networks with token servers of their own.")
		}
		return &secret{text: g.String(), hint: g.ClientEmail, project: g.ProjectID}, nil
	}
	text := strings.TrimSpace(pasted)
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fault.Invalid("body.secret", "is empty or holds characters that cannot stand in a header", "Paste the key alone, without quotes or line breaks.")
	}
	return &secret{text: text, hint: hint(text)}, nil
}

// mayFetch says whether tokens may come from where the key says: from Google,
// or from a network that the operator has allowed. What a name leads to, the
// data plane looks at when it dials.
func (s *Service) mayFetch(g *secretform.Google) bool {
	if g.FromGoogle() {
		return true
	}
	u, err := url.Parse(g.TokenURI)
	if err != nil || len(s.allowed) == 0 {
		return false
	}
	a, ok := literal(u.Hostname())
	return !ok || s.allowed.Contains(a)
}

// keep seals a secret at rest.
func (s *Service) keep(ctx context.Context, c *Credential, now *secret) error {
	if now == nil {
		c.Secret, c.SecretHint = seal.Sealed{}, ""
		return nil
	}
	sealed, err := s.vault.Seal(ctx, c.TenantID, c.ID, []byte(now.text))
	if err != nil {
		return fmt.Errorf("seal credential %s: %w", c.ID, err)
	}
	c.Secret, c.SecretHint = sealed, now.hint
	return nil
}

// hint shows the last four characters of secrets that are long enough for it.
func hint(secret string) string {
	if len(secret) < 12 {
		return "…"
	}
	return "…" + secret[len(secret)-4:]
}

// settleAddress fills in the base URL of a provider that has one of its own,
// unless another is given. before is what the credential was: an address that
// was the provider's own stays so when region or dialect change.
func settleAddress(c *Credential, before *Credential, now *secret) error {
	kind, _ := providerkind.Find(c.Provider)
	made := before.BaseURL != "" && before.BaseURL == kind.Address(before.Dialect, before.Region, projectIn(before.BaseURL))
	if c.BaseURL != "" && !(made && c.BaseURL == before.BaseURL && (c.Region != before.Region || c.Dialect != before.Dialect)) {
		return nil
	}
	project := projectIn(c.BaseURL)
	if project == "" && now != nil {
		project = now.project
	}
	if c.BaseURL = kind.Address(c.Dialect, c.Region, project); c.BaseURL != "" || c.Provider == providerkind.Demo {
		return nil
	}
	if kind.Regional != "" && c.Region == "" {
		return fault.Invalid("body.region", "is missing", "Give the region, such as us-central1 or us-east-1, or the whole address as base_url.")
	}
	fix := "This provider has no address of its own: give it up to and including the version, such as " + kind.Example + "."
	switch {
	case kind.Regional != "":
		fix = "The secret names no project: give the address, such as " + kind.Example + "."
	case kind.Name != c.Provider:
		fix = "No provider is known by the name “" + c.Provider + "”: correct the name, or give the address up to and including the version, such as " + kind.Example + "."
	}
	return fault.Invalid("body.base_url", "is missing", fix)
}

// operationEnds are the ends of addresses of single calls, which people copy
// from a provider's examples.
var operationEnds = []string{"/completions", "/messages", "/responses", "/embeddings", "/rerank", "/converse", "/converse-stream"}

// checkEnd refuses an address that already holds what Tollgate adds to it: the
// call itself, or a deployment. Every call would go astray.
func checkEnd(c *Credential) error {
	kind, _ := providerkind.Find(c.Provider)
	path := strings.TrimRight(c.BaseURL, "/")
	if kind.Versioned != nil && strings.Contains(path, "/deployments/") {
		return fault.Invalid("body.base_url", "names a deployment, which the model's name stands for",
			"Give the address of the resource alone, such as "+kind.Example+", the version as api_version, and name the model after the deployment.")
	}
	for _, end := range operationEnds {
		if strings.HasSuffix(path, end) {
			return fault.Invalid("body.base_url", "ends in "+end+", which is added for each call", wantedAddress(c.Provider))
		}
	}
	return nil
}

// wantedAddress says what an address should look like.
func wantedAddress(provider string) string {
	kind, _ := providerkind.Find(provider)
	example := kind.BaseURL
	if example == "" {
		example = kind.Example
	}
	return "Give the address up to and including the version, such as " + example + "."
}

// projectIn is the project in an address of Google's.
func projectIn(address string) string {
	_, rest, ok := strings.Cut(address, "/projects/")
	project, _, _ := strings.Cut(rest, "/")
	if !ok {
		return ""
	}
	return project
}
