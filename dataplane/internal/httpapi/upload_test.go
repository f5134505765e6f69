package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// zeros gives n bytes without holding them.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

const formHead = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\near\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
const formTail = "\r\n--b--\r\n"

// send sends a form whose file comes from r.
func (g *gateway) send(path, key string, r io.Reader) (*http.Response, error) {
	req, err := http.NewRequest("POST", g.url+path, io.MultiReader(strings.NewReader(formHead), r, strings.NewReader(formTail)))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	return http.DefaultClient.Do(req)
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// An upload of 200 MiB, caller, gateway and provider in one process, never
// makes it hold 1 MiB more.
func TestLargeUploadsAreNotHeld(t *testing.T) {
	const size = 200 << 20
	var before, most atomic.Uint64
	var got atomic.Int64
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		next := int64(size / 8)
		for {
			n, err := r.Body.Read(buf)
			if got.Add(int64(n)) > next {
				next += size / 8
				most.Store(max(most.Load(), liveHeap()))
			}
			if err != nil {
				break
			}
		}
		io.WriteString(w, `ok`)
	}, nil)
	before.Store(liveHeap())
	resp, err := g.send("/v1/audio/transcriptions", key, &zeros{size})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if want := int64(size + len(formHead) + len(formTail) + len("provider-model") - len("ear")); resp.StatusCode != 200 || got.Load() != want {
		t.Errorf("status %d, %d of %d bytes", resp.StatusCode, got.Load(), want)
	}
	if grown := int64(most.Load()) - int64(before.Load()); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	} else {
		t.Logf("the heap grew by %d KiB", grown>>10)
	}
}

// waiting is a provider that tells how far the body came and how it ended.
func waiting(t *testing.T) (handler http.HandlerFunc, began chan struct{}, ended chan error) {
	began, ended = make(chan struct{}), make(chan error, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 64<<10)); err != nil {
			t.Error(err)
		}
		close(began)
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	}, began, ended
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("waited in vain for " + what)
	}
	return v
}

func TestCallerLeavesWhileUploading(t *testing.T) {
	handler, began, ended := waiting(t)
	g, key := carrier(t, handler, nil)
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n%s%s", key, formHead, strings.Repeat("x", 100<<10))
	await(t, began, "the upload's beginning")
	conn.Close()
	if err := await(t, ended, "the upload's end"); err == nil {
		t.Error("the provider took the upload for whole")
	}
	if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_CLIENT_CLOSED || ev.HttpStatus != 0 {
		t.Errorf("event %v", ev)
	}
}

func TestRevokedKeyCutsUpload(t *testing.T) {
	handler, began, ended := waiting(t)
	up := httptest.NewServer(handler)
	defer up.Close()
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, keyID := w.Key(acme, nil)
	w.Route(acme, "ear", "provider-model", up.URL+"/v1", providerSecret, nil)
	g := start(t, w, nil)
	r, sender := io.Pipe()
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := g.send("/v1/audio/transcriptions", key, r)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	sender.Write(make([]byte, 100<<10))
	await(t, began, "the upload's beginning")
	g.pipeline.Cut(acme, keyID)
	if err := await(t, ended, "the upload's end"); err == nil {
		t.Error("the provider took the upload for whole")
	}
	resp := await(t, answered, "the answer")
	sender.Close()
	if resp == nil {
		return
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	g.wantFault(&answer{resp, string(b)}, fault.KeyRevoked, "")
	if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_CUT {
		t.Errorf("event %v", ev)
	}
}

// A provider that answers before it has the whole body: the answer counts, and
// the rest is not sent.
func TestEarlyAnswerEndsTheUpload(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(413)
		io.WriteString(w, `{"error":{"message":"Maximum content size limit exceeded","type":"server_error"}}`)
	}, nil)
	r, sender := io.Pipe()
	defer sender.Close()
	go sender.Write(make([]byte, 1<<20))
	resp, err := g.send("/v1/audio/transcriptions", key, r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if ev := g.ledger.wait(t, 0); resp.StatusCode != 413 || !strings.Contains(string(b), "Maximum content size") || ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR {
		t.Errorf("%d %s, event %v", resp.StatusCode, b, ev)
	}
}

func TestProviderClosesWhileUploading(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 10<<10))
		panic(http.ErrAbortHandler)
	}, nil)
	resp, err := g.send("/v1/audio/transcriptions", key, &zeros{32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	g.wantFault(&answer{resp, string(b)}, fault.UpstreamReset, "")
}

// What breaks off in the middle must not look whole.
func TestBrokenAnswerDoesNotEndWell(t *testing.T) {
	for _, length := range []string{"", "100000"} {
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "audio/mpeg")
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.Write(make([]byte, 50<<10))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, nil)
		req, _ := http.NewRequest("POST", g.url+"/v1/audio/speech", strings.NewReader(`{"model":"ear","input":"Hello"}`))
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("length %q: %d bytes that look whole", length, len(b))
		}
		resp.Body.Close()
		if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || ev.ErrorCode != fault.UpstreamReset.Code || ev.GetUnits().GetCharacters() != 5 {
			t.Errorf("length %q: event %v", length, ev)
		}
	}
}

func TestUploadLimits(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer up.Close()
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	w.Route(acme, "ear", "provider-model", up.URL+"/v1", providerSecret, nil)
	g := start(t, w, func(c *httpapi.Config) {
		c.Limits.Upload, c.Limits.BodyStall, c.Limits.HeaderTime = 1<<20, 200*time.Millisecond, 200*time.Millisecond
	})
	resp, err := g.send("/v1/audio/transcriptions", key, &zeros{2 << 20}) // in chunks
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	g.wantFault(&answer{resp, string(b)}, fault.BodyTooLarge, "")
	// One that says its size is refused before anything of it is read, and one
	// that stops in its middle is not waited for.
	for size, want := range map[int]*fault.Kind{2 << 20: fault.BodyTooLarge, 1000: fault.RequestTimeout} {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", key, size, formHead)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		g.wantFault(&answer{resp, string(b)}, want, "")
		conn.Close()
	}
}
