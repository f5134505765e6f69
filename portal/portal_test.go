package portal_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/portal"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestFromEnv(t *testing.T) {
	c, err := portal.FromEnv(env())
	if err != nil || c.Addr != "127.0.0.1:8082" || c.APIURL != "http://127.0.0.1:8081" || c.GatewayURL != "http://127.0.0.1:8080" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = portal.FromEnv(env("TOLLGATE_PORTAL_ADDR", ":9", "TOLLGATE_API_URL", "https://api.test", "TOLLGATE_GATEWAY_URL", "https://gw.test", "TOLLGATE_PORTAL_URL", "https://portal.test",
		"TOLLGATE_TRUSTED_PROXIES", "10.0.0.0/8", "TOLLGATE_PORTAL_KEY", "0123456789abcdef"))
	if err != nil || c.Addr != ":9" || c.APIURL != "https://api.test" || c.GatewayURL != "https://gw.test" || c.PublicURL != "https://portal.test" ||
		len(c.TrustedProxies) != 1 || c.PortalKey != "0123456789abcdef" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	for name, pairs := range map[string][2]string{
		"TOLLGATE_PORTAL_ADDR": {"TOLLGATE_PORTAL_ADDR", "nonsense"},
		"TOLLGATE_API_URL":     {"TOLLGATE_API_URL", "localhost:8081"},
		"TOLLGATE_GATEWAY_URL": {"TOLLGATE_GATEWAY_URL", "ftp://x"},
		"TOLLGATE_PORTAL_URL":  {"TOLLGATE_PORTAL_URL", "https://"},
		"TOLLGATE_PORTAL_KEY":  {"TOLLGATE_PORTAL_KEY", "short"},

		"TOLLGATE_TRUSTED_PROXIES": {"TOLLGATE_TRUSTED_PROXIES", "everybody"},
	} {
		_, err := portal.FromEnv(env(pairs[0], pairs[1]))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", pairs, err)
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// TestStop: a page that is open for ever does not hold the program.
func TestStop(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/me":
			io.WriteString(w, `{"kind":"user","id":"usr_1","name":"Ada","operator":false,"memberships":[{"tenant_id":"ten_1","slug":"acme","name":"Acme","role":"owner","status":"active"}]}`)
		default:
			io.WriteString(w, `{"data":[],"has_more":false}`)
		}
	}))
	defer api.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- portal.Run(ctx, portal.Config{
			Addr: "127.0.0.1:0", APIURL: api.URL, GatewayURL: "http://gw.test", Logger: quiet(), OnReady: func(addr string) { ready <- addr },
		})
	}()
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/t/acme/start/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-tollgate", Value: "tgs_x"})
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
		t.Fatalf("%q, %v", line, err)
	}
	stop()
	start := time.Now()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("stopped after %v", took)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = portal.Run(t.Context(), portal.Config{Addr: l.Addr().String(), APIURL: "http://127.0.0.1:1", GatewayURL: "http://gw.test", Logger: quiet()})
	if err == nil || !strings.Contains(err.Error(), "TOLLGATE_PORTAL_ADDR") {
		t.Errorf("%v", err)
	}
}
