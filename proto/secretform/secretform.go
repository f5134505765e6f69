// Package secretform owns the form of secrets that are more than one word: the
// access keys of AWS and the service accounts of Google. The control plane
// brings what people paste into the one form that is stored, and the data
// plane reads that form. It must not know how requests are signed, where
// tokens come from, nor what may be reached; and no error of it holds a part
// of a secret.
package secretform

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
)

// AWS is a pair of access keys, with the token of a session when they are
// temporary.
type AWS struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token,omitempty"`
}

// maxKey bounds each part of a pair of access keys; session tokens are longer.
const (
	maxKey   = 256
	maxToken = 4096
)

// awsNames are the spellings that AWS itself uses, beside ours.
var awsNames = map[string]string{
	"accesskeyid": "id", "awsaccesskeyid": "id",
	"secretaccesskey": "secret", "awssecretaccesskey": "secret",
	"sessiontoken": "token", "awssessiontoken": "token", "token": "token",
}

// ParseAWS reads "ID:SECRET", "ID:SECRET:TOKEN" or JSON, in our spelling or in
// one of AWS.
func ParseAWS(s string) (AWS, error) {
	s = strings.TrimSpace(s)
	var k AWS
	if strings.HasPrefix(s, "{") {
		fields := map[string]any{}
		if err := json.Unmarshal([]byte(s), &fields); err != nil {
			return AWS{}, errors.New("is not valid JSON")
		}
		for name, value := range fields {
			text, _ := value.(string)
			switch awsNames[strings.ToLower(strings.ReplaceAll(name, "_", ""))] {
			case "id":
				k.AccessKeyID = text
			case "secret":
				k.SecretAccessKey = text
			case "token":
				k.SessionToken = text
			}
		}
	} else {
		parts := strings.SplitN(s, ":", 3)
		if len(parts) < 2 {
			return AWS{}, errors.New("has no secret access key")
		}
		k.AccessKeyID, k.SecretAccessKey = parts[0], parts[1]
		if len(parts) == 3 {
			k.SessionToken = parts[2]
		}
	}
	switch {
	case !word(k.AccessKeyID, maxKey):
		return AWS{}, errors.New("has no access_key_id of letters and digits")
	case !word(k.SecretAccessKey, maxKey):
		return AWS{}, errors.New("has no secret_access_key")
	case k.SessionToken != "" && !word(k.SessionToken, maxToken):
		return AWS{}, errors.New("has a session_token that cannot stand in a header")
	}
	return k, nil
}

// String is the form that is stored.
func (k AWS) String() string { return encode(k) }

// word reports whether s can stand in a header.
func word(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// Metadata is the secret that stands for the identity of the machine that the
// data plane runs on.
const Metadata = "metadata"

// GoogleTokenURI is where tokens of a service account come from when its key
// does not say.
const GoogleTokenURI = "https://oauth2.googleapis.com/token"

// Google is the key of a service account. Metadata stands alone: the identity
// of the machine.
type Google struct {
	ClientEmail  string `json:"client_email,omitempty"`
	PrivateKeyID string `json:"private_key_id,omitempty"`
	// PrivateKey is PEM.
	PrivateKey string `json:"private_key,omitempty"`
	TokenURI   string `json:"token_uri,omitempty"`
	ProjectID  string `json:"project_id,omitempty"`
	Metadata   bool   `json:"-"`
}

// ParseGoogle reads the JSON key of a service account, or the word metadata.
func ParseGoogle(s string) (Google, error) {
	s = strings.TrimSpace(s)
	if s == Metadata {
		return Google{Metadata: true}, nil
	}
	var in struct {
		Google
		Type string `json:"type"`
	}
	if err := json.Unmarshal([]byte(s), &in); err != nil {
		return Google{}, errors.New("is neither the JSON key of a service account nor the word metadata")
	}
	g := in.Google
	if g.TokenURI == "" {
		g.TokenURI = GoogleTokenURI
	}
	switch {
	case in.Type != "" && in.Type != "service_account":
		return Google{}, errors.New("is a key of another type than service_account")
	case !strings.Contains(g.ClientEmail, "@") || !word(g.ClientEmail, maxKey):
		return Google{}, errors.New("has no client_email")
	case g.PrivateKeyID != "" && !word(g.PrivateKeyID, maxKey):
		return Google{}, errors.New("has a private_key_id that is none")
	case g.ProjectID != "" && !validProject(g.ProjectID):
		return Google{}, errors.New("has a project_id that is none")
	}
	if _, err := g.Key(); err != nil {
		return Google{}, err
	}
	u, err := url.Parse(g.TokenURI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Google{}, errors.New("has a token_uri that is no URL")
	}
	return g, nil
}

// validProject keeps a project's id from being more than one segment of a path.
func validProject(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == ':' || c == '.') {
			return false
		}
	}
	return len(s) <= 100
}

// Key is the private key, parsed.
func (g *Google) Key() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(g.PrivateKey))
	if block == nil {
		return nil, errors.New("has no private_key in PEM")
	}
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	k, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("has a private_key that is not one of RSA")
	}
	return k, nil
}

// FromGoogle reports whether tokens come from one of Google's own hosts, over
// TLS.
func (g *Google) FromGoogle() bool {
	u, err := url.Parse(g.TokenURI)
	return err == nil && (googleHost(u) || u.Scheme == "https" && u.Host == "accounts.google.com")
}

// googleHost reports whether an address is one of Google's APIs, over TLS.
func googleHost(u *url.URL) bool {
	return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && strings.HasSuffix(strings.ToLower(u.Hostname()), ".googleapis.com")
}

// GoogleModels reports whether an address is one of Google's APIs for models,
// over TLS: what a machine may do with all others is not for tenants.
func GoogleModels(u *url.URL) bool {
	api, rest, _ := strings.Cut(strings.ToLower(u.Hostname()), ".")
	// Below others, such as storage, the first word is anybody's to choose.
	own := rest == "googleapis.com" || strings.HasSuffix(rest, ".rep.googleapis.com")
	return own && googleHost(u) && (api == "aiplatform" || strings.HasSuffix(api, "-aiplatform") || api == "generativelanguage")
}

// String is the form that is stored.
func (g Google) String() string {
	if g.Metadata {
		return Metadata
	}
	return encode(g)
}

// encode writes JSON without escaping what HTML would want escaped.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Strings always encode.
		panic(err)
	}
	return strings.TrimSpace(b.String())
}
