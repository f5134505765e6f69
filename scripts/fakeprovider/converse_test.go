package fakeprovider_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
)

func ask(t *testing.T, url, header, body string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, "secret")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := client(t).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func TestConversations(t *testing.T) {
	s := start(t, fakeprovider.Options{Key: "secret", KeepBodies: true, Converse: true})
	chat := `{"model":"m","messages":[{"role":"user","content":"%"}]}`
	messages := `{"model":"m","max_tokens":900,"stream":true,"messages":[{"role":"user","content":"%"}]}`
	gemini := `{"contents":[{"parts":[{"text":"%"}]}]}`
	for i, c := range []struct {
		url, header, body, ask string
		status                 int
		want                   string
	}{
		{s.URL() + "/chat/completions", "Authorization", chat, "x", 401, "wrong key"},
		{s.URL() + "/messages", "X-Api-Key", messages, "hello fake:events=5,size=90", 200, "message_stop"},
		{s.URL() + "/messages", "X-Api-Key", messages, "fake:status=529", 529, "overloaded_error"},
		{s.URL() + "/messages", "X-Api-Key", messages, "fake:size=900,events=20,mode=eventerror", 200, "event: error"},
		{s.GeminiURL() + "/models/g:generateContent", "X-Goog-Api-Key", gemini, "fake:in=7,out=9", 200, `"totalTokenCount":16`},
		{s.GeminiURL() + "/models/g:streamGenerateContent?alt=sse", "X-Goog-Api-Key", gemini, "hello", 200, "\r\n\r\n"},
		{s.GeminiURL() + "/models/g:generateContent", "X-Goog-Api-Key", gemini, "fake:status=429", 429, "RESOURCE_EXHAUSTED"},
	} {
		status, got, err := ask(t, c.url, c.header, strings.ReplaceAll(c.body, "%", c.ask))
		if err != nil || status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s, %q: status %d, %v, %s", c.url, c.ask, status, err, got)
		}
		if r := records(t, s, i+1)[i]; r.Path == "" || r.Status != c.status {
			t.Errorf("record %+v", r)
		}
	}
	if _, _, err := ask(t, s.URL()+"/messages", "X-Api-Key", strings.ReplaceAll(messages, "%", "fake:size=900,events=20,mode=cut")); err == nil {
		t.Error("a stream that was cut ended well")
	}
}

func TestConversationsNoticeTheClientLeaving(t *testing.T) {
	s := start(t, fakeprovider.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := `{"contents":[{"parts":[{"text":"fake:size=900,events=50,gap=1h"}]}]}`
	req, err := http.NewRequestWithContext(ctx, "POST", s.GeminiURL()+"/models/g:streamGenerateContent?alt=sse", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if r := waitOne(t, s); !r.Cancelled || r.Complete {
		t.Errorf("record %+v", r)
	}
}
