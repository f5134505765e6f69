package googletoken

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/secretform"
)

// What tokens are asked for.
const (
	scope       = "https://www.googleapis.com/auth/cloud-platform"
	grant       = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	metadataURL = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
	// assertionLife is how long a signed request for a token is good.
	assertionLife = 10 * time.Minute
	maxAnswer     = 64 << 10
	// maxLife bounds what a server says of a token.
	maxLife = 12 * time.Hour
)

// remote talks to the servers that give tokens.
type remote struct {
	// google reaches public addresses, own the networks that the operator has
	// allowed, machine the server of the machine.
	google, own, machine *http.Client
	metadataURL          string
}

func newRemote(cfg Config) *remote {
	guarded := func(ownOnly bool) *http.Transport {
		dial := func(ctx context.Context, addr string, secure bool) (net.Conn, error) {
			return cfg.Client.Dial(ctx, addr, secure, ownOnly)
		}
		return &http.Transport{
			DialContext:    func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr, false) },
			DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr, true) },
		}
	}
	client := func(t *http.Transport) *http.Client {
		// Tokens are asked for once in an hour: nothing is kept open for that.
		t.DisableKeepAlives = true
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &remote{
		google: client(guarded(false)), own: client(guarded(true)), machine: client(&http.Transport{}),
		metadataURL: cmp.Or(cfg.MetadataURL, metadataURL),
	}
}

// signIn gets a token for a secret and says how long it lives.
func (r *remote) signIn(ctx context.Context, secret string, now time.Time) (string, time.Duration, error) {
	g, err := secretform.ParseGoogle(secret)
	if err != nil {
		return "", 0, fault.New(fault.CredentialUnusable, "The stored secret is no key of a service account.", err)
	}
	if g.Metadata {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.metadataURL, nil)
		if err != nil {
			return "", 0, fmt.Errorf("ask for the machine's token: %w", err)
		}
		req.Header.Set("Metadata-Flavor", "Google")
		return r.ask(r.machine, req)
	}
	assertion, err := sign(&g, now)
	if err != nil {
		return "", 0, fault.New(fault.CredentialUnusable, "The stored key of a service account cannot sign.", err)
	}
	form := url.Values{"grant_type": {grant}, "assertion": {assertion}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, fmt.Errorf("ask for a token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !g.FromGoogle() {
		return r.ask(r.own, req)
	}
	return r.ask(r.google, req)
}

// sign makes the assertion that a service account signs in with (RFC 7523).
func sign(g *secretform.Google, now time.Time) (string, error) {
	k, err := g.Key()
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid,omitempty"`
	}{"RS256", "JWT", g.PrivateKeyID})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Scope    string `json:"scope"`
		Audience string `json:"aud"`
		Issued   int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}{g.ClientEmail, scope, g.TokenURI, now.Unix(), now.Add(assertionLife).Unix()})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// ask sends a request for a token and reads what comes back.
func (r *remote) ask(c *http.Client, req *http.Request) (string, time.Duration, error) {
	resp, err := c.Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Fault](err); ok {
			return "", 0, f
		}
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			return "", 0, fault.New(fault.UpstreamTimeout, "The server that gives access tokens did not answer in time.", err)
		}
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", 0, fmt.Errorf("read the token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", 0, refusal(resp.StatusCode, body)
	}
	return read(body)
}

// read takes the token out of an answer.
func read(body []byte) (string, time.Duration, error) {
	var a struct {
		Token   string  `json:"access_token"`
		Type    string  `json:"token_type"`
		Seconds float64 `json:"expires_in"`
	}
	err := json.NewDecoder(bytes.NewReader(body)).Decode(&a)
	if err != nil || a.Token == "" || a.Type != "" && !strings.EqualFold(a.Type, "bearer") || !(a.Seconds > 0) {
		// The decoder's own error may quote the token.
		return "", 0, fault.New(fault.UpstreamGarbage, "The server that gives access tokens did not answer with one.", nil)
	}
	if strings.ContainsFunc(a.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", 0, fault.New(fault.UpstreamGarbage, "The access token cannot stand in a header.", nil)
	}
	return a.Token, time.Duration(min(a.Seconds, maxLife.Seconds()) * float64(time.Second)), nil
}

// refusal says why no token was given. The server's own words stay here, but
// for a short code.
func refusal(status int, body []byte) error {
	var a struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &a) != nil || len(a.Error) > 40 || strings.ContainsFunc(a.Error, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		a.Error = ""
	}
	cause := fmt.Errorf("the token server answered %d %s", status, a.Error)
	switch {
	case status == http.StatusTooManyRequests:
		return fault.New(fault.UpstreamRateLimited, "The server that gives access tokens limits how often it is asked.", cause)
	case status >= 400 && status < 500:
		text := "Google did not accept the service account."
		if a.Error != "" {
			text = "Google did not accept the service account: " + a.Error + "."
		}
		return fault.New(fault.UpstreamAuth, text, cause)
	}
	return fault.New(fault.UpstreamError, "The server that gives access tokens failed.", cause)
}
