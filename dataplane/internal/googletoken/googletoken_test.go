package googletoken_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/googletoken"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

// server gives tokens, numbered.
type server struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	now    atomic.Int64
	asked  atomic.Int64
	mu     sync.Mutex
	answer func(w http.ResponseWriter, n int64)
}

func newServer(t *testing.T) *server {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, key: key}
	s.now.Store(1_800_000_000)
	s.answers(func(w http.ResponseWriter, n int64) {
		fmt.Fprintf(w, `{"access_token":"ya29.token-%d","expires_in":3600,"token_type":"Bearer"}`, n)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.asked.Add(1)
		if r.Method == http.MethodPost {
			s.verify(r)
		} else if r.Header.Get("Metadata-Flavor") != "Google" {
			t.Error("the metadata server is not asked as it wants to be")
		}
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answers(f func(http.ResponseWriter, int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// verify checks an assertion as Google does.
func (s *server) verify(r *http.Request) {
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		s.t.Errorf("grant type %q", r.FormValue("grant_type"))
	}
	parts := strings.Split(r.FormValue("assertion"), ".")
	if len(parts) != 3 {
		s.t.Fatalf("assertion of %d parts", len(parts))
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			s.t.Error(err)
		}
		raw[i] = b
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, sum[:], raw[2]); err != nil {
		s.t.Error(err)
	}
	var h struct{ Alg, Kid string }
	var c struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if json.Unmarshal(raw[0], &h) != nil || json.Unmarshal(raw[1], &c) != nil {
		s.t.Errorf("%s %s", raw[0], raw[1])
	}
	if h.Alg != "RS256" || h.Kid != "k1" || c.Iss != "me@p.iam.gserviceaccount.com" || c.Aud != s.URL+"/token" ||
		c.Scope != "https://www.googleapis.com/auth/cloud-platform" || c.Iat != s.now.Load() || c.Exp <= c.Iat || c.Exp > c.Iat+3600 {
		s.t.Errorf("%s %s", raw[0], raw[1])
	}
}

// secret is the key of a service account that signs in here.
func (s *server) secret() string {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"client_email": "me@p.iam.gserviceaccount.com", "private_key_id": "k1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *server) source(change func(*googletoken.Config)) *googletoken.Source {
	cfg := googletoken.Config{
		Client:      provider.New(provider.Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		MetadataURL: s.URL + "/metadata", Now: func() time.Time { return time.Unix(s.now.Load(), 0) },
	}
	if change != nil {
		change(&cfg)
	}
	return googletoken.New(cfg)
}

const vertex = "https://us-central1-aiplatform.googleapis.com/v1"

func TestATokenIsKeptAndReplacedBeforeItsEnd(t *testing.T) {
	s := newServer(t)
	src, secret := s.source(nil), s.secret()
	get := func() string {
		t.Helper()
		token, err := src.Token(new(provider.Cancel), "ten_1", "crd_1", secret, vertex)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() { get() })
	}
	g.Wait()
	if got, n := get(), s.asked.Load(); got != "ya29.token-1" || n != 1 {
		t.Fatalf("%s after %d sign-ins", got, n)
	}
	// Another credential and another tenant have tokens of their own.
	for i, who := range [][2]string{{"ten_1", "crd_2"}, {"ten_2", "crd_1"}} {
		if token, err := src.Token(new(provider.Cancel), who[0], who[1], secret, vertex); err != nil || token != fmt.Sprintf("ya29.token-%d", i+2) {
			t.Errorf("%v: %s, %v", who, token, err)
		}
	}
	// Near its end the old one still serves while the new one is fetched, once.
	s.now.Add(3600 - 120)
	if got := get(); got != "ya29.token-1" && got != "ya29.token-4" {
		t.Errorf("near its end: %s", got)
	}
	limit := time.Now().Add(20 * time.Second)
	for get() != "ya29.token-4" {
		if time.Now().After(limit) {
			t.Fatal("no new token came")
		}
		time.Sleep(time.Millisecond)
	}
	if n := s.asked.Load(); n != 4 {
		t.Errorf("%d sign-ins, want 4", n)
	}
	// A refused token is dropped.
	src.Forget("ten_1", "crd_1")
	if got := get(); got != "ya29.token-5" {
		t.Errorf("after it was refused: %s", got)
	}
}

func TestWhatIsNoTokenIsTold(t *testing.T) {
	s := newServer(t)
	secret := s.secret()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, int64)
		kind   *fault.Kind
	}{
		"refused": {func(w http.ResponseWriter, _ int64) {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"`+secret[:40]+`"}`)
		}, fault.UpstreamAuth},
		"failed":   {func(w http.ResponseWriter, _ int64) { w.WriteHeader(503) }, fault.UpstreamError},
		"limited":  {func(w http.ResponseWriter, _ int64) { w.WriteHeader(429) }, fault.UpstreamRateLimited},
		"no token": {func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `{}`) }, fault.UpstreamGarbage},
		"no JSON":  {func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `<html>`) }, fault.UpstreamGarbage},
		"a header": {func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `{"access_token":"a\r\nb","expires_in":1000}`) }, fault.UpstreamGarbage},
		"a moment": {func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `{"access_token":"a","expires_in":3}`) }, fault.UpstreamGarbage},
		"no life":  {func(w http.ResponseWriter, _ int64) { fmt.Fprint(w, `{"access_token":"a"}`) }, fault.UpstreamGarbage},
		"elsewhere": {func(w http.ResponseWriter, _ int64) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(302)
		}, fault.UpstreamError},
		"cut": {func(w http.ResponseWriter, _ int64) { w.Header().Set("Content-Length", "99"); fmt.Fprint(w, `{`) }, fault.UpstreamUnreachable},
	} {
		s.answers(c.answer)
		before := s.asked.Load()
		src := s.source(nil)
		for range 3 {
			_, err := src.Token(new(provider.Cancel), "t", "c", secret, vertex)
			f, ok := errors.AsType[*fault.Fault](err)
			if !ok || f.Kind != c.kind {
				t.Errorf("%s: %v", name, err)
			} else if strings.Contains(f.Public()+f.Error(), "private") {
				t.Errorf("%s tells the secret: %v", name, f)
			}
		}
		if n := s.asked.Load() - before; n != 1 {
			t.Errorf("%s: the server was asked %d times at once", name, n)
		}
	}
}

func TestTokenServersAreWhereTheyMayBe(t *testing.T) {
	s := newServer(t)
	closed := s.source(func(c *googletoken.Config) { c.Client = provider.New(provider.Config{}) })
	_, err := closed.Token(new(provider.Cancel), "t", "c", s.secret(), vertex)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.TargetBlocked {
		t.Errorf("a private token server is reached: %v", err)
	}
	// A public address that is not Google's is none of the allowed networks.
	elsewhere := strings.Replace(s.secret(), s.URL, "https://192.0.2.1", 1)
	_, err = s.source(nil).Token(new(provider.Cancel), "t", "c", elsewhere, vertex)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.TargetBlocked {
		t.Errorf("a token server of nobody is reached: %v", err)
	}
	if s.asked.Load() != 0 {
		t.Error("the server was asked")
	}
	_, err = closed.Token(new(provider.Cancel), "t", "c2", "sk-none", vertex)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.CredentialUnusable {
		t.Errorf("a secret of no form: %v", err)
	}
}

func TestTheMachineIsLentToGoogleAlone(t *testing.T) {
	s := newServer(t)
	unusable := func(src *googletoken.Source, base string) {
		t.Helper()
		token, err := src.Token(new(provider.Cancel), "t", "c", "metadata", base)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.CredentialUnusable || token != "" {
			t.Errorf("%s: %q, %v", base, token, err)
		}
	}
	unusable(s.source(nil), vertex)
	lent := s.source(func(c *googletoken.Config) { c.Machine = true })
	for _, base := range []string{"https://evil.example/v1", "http://us-central1-aiplatform.googleapis.com/v1", "https://aiplatform.googleapis.com.evil.example", "https://aiplatform.googleapis.com:8443/v1",
		"https://secretmanager.googleapis.com/v1", "https://storage.googleapis.com", "https://my-aiplatform.storage.googleapis.com"} {
		unusable(lent, base)
	}
	if s.asked.Load() != 0 {
		t.Error("the metadata server was asked in vain")
	}
	if token, err := lent.Token(new(provider.Cancel), "t", "c", "metadata", vertex); err != nil || token != "ya29.token-1" {
		t.Errorf("%s, %v", token, err)
	}
}

func TestACallerWhoLeavesDoesNotWait(t *testing.T) {
	s := newServer(t)
	left := errors.New("left")
	cancel, reached, release := new(provider.Cancel), make(chan struct{}), make(chan struct{})
	s.answers(func(w http.ResponseWriter, _ int64) {
		close(reached)
		<-release
		fmt.Fprint(w, `{"access_token":"late","expires_in":3600}`)
	})
	src, secret := s.source(nil), s.secret()
	done := make(chan error, 1)
	go func() {
		_, err := src.Token(cancel, "t", "c", secret, vertex)
		done <- err
	}()
	<-reached
	cancel.Cancel(left)
	if err := <-done; !errors.Is(err, left) {
		t.Errorf("got %v", err)
	}
	// The sign-in goes on, for the next one.
	close(release)
	if token, err := src.Token(new(provider.Cancel), "t", "c", secret, vertex); err != nil || token != "late" {
		t.Errorf("%s, %v", token, err)
	}
}
