package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// contrary answers in the other way than it is asked: streams what was asked
// for plain, and the other way round.
func (p *spoken) contrary(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"stream":true`) || r.URL.RequestURI() == p.streamPath && p.path != p.streamPath {
			jsonAnswer(w, p.plain)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range p.events {
			fmt.Fprintf(w, "data: %s\n\n", ev)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCallersGetWhatTheyAskedFor: a stream from providers that answer plain, a
// plain answer from those that stream, in the caller's dialect, with the usage.
func TestCallersGetWhatTheyAskedFor(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	for i := range providers {
		p := providers[i]
		w.Route(tenant, p.dialect, "provider-model", p.contrary(t).URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Dialect, c.Provider = p.dialect, providerkind.Custom
		})
	}
	g := start(t, w, nil)
	n := 0
	for _, c := range callers {
		for _, p := range providers {
			t.Run(c.name+" to "+p.dialect, func(t *testing.T) {
				// What was written anew is not the provider's bytes.
				p.plain = ""
				reshaped := c
				if c.name == p.dialect {
					reshaped.name = ""
				}
				reshaped.plain(t, g, key, &p)
				checkTokens(t, g.ledger.wait(t, n), false)
				n++
				reshaped.stream(t, g, key, &p)
				checkTokens(t, g.ledger.wait(t, n), true)
				n++
			})
		}
	}
}
