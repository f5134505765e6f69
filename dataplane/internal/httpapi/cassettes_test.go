package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// cassette is a recorded call of a real provider.
type cassette struct {
	name, path, request string
	status              int
	kind, answer        string
}

// recordedCalls reads the calls that are kept beside the repository.
func recordedCalls(t *testing.T) (all []cassette) {
	t.Helper()
	for _, name := range recordings.Glob(t, "envoy-ai-gateway/cassettes/*.yaml") {
		data := recordings.Read(t, name)
		request, response, ok := strings.Cut(string(data), " response:\n")
		if !ok {
			t.Fatalf("%s holds no answer", name)
		}
		c := cassette{name: strings.TrimSuffix(filepath.Base(name), ".yaml"), kind: field(response, "Content-Type")}
		c.request, c.answer = recordedBody(t, request), recordedBody(t, response)
		c.status, _ = strconv.Atoi(field(response, "code"))
		// What was recorded says how long it was, which proves the reading.
		if want := field(response, "content_length"); strconv.Itoa(len(c.answer)) != want && want != "" {
			t.Fatalf("%s: %d bytes were read of %s", name, len(c.answer), want)
		}
		_, path, _ := strings.Cut(field(request, "url"), "://")
		_, c.path, _ = strings.Cut(path, "/")
		all = append(all, c)
	}
	return all
}

// field is the value of a line, or of the list's first item below it.
func field(yaml, name string) string {
	m := regexp.MustCompile(`(?m)^ +` + name + `:(?: |\n +- )(.*)$`).FindStringSubmatch(yaml)
	if m == nil {
		return ""
	}
	return m[1]
}

// recordedBody takes a body in quotes, or an indented block.
func recordedBody(t *testing.T, yaml string) (body string) {
	t.Helper()
	at := regexp.MustCompile(`(?m)^( +)body: (.*)\n`).FindStringSubmatchIndex(yaml)
	if at == nil {
		t.Fatal("no body")
	}
	indent, value, rest := yaml[at[2]:at[3]]+"    ", yaml[at[4]:at[5]], yaml[at[1]:]
	switch {
	case strings.HasPrefix(value, `"`):
		if err := json.Unmarshal([]byte(value), &body); err != nil {
			t.Fatal(err)
		}
		return body
	case !strings.HasPrefix(value, "|"):
		return value
	}
	for line := range strings.Lines(rest) {
		if text, ok := strings.CutPrefix(line, indent); ok {
			line = text
		} else if strings.TrimSpace(line) != "" {
			break
		}
		body += line
	}
	switch value {
	case "|-":
		return strings.TrimRight(body, "\n")
	case "|":
		return strings.TrimRight(body, "\n") + "\n"
	}
	return body
}

// reported is what a recorded answer says of what was used.
type reported struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	In         struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// usage reads the report, of a stream its last one; nil where there is none.
func (c *cassette) usage() (u *reported) {
	read := func(body string) {
		var a struct{ Usage *reported }
		if json.Unmarshal([]byte(body), &a) == nil && a.Usage != nil {
			u = a.Usage
		}
	}
	if read(c.answer); strings.HasPrefix(c.kind, "text/event-stream") {
		for line := range strings.Lines(c.answer) {
			read(strings.TrimPrefix(line, "data: "))
		}
	}
	return u
}

// operation is what the call counts as.
func (c *cassette) operation() string {
	for _, op := range [][2]string{{"chat/completions", "chat"}, {"completions", "completions"}, {"embeddings", "embeddings"},
		{"images/generations", "images"}, {"transcriptions", "transcription"}, {"translations", "translation"}} {
		if strings.HasSuffix(c.path, op[0]) {
			return op[1]
		}
	}
	return c.path
}

// imagePrice is what an image costs in these tests, in nano-dollars.
const imagePrice = 11_000_000

// player is a provider that gives the recorded answer.
type player struct {
	mu  sync.Mutex
	now *cassette
	got string
}

func (p *player) play(c *cassette) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.got = c, ""
}

// heard is the body that the provider got.
func (p *player) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = string(body)
	w.Header().Set("Content-Type", p.now.kind)
	w.WriteHeader(p.now.status)
	io.WriteString(w, p.now.answer)
}

// TestRecordedCalls: each recorded call passes both ways byte for byte and is
// counted and charged as its provider reported; what the provider refused is
// refused with its words.
func TestRecordedCalls(t *testing.T) {
	all := recordedCalls(t)
	p := new(player)
	up := httptest.NewServer(p)
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	routes := map[string]bool{}
	for i := range all {
		var asked struct{ Model string }
		if json.Unmarshal([]byte(all[i].request), &asked); asked.Model == "" {
			asked.Model = "whisper-1"
		}
		if routes[asked.Model] {
			continue
		}
		routes[asked.Model] = true
		w.Route(tenant, asked.Model, asked.Model, up.URL+"/v1", providerSecret, func(_ *configv1.Credential, m *configv1.Model) {
			m.CostPrices[0].PerImage = imagePrice
		})
	}
	g := start(t, w, nil)
	counts := map[string]int{}
	for n := range all {
		c := &all[n]
		p.play(c)
		kind, body := "application/json", c.request
		if strings.HasPrefix(c.path, "v1/audio/") {
			kind, body = aForm("whisper-1", []byte("RIFF"))
		}
		a := g.do("POST", "/v1/"+c.operationPath(), key, body, "Content-Type", kind)
		ev := g.ledger.wait(t, n)
		if c.status != 200 {
			c.checkRefusal(t, a, ev)
			counts[c.operation()+" refused"]++
			continue
		}
		if a.StatusCode != 200 || a.body != c.answer || !strings.HasPrefix(a.Header.Get("Content-Type"), strings.Split(c.kind, ";")[0]) {
			t.Errorf("%s: %d %q\n got %.400s\nwant %.400s", c.name, a.StatusCode, a.Header.Get("Content-Type"), a.body, c.answer)
		}
		// Of a stream the gateway wants to know what it used, asked or not.
		if got := p.heard(); kind == "application/json" && got != body && !(ev.Streamed && strings.Contains(got, `"include_usage":true`)) {
			t.Errorf("%s: the provider got %s\nwant %s", c.name, got, body)
		}
		c.checkEvent(t, ev)
		counts[fmt.Sprintf("%s streamed=%t estimated=%t", c.operation(), ev.Streamed, ev.Estimated)]++
	}
	t.Logf("%d recorded calls: %v", len(all), counts)
}

// operationPath is where OpenAI has the operation; Azure's paths name more.
func (c *cassette) operationPath() string {
	if _, rest, ok := strings.Cut(c.path, "/deployments/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return rest
	}
	return strings.TrimPrefix(c.path, "v1/")
}

func (c *cassette) checkEvent(t *testing.T, ev *usagev1.Event) {
	t.Helper()
	if ev.Operation != c.operation() || ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.HttpStatus != 200 ||
		ev.Streamed != strings.HasPrefix(c.kind, "text/event-stream") {
		t.Errorf("%s: event %v", c.name, ev)
	}
	u := c.usage()
	switch {
	case c.operation() == "images":
		if ev.Units.GetImages() != 1 || ev.CostNano != imagePrice || ev.Estimated {
			t.Errorf("%s: event %v", c.name, ev)
		}
	case strings.HasPrefix(c.path, "v1/audio/"):
		told := strings.Contains(c.answer, `"seconds": 7`)
		if ev.Units.GetAudioMilliseconds() != map[bool]int64{true: 7000}[told] || ev.Estimated == told {
			t.Errorf("%s: event %v", c.name, ev)
		}
	case u == nil:
		if !ev.Estimated || ev.Tokens.Input == 0 || ev.Tokens.Output == 0 || ev.CostNano == 0 {
			t.Errorf("%s: event %v", c.name, ev)
		}
	default:
		in := ev.Tokens.Input + ev.Tokens.AudioInput + ev.Tokens.ImageInput
		cost := ((u.Prompt-u.In.Cached)*testconfig.InputPrice + u.In.Cached*testconfig.CachePrice + u.Completion*testconfig.OutputPrice) / 1_000_000
		if in != u.Prompt-u.In.Cached || ev.Tokens.CacheRead != u.In.Cached || ev.Tokens.Output+ev.Tokens.AudioOutput != u.Completion ||
			ev.CostNano != cost || ev.Estimated {
			t.Errorf("%s: reported %+v, cost %d, event %v", c.name, *u, cost, ev)
		}
	}
}

func (c *cassette) checkRefusal(t *testing.T, a *answer, ev *usagev1.Event) {
	t.Helper()
	var theirs struct{ Error struct{ Message string } }
	json.Unmarshal([]byte(c.answer), &theirs)
	if e := a.fault(t); a.StatusCode != c.status || theirs.Error.Message == "" || !strings.Contains(e.Error.Message, theirs.Error.Message) {
		t.Errorf("%s: %d became %d %q", c.name, c.status, a.StatusCode, e.Error.Message)
	}
	if ev.Operation != c.operation() || ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || int(ev.HttpStatus) != c.status || ev.CostNano != 0 || ev.Estimated {
		t.Errorf("%s: event %v", c.name, ev)
	}
}
