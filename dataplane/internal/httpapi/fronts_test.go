package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
)

// heard is what a caller hears on a connection, but for what differs from call
// to call. After the first answer it asks for a last one, so that its end, or
// that it goes on, is heard too.
func heard(t *testing.T, addr, sent string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, sent)
	in := bufio.NewReader(c)
	var all strings.Builder
	for n := 0; ; n++ {
		if n == 1 {
			io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		}
		resp, err := http.ReadResponse(in, nil)
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Errorf("no end after %q", all.String())
		}
		if err != nil {
			return all.String() + "end\n"
		}
		body, err := io.ReadAll(resp.Body)
		fmt.Fprintf(&all, "%s %d %v %t %v\n%s\n", resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close, err, body)
		for _, h := range []http.Header{resp.Header, resp.Trailer} {
			for _, name := range slices.Sorted(maps.Keys(h)) {
				switch name {
				case "Date", "Retry-After", "Retry-After-Ms":
					fmt.Fprintf(&all, "%s: %t\n", name, h.Get(name) != "")
				default:
					fmt.Fprintf(&all, "%s: %q\n", name, h[name])
				}
			}
		}
	}
}

// TestBothFrontsSayTheSame: what the fast path answers, net/http would have
// answered.
func TestBothFrontsSayTheSame(t *testing.T) {
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	quick := start(t, w, func(c *httpapi.Config) { c.Limits.InFlight = 100 })
	plain := start(t, w, func(c *httpapi.Config) { c.NoFastPath = true })
	post := func(path, headers, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: gate\r\nX-Request-Id: req_of_the_test_1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
			path, key, headers, len(body), body)
	}
	stream := strings.Replace(hello, "{", `{"stream":true,`, 1)
	withUsage := strings.Replace(hello, "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1)
	message := `{"model":"demo","max_tokens":20,"messages":[{"role":"user","content":"Hello"}]}`
	long := strings.Replace(hello, "Hello", strings.Repeat("Hello ", 30_000), 1)
	const chat = "/v1/chat/completions"
	for name, sent := range map[string]string{
		"plain":               post(chat, "", hello),
		"twice":               post(chat, "", hello) + post(chat, "", hello),
		"stream":              post(chat, "", stream),
		"stream with usage":   post(chat, "", withUsage),
		"tenant in the path":  post("/t/acme"+chat, "", hello),
		"another tenant":      post("/t/other"+chat, "", hello),
		"no tenant":           post("/t/"+chat, "", hello),
		"long":                post(chat, "", long),
		"messages":            post("/v1/messages", "Anthropic-Version: 2023-06-01\r\n", message),
		"messages stream":     post("/v1/messages", "", strings.Replace(message, "{", `{"stream":true,`, 1)),
		"count":               post("/v1/messages/count_tokens", "", message),
		"responses":           post("/v1/responses", "", `{"model":"demo","input":"Hello"}`),
		"gemini":              post("/v1beta/models/demo:generateContent", "", `{"contents":[{"parts":[{"text":"Hello"}]}]}`),
		"gemini stream":       post("/v1beta/models/demo:streamGenerateContent?alt=sse", "", `{"contents":[{"parts":[{"text":"Hello"}]}]}`),
		"gemini array":        post("/v1beta/models/demo:streamGenerateContent", "", `{"contents":[{"parts":[{"text":"Hello"}]}]}`),
		"gemini unknown":      post("/v1beta/models/demo:nothing", "", `{}`),
		"gemini query":        post("/v1beta/models/demo:generateContent?alt=json&x=1", "", `{"contents":[{"parts":[{"text":"Hello"}]}]}`),
		"embeddings":          post("/v1/embeddings", "", `{"model":"demo","input":"Hello"}`),
		"moderations":         post("/v1/moderations", "", `{"model":"demo","input":"Hello"}`),
		"completions":         post("/v1/completions", "", `{"model":"demo","prompt":"Hello"}`),
		"rerank":              post("/v2/rerank", "", `{"model":"demo","query":"a","documents":["a","b"]}`),
		"empty":               post(chat, "", ""),
		"no JSON":             post(chat, "", "{"),
		"unknown model":       post(chat, "", strings.Replace(hello, "demo", "nothing", 1)),
		"query":               post(chat+"?a=b", "", hello),
		"unknown path":        post("/v1/chat", "", hello),
		"escaped path":        post("/v1/chat%2Fcompletions", "", hello),
		"dots in the path":    post("/v1/../v1/chat/completions", "", hello),
		"slash after path":    post(chat+"/", "", hello),
		"wrong key":           strings.Replace(post(chat, "", hello), "Bearer "+key, "Bearer tg_wrong", 1),
		"no key":              strings.Replace(post(chat, "", hello), "Authorization: Bearer "+key+"\r\n", "", 1),
		"key elsewhere":       strings.Replace(post(chat, "", hello), "Authorization: Bearer ", "x-api-key: ", 1),
		"two keys":            post(chat, "X-Api-Key: tg_wrong\r\n", hello),
		"header twice":        post(chat, "Authorization: Bearer tg_wrong\r\n", hello),
		"lower case":          strings.ToLower(post(chat, "", "")[:60]) + post(chat, "", hello)[60:],
		"close":               post(chat, "Connection: close\r\n", hello),
		"keep":                post(chat, "Connection: Keep-Alive\r\n", hello),
		"expects":             post(chat, "Expect: 100-continue\r\n", hello),
		"expects nonsense":    post(chat, "Expect: more\r\n", hello),
		"old":                 strings.Replace(post(chat, "", hello), "HTTP/1.1", "HTTP/1.0", 1),
		"only LF":             strings.ReplaceAll(post(chat, "", hello), "\r\n", "\n"),
		"two hosts":           post(chat, "Host: other\r\n", hello),
		"no host":             strings.Replace(post(chat, "", hello), "Host: gate\r\n", "", 1),
		"two lengths":         post(chat, "Content-Length: 3\r\n", hello),
		"length and chunks":   post(chat, "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hello), hello)),
		"folded":              post(chat, "X-A: a\r\n b\r\n", hello),
		"control character":   post(chat, "X-A: a\x01\r\n", hello),
		"space before colon":  post(chat, "X-A : a\r\n", hello),
		"bytes beyond ASCII":  post(chat, "X-A: ä\r\nUser-Agent: \xff\r\n", hello),
		"client says its ID":  strings.Replace(post(chat, "", hello), "req_of_the_test_1", "my-own-id.7", 1),
		"demo fails":          post(chat, "", strings.Replace(hello, "demo", "demo:error=429", 1)),
		"demo breaks":         post(chat, "", strings.Replace(stream, "demo", "demo:error=500", 1)),
		"large head":          post(chat, "X-A: "+strings.Repeat("a", 40<<10)+"\r\n", hello),
		"huge head":           post(chat, "X-A: "+strings.Repeat("a", 100<<10)+"\r\n", hello),
		"too large announced": strings.Replace(post(chat, "", ""), "Content-Length: 0", "Content-Length: 40000000", 1),
		"models":              "GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + key + "\r\nX-Request-Id: req_of_the_test_1\r\n\r\n",
		"nonsense":            "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := heard(t, plain.addr, sent), heard(t, quick.addr, sent)
			if got != want {
				t.Errorf("the fast path says\n%s\nnet/http says\n%s", got, want)
			}
			t.Log(want)
		})
	}
}
