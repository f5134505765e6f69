package control_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// mostWait is how long people wait at most for a page that says no.
const mostWait = 2 * time.Second

func me(t *testing.T, url string, c control.Caller) (*apiclient.Me, error) {
	t.Helper()
	api, err := control.New(url, "").For(c)
	if err != nil {
		t.Fatal(err)
	}
	return control.OK(api.GetMeWithResponse(t.Context()))
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = me(t, "http://"+l.Addr().String(), control.Caller{})
	if _, ok := errors.AsType[*control.Unavailable](err); !ok {
		t.Errorf("got %v", err)
	}
}

// TestHanging: a control plane that accepts and says nothing, to the probe
// neither, is given up within two seconds.
func TestHanging(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	_, err = me(t, "http://"+l.Addr().String(), control.Caller{})
	if _, ok := errors.AsType[*control.Unavailable](err); !ok {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > mostWait {
		t.Errorf("gave up after %v", took)
	}
}

// TestSlowIsNotDead: while the probe is answered, a slow call is waited for.
func TestSlowIsNotDead(t *testing.T) {
	probed := make(chan struct{}, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/livez" {
			probed <- struct{}{}
			return
		}
		<-probed
		answer(w, 200, "application/json", `{"kind":"user","id":"usr_1","name":"Ada","operator":false,"memberships":[]}`)
	})
	got, err := me(t, url, control.Caller{})
	if err != nil || got.Name != "Ada" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCallerWhoLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	api, err := control.New(url, "").For(control.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.OK(api.GetMeWithResponse(ctx))
	if _, is := errors.AsType[*control.Unavailable](err); is || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProblem(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 422, "application/problem+json", `{"type":"x","title":"Some fields are not valid.","status":422,"code":"validation_failed","fix":"Correct them.",
			"request_id":"req_1","errors":[{"location":"body.name","message":"is taken","fix":"Choose another."},{"location":"body.price.input","message":"no number"}]}`)
	})
	_, err := me(t, url, control.Caller{})
	p, ok := errors.AsType[*control.Problem](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if p.Status != 422 || p.Code != "validation_failed" || p.RequestID != "req_1" || p.Fix != "Correct them." {
		t.Errorf("got %+v", p)
	}
	if p.Fields["name"] != (control.FieldError{Message: "is taken", Fix: "Choose another."}) || p.Fields["price.input"].Message != "no number" {
		t.Errorf("fields %+v", p.Fields)
	}
}

// TestSomethingElseAnswers: a proxy's error page is not the control plane.
func TestSomethingElseAnswers(t *testing.T) {
	for _, c := range []struct {
		status            int
		contentType, body string
	}{
		{502, "text/html", "<h1>Bad gateway</h1>"}, {200, "text/html", "<h1>Welcome</h1>"},
		{503, "application/problem+json", "{"}, {500, "application/problem+json", "{}"},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, c.status, c.contentType, c.body) })
		_, err := me(t, url, control.Caller{})
		if _, ok := errors.AsType[*control.Unavailable](err); !ok {
			t.Errorf("%d %s: got %v", c.status, c.body, err)
		}
	}
}

func TestWhoAsksGoesAlong(t *testing.T) {
	headers := make(chan http.Header, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		answer(w, 200, "application/json", `{}`)
	})
	if _, err := me(t, url, control.Caller{Session: "tgs_1", RequestID: "req_1", ClientIP: "203.0.113.9"}); err != nil {
		t.Fatal(err)
	}
	h := <-headers
	if h.Get("Authorization") != "Bearer tgs_1" || h.Get("X-Request-Id") != "req_1" || h.Get("X-Forwarded-For") != "203.0.113.9" {
		t.Errorf("%v", h)
	}
	if _, sent := h[network.PortalKey]; sent {
		t.Error("a key that there is not was sent")
	}
	api, err := control.New(url, "0123456789abcdef").For(control.Caller{ClientIP: "203.0.113.9"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.GetMeWithResponse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h = <-headers; h.Get(network.PortalKey) != "0123456789abcdef" || h.Get("X-Forwarded-For") != "203.0.113.9" {
		t.Errorf("%v", h)
	}
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	io.WriteString(w, body)
}
