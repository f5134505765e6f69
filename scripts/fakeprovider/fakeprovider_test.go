package fakeprovider_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
)

func start(t *testing.T, o fakeprovider.Options) *fakeprovider.Server {
	t.Helper()
	s, err := fakeprovider.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// client follows no redirects and unpacks nothing, so that tests see the bytes.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func post(ctx context.Context, t *testing.T, s *fakeprovider.Server, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL()+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", "req-"+t.Name())
	req.Header.Set("Authorization", "Bearer secret")
	return client(t).Do(req)
}

func waitOne(t *testing.T, s *fakeprovider.Server) fakeprovider.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	log, err := s.Wait(ctx, func(r []fakeprovider.Record) bool { return len(r) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	return log[0]
}

type completion struct {
	Model   string
	Choices []struct {
		Message struct {
			Content   string
			ToolCalls []struct {
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Delta        struct{ Content string }
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

func TestPlain(t *testing.T) {
	s := start(t, fakeprovider.Options{Key: "secret"})
	resp, err := post(t.Context(), t, s, `{"model":"m \"1\"","messages":[{"role":"user","content":"say \"stream\":true fake:size=1000,in=7,out=9"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var c completion
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	if got := len(c.Choices[0].Message.Content); got != 1000 {
		t.Errorf("answer holds %d bytes, want 1000", got)
	}
	if c.Usage.Prompt != 7 || c.Usage.Completion != 9 || c.Usage.Total != 16 {
		t.Errorf("usage %+v", *c.Usage)
	}
	r := waitOne(t, s)
	if !r.Complete || r.Cancelled || r.Input != 7 || r.Output != 9 || r.RequestID != "req-TestPlain" || r.Stream || r.Bytes < 1000 {
		t.Errorf("record %+v", r)
	}
}

// records waits until n requests are on record.
func records(t *testing.T, s *fakeprovider.Server, n int) []fakeprovider.Record {
	t.Helper()
	log, err := s.Wait(t.Context(), func(log []fakeprovider.Record) bool { return len(log) >= n })
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestStream(t *testing.T) {
	s := start(t, fakeprovider.Options{})
	for _, withUsage := range []bool{false, true} {
		body := `{"model":"fake:events=10,size=55", "stream" : true, "messages":[]`
		if withUsage {
			body += `,"stream_options":{"include_usage":true}`
		}
		resp, err := post(t.Context(), t, s, body+"}")
		if err != nil {
			t.Fatal(err)
		}
		text, usage, done := readStream(t, resp.Body)
		resp.Body.Close()
		if len(text) != 55 || !done || (usage == 10) != withUsage {
			t.Errorf("text of %d bytes, usage %d, done %v; asked for usage: %v", len(text), usage, done, withUsage)
		}
	}
	for _, r := range records(t, s, 2) {
		if !r.Complete || !r.Stream || r.Output != 10 {
			t.Errorf("record %+v", r)
		}
	}
}

func readStream(t *testing.T, body io.Reader) (text string, usage int, done bool) {
	t.Helper()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return text, usage, true
		}
		var c completion
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("event %q: %v", data, err)
		}
		if c.Usage != nil {
			usage = c.Usage.Completion
		}
		for _, ch := range c.Choices {
			text += ch.Delta.Content
		}
	}
	return text, usage, false
}

func TestToolCall(t *testing.T) {
	s := start(t, fakeprovider.Options{})
	resp, err := post(t.Context(), t, s, `{"model":"fake:tool=get_weather"}`)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var c completion
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	call := c.Choices[0].Message.ToolCalls[0].Function
	if call.Name != "get_weather" || !json.Valid([]byte(call.Arguments)) || c.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("tool call %+v, finish %q", call, c.Choices[0].FinishReason)
	}
}

func TestChunkedRequestAndKeepAlive(t *testing.T) {
	s := start(t, fakeprovider.Options{KeepBodies: true})
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	one := "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\nd\r\nel\":\"fake:s\"}\n\r\n0\r\n\r\n"
	two := "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"model\":\"two\"}"
	if _, err := io.WriteString(c, two+one+two); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for i, want := range []int{200, 400, 200} { // "fake:s" is no directive
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != want {
			t.Errorf("answer %d: status %d, want %d", i, resp.StatusCode, want)
		}
	}
	if log := records(t, s, 2); len(log) != 2 || string(log[1].Body) != `{"model":"two"}` {
		t.Errorf("log %+v", log)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, fakeprovider.Options{Key: "other"})
	resp, err := post(t.Context(), t, s, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("wrong key: status %d", resp.StatusCode)
	}
	for _, bad := range []string{"mode=sleep", "size=-1", "what=1", "gap=fast"} {
		if s.SetDefault(bad) == nil {
			t.Errorf("directive %q was taken", bad)
		}
	}
	if _, err := fakeprovider.Start(t.Context(), fakeprovider.Options{Addr: "0.0.0.0:0"}); err == nil {
		t.Error("an address that is not loopback was taken")
	}
}

func TestStatus(t *testing.T) {
	s := start(t, fakeprovider.Options{Default: "status=429"})
	resp, err := post(t.Context(), t, s, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
	}
	if r := waitOne(t, s); r.Status != 429 || r.Output != 0 {
		t.Errorf("record %+v", r)
	}
}

// TestBrokenAnswers checks that each way to break off is an error to a reader.
func TestBrokenAnswers(t *testing.T) {
	for _, mode := range []fakeprovider.Mode{fakeprovider.Reset, fakeprovider.Cut, fakeprovider.Short} {
		for _, stream := range []string{"false", "true"} {
			t.Run(string(mode)+" stream "+stream, func(t *testing.T) {
				s := start(t, fakeprovider.Options{Default: "events=10,size=1000,mode=" + string(mode)})
				resp, err := post(t.Context(), t, s, `{"stream":`+stream+`}`)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if err == nil {
					t.Error("the answer ended well")
				}
				if r := waitOne(t, s); r.Complete || r.Output >= 10 {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

func TestWaitingAnswersNoticeTheClientLeaving(t *testing.T) {
	for _, directive := range []string{"mode=hang", "mode=stall", "delay=1h", "gap=1h"} {
		t.Run(directive, func(t *testing.T) {
			s := start(t, fakeprovider.Options{Default: directive})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			resp, err := post(ctx, t, s, `{"stream":true}`)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("error %v, want the client's own deadline", err)
			}
			if r := waitOne(t, s); !r.Cancelled || r.Complete {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestHostileAnswers(t *testing.T) {
	answer := func(t *testing.T, mode fakeprovider.Mode) (*http.Response, error) {
		s := start(t, fakeprovider.Options{Default: "mode=" + string(mode)})
		resp, err := post(t.Context(), t, s, `{}`)
		if err == nil {
			t.Cleanup(func() { resp.Body.Close() })
		}
		return resp, err
	}
	t.Run("bomb", func(t *testing.T) {
		resp, err := answer(t, fakeprovider.Bomb)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, z); n != 64<<20 || resp.ContentLength > 1<<20 {
			t.Errorf("%d bytes unpack to %d, %v", resp.ContentLength, n, err)
		}
	})
	t.Run("redirect", func(t *testing.T) {
		resp, err := answer(t, fakeprovider.Redirect)
		if err != nil || resp.StatusCode != 302 {
			t.Errorf("%v, %v", resp, err)
		}
	})
	t.Run("endless", func(t *testing.T) {
		resp, err := answer(t, fakeprovider.Endless)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(io.Discard, resp.Body, 8<<20); err != nil {
			t.Errorf("ended after %d bytes: %v", n, err)
		}
	})
	t.Run("flood", func(t *testing.T) {
		if resp, err := answer(t, fakeprovider.Flood); err == nil && len(resp.Header["X-Flood"]) != 1000 {
			t.Errorf("%d headers", len(resp.Header["X-Flood"]))
		}
	})
	t.Run("garbage", func(t *testing.T) {
		resp, err := answer(t, fakeprovider.Garbage)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); json.Valid(body) {
			t.Errorf("%q is valid JSON", body)
		}
	})
}

func TestLogOverHTTPAndInFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := start(t, fakeprovider.Options{LogFile: path})
	for range 3 {
		resp, err := post(t.Context(), t, s, `{"model":"m"}`)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.Wait(ctx, func(r []fakeprovider.Record) bool { return len(r) == 3 }); err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Get("http://" + s.Addr() + "/_fake/log?since=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	served, _ := io.ReadAll(resp.Body)
	file, _ := os.ReadFile(path)
	if _, rest, _ := strings.Cut(string(file), "\n"); rest != string(served) || strings.Count(rest, "\n") != 2 {
		t.Errorf("over HTTP %q, in the file %q", served, file)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("size=1000,events=20,gap=5ms,mode=stall")
	f.Fuzz(func(t *testing.T, directive string) {
		b, err := fakeprovider.Parse(fakeprovider.Behaviour{}, directive)
		if err == nil && (b.Size < 0 || b.Events < 0 || b.Status > 599) {
			t.Errorf("%q gives %+v", directive, b)
		}
	})
}
