// Package googletoken owns access tokens of Google: it signs in with the key of
// a service account, or as the machine that the data plane runs on, keeps what
// it gets, and gets a new one before the old one ends. It must not know what
// tokens are for, beyond which addresses may see that of the machine.
package googletoken

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/secretform"
)

// Times of a token's life.
const (
	// early is how long before its end a token is replaced, while it still
	// serves; Google's own live for an hour.
	early = 5 * time.Minute
	// margin is what a call may take to reach the provider.
	margin = 10 * time.Second
	// again is when the next sign-in may be tried: until then the error of one
	// that failed is the answer.
	again = 5 * time.Second
	// fetchTime bounds one sign-in.
	fetchTime = 15 * time.Second
	// keep is how long a token is kept that nobody asks for.
	keep = 2 * time.Hour
)

// Config of a Source.
type Config struct {
	// Client dials token servers, under the same rules as providers.
	Client *provider.Client
	// Machine allows the identity of the machine to tenants who ask for it.
	Machine bool
	// MetadataURL is where machines get their tokens; empty means Google's.
	MetadataURL string
	// Now is the clock; nil means the system's.
	Now func() time.Time
}

// Source gives tokens. It is safe for concurrent use.
type Source struct {
	cfg    Config
	remote *remote

	mu      sync.Mutex
	entries map[key]*entry
}

// key starts with the tenant: no token is shared between tenants.
type key struct{ tenantID, credentialID string }

// entry is the token of a credential.
type entry struct {
	secret  string
	token   string
	expires time.Time
	err     error
	retry   time.Time
	used    time.Time
	// fetching is closed when the sign-in that is under way ends; nil when there
	// is none.
	fetching chan struct{}
}

// New makes a source.
func New(cfg Config) *Source {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Source{cfg: cfg, remote: newRemote(cfg), entries: map[key]*entry{}}
}

// Token gives the token of a credential, which is for calls to baseURL. It
// waits only when there is none: one that ends soon is replaced meanwhile. It
// costs a lock, a look at a map and a comparison of the secret.
func (s *Source) Token(cancel *provider.Cancel, tenantID, credentialID, secret, baseURL string) (string, error) {
	if secret == secretform.Metadata {
		if err := s.mayLend(baseURL); err != nil {
			return "", err
		}
	}
	e, wait := s.look(key{tenantID, credentialID}, secret)
	if wait != nil {
		select {
		case <-wait:
		case <-cancel.Done():
			return "", cancel.Cause()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.valid(e) {
		return e.token, nil
	}
	return "", e.err
}

// mayLend guards the identity of the machine: whoever has its token is the
// machine.
func (s *Source) mayLend(baseURL string) error {
	if !s.cfg.Machine {
		return fault.New(fault.CredentialUnusable, "This gateway does not lend the identity of its machine.", nil).
			WithFix("Store the key of a service account, or ask the operator to set TOLLGATE_MACHINE_IDENTITY.")
	}
	u, err := url.Parse(baseURL)
	if err != nil || !secretform.GoogleModels(u) {
		return fault.New(fault.CredentialUnusable, "The identity of the machine is shown to Google's addresses of models alone, such as aiplatform.googleapis.com.", nil)
	}
	return nil
}

// valid reports whether a token serves a call that begins now.
func (s *Source) valid(e *entry) bool {
	return e.token != "" && s.cfg.Now().Before(e.expires.Add(-margin))
}

// look finds the entry of a credential and begins a sign-in when it needs one;
// wait is nil when there is an answer already.
func (s *Source) look(k key, secret string) (e *entry, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	e = s.entries[k]
	if e == nil || e.secret != secret {
		s.sweep(now)
		e = &entry{secret: secret}
		s.entries[k] = e
	}
	e.used = now
	valid := s.valid(e)
	if e.fetching == nil && (now.Before(e.expires.Add(-early)) || now.Before(e.retry) && (valid || e.err != nil)) {
		return e, nil
	}
	if e.fetching == nil {
		e.fetching = make(chan struct{})
		go s.fetch(e)
	}
	if valid {
		return e, nil
	}
	return e, e.fetching
}

// sweep drops what nobody asked for in a long time.
func (s *Source) sweep(now time.Time) {
	for k, e := range s.entries {
		if e.fetching == nil && now.Sub(e.used) > keep {
			delete(s.entries, k)
		}
	}
}

// fetch signs in, on its own time: callers may leave meanwhile. One sign-in of
// a credential is under way at most.
func (s *Source) fetch(e *entry) {
	ctx, stop := context.WithTimeout(context.Background(), fetchTime)
	defer stop()
	token, life, err := s.remote.signIn(ctx, e.secret, s.cfg.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && life <= margin {
		err = fault.New(fault.UpstreamGarbage, "The access token ends as soon as it is given.", nil)
	}
	// Not asked again at once, neither after an error nor for a token that is
	// short-lived by nature.
	e.retry = s.cfg.Now().Add(again)
	if err == nil {
		e.token, e.expires, e.err = token, s.cfg.Now().Add(life), nil
	} else {
		if _, ok := errors.AsType[*fault.Fault](err); !ok {
			err = fault.New(fault.UpstreamUnreachable, "The server that gives access tokens could not be reached.", err)
		}
		e.err = err
	}
	close(e.fetching)
	e.fetching = nil
}

// Forget drops a token that a provider has refused, so that the next call signs
// in again.
func (s *Source) Forget(tenantID, credentialID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key{tenantID, credentialID}]; e != nil && e.fetching == nil {
		delete(s.entries, key{tenantID, credentialID})
	}
}
