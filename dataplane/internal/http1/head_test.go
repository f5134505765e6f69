package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

var wantedInTests = []string{"authorization", "x-request-id", "user-agent", "x-forwarded-for"}

const plainHead = "POST /v1/chat/completions HTTP/1.1\r\nHost: gate:8080\r\nAuthorization: Bearer tg_1\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\nUser-Agent: \t a b \r\n\r\n"

// irregular are heads that are handed over, some of which are good HTTP.
var irregular = []string{
	"", "P", "POST", plainHead[:40],
	"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
	strings.Replace(plainHead, "POST", "post", 1),
	strings.Replace(plainHead, "HTTP/1.1", "HTTP/1.0", 1),
	strings.Replace(plainHead, " HTTP", "  HTTP", 1),
	strings.Replace(plainHead, "/v1", "http://gate/v1", 1),
	strings.Replace(plainHead, "/v1", "/%76%31", 1),
	strings.Replace(plainHead, "completions ", "completions? ", 1),
	strings.Replace(plainHead, "completions ", "completions?a?b ", 1),
	strings.Replace(plainHead, "completions ", "completions#a ", 1),
	strings.Replace(plainHead, "completions ", "compl\x00etions ", 1),
	strings.ReplaceAll(plainHead, "\r\n", "\n"),
	strings.Replace(plainHead, "Host: gate:8080\r\n", "", 1),
	strings.Replace(plainHead, "Host: gate:8080\r\n", "Host: \r\n", 1),
	strings.Replace(plainHead, "Host: gate:8080\r\n", "Host: a\r\nHost: a\r\n", 1),
	strings.Replace(plainHead, "gate:8080", "gate/8080", 1),
	strings.Replace(plainHead, "Content-Length: 2\r\n", "", 1),
	strings.Replace(plainHead, "Content-Length: 2\r\n", "Content-Length: 2\r\ncontent-length: 2\r\n", 1),
	strings.Replace(plainHead, "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n", 1),
	strings.Replace(plainHead, "Content-Length: 2\r\n", "Content-Length: 2\r\nTransfer-Encoding: identity\r\n", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length: +2", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length: 2, 2", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length: -2", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length: 0x2", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length:", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length: 9999999999", 1),
	strings.Replace(plainHead, "Content-Length: 2", "Content-Length : 2", 1),
	strings.Replace(plainHead, "Content-Length: 2", " Content-Length: 2", 1),
	strings.Replace(plainHead, "Keep-Alive", "close", 1),
	strings.Replace(plainHead, "Keep-Alive", "keep-alive, upgrade", 1),
	strings.Replace(plainHead, "Connection: Keep-Alive", "Expect: 100-continue", 1),
	strings.Replace(plainHead, "Connection: Keep-Alive", "Upgrade: h2c", 1),
	strings.Replace(plainHead, "Connection: Keep-Alive", "Trailer: a", 1),
	strings.Replace(plainHead, "User-Agent: \t a b ", "User-Agent: a\r\n b", 1),
	strings.Replace(plainHead, "a b", "a\rb", 1),
	strings.Replace(plainHead, "a b", "a\nb", 1),
	strings.Replace(plainHead, "a b", "a\x7fb", 1),
	strings.Replace(plainHead, "a b", "ä", 1),
	strings.Replace(plainHead, "User-Agent", "Authorization", 1),
	strings.Replace(plainHead, "User-Agent", "User Agent", 1),
	strings.Replace(plainHead, "User-Agent", "", 1),
	strings.Replace(plainHead, "User-Agent:", "User-Agent", 1),
}

func newHead() *Head { return &Head{Values: make([]string, len(wantedInTests))} }

func TestRegularHeads(t *testing.T) {
	h := newHead()
	size := h.parse([]byte(plainHead+"{}"), wantedInTests, 1<<10)
	if size != len(plainHead) || h.Path != "/v1/chat/completions" || h.Query != "" || h.Length != 2 ||
		h.Values[0] != "Bearer tg_1" || h.Values[1] != "" || h.Values[2] != "a b" {
		t.Errorf("%d %+v", size, h)
	}
	if size := h.parse([]byte(strings.Replace(plainHead, "completions", "completions?alt=sse", 1)), wantedInTests, 1<<10); size == 0 || h.Query != "alt=sse" {
		t.Errorf("with a query: %d %+v", size, h)
	}
	if h.parse([]byte(plainHead), wantedInTests, 100) != 0 {
		t.Error("a head beyond the limit was taken")
	}
	for _, b := range irregular {
		if h.parse([]byte(b), wantedInTests, 1<<10) != 0 {
			t.Errorf("taken: %q", b)
		}
	}
}

// FuzzHead: what is taken here, net/http takes, and understands in the same way.
func FuzzHead(f *testing.F) {
	f.Add([]byte(plainHead + "{}"))
	for _, b := range irregular {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h := newHead()
		size := h.parse(b, wantedInTests, 32<<10)
		if size == 0 {
			return
		}
		in := bufio.NewReader(bytes.NewReader(append(bytes.Clone(b[:size]), make([]byte, min(h.Length, 1<<16))...)))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("net/http: %v\n%q", err, b)
		}
		if r.Method != "POST" || r.URL.Path != h.Path || r.URL.EscapedPath() != h.Path || r.URL.RawQuery != h.Query ||
			r.ContentLength != int64(h.Length) || len(r.TransferEncoding) > 0 || r.Close || r.Host == "" || r.ProtoMinor != 1 || r.Trailer != nil {
			t.Fatalf("net/http has %+v\nwe have %+v\n%q", r, h, b)
		}
		for i, name := range wantedInTests {
			v := r.Header.Values(name)
			if len(v) > 1 || len(v) == 1 && v[0] != h.Values[i] || len(v) == 0 && h.Values[i] != "" {
				t.Fatalf("%s: net/http has %q, we have %q", name, v, h.Values[i])
			}
		}
		if h.Length <= 1<<16 {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil || n != int64(h.Length) || in.Buffered() > 0 {
				t.Fatalf("the body ends elsewhere: %d of %d, %v", n, h.Length, err)
			}
		}
	})
}

func BenchmarkHead(b *testing.B) {
	head := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example.com\r\nAccept: application/json\r\nContent-Type: application/json\r\n" +
		"User-Agent: OpenAI/Python 1.99.1\r\nX-Stainless-Lang: python\r\nX-Stainless-Os: Linux\r\nX-Stainless-Runtime: CPython\r\n" +
		"Authorization: Bearer tg_" + strings.Repeat("a", 40) + "\r\nAccept-Encoding: gzip, deflate\r\nContent-Length: " + strconv.Itoa(1000) + "\r\n\r\n")
	h := newHead()
	b.ReportAllocs()
	for b.Loop() {
		if h.parse(head, wantedInTests, 32<<10) == 0 {
			b.Fatal("not taken")
		}
	}
}
