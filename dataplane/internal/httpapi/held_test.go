package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// An endless stream is a provider's that never ends: what it begins with, and
// what then comes again and again, where NUMBER grows, N60 and N50 start anew at
// 60 and 50, and TEXT is some KB of text.
type endless struct {
	name       string
	head, more []string
	// raw is a stream that is not made of events.
	raw bool
}

// never are what no dialect ends: events that grow for ever.
var never = []endless{
	{name: "one line of data", head: []string{`data: {"type":"x","a":"`}, more: []string{"TEXT"}, raw: true},
	{name: "one event of many lines", head: []string{"event: x\n"}, more: []string{"data: TEXT\n"}, raw: true},
	{name: "one comment", head: []string{": "}, more: []string{"TEXT"}, raw: true},
	{name: "one list", head: []string{`data: {"a":[`}, more: []string{`{"b":"TEXT"},`}, raw: true},
	{name: "one object", head: []string{`data: {`}, more: []string{`"kNUMBER":{"b":"TEXT"},`}, raw: true},
}

const (
	chatFinish    = `{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`
	messageHead   = `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`
	messageFinish = `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`
	geminiFinish  = `{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`
	responseHead  = `{"type":"response.created","response":{"id":"r","object":"response","status":"in_progress","model":"m","output":[]}}`
	responseItem  = `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[]}}`
)

// hostile are the endless streams of each dialect that readers and writers
// would hold most of.
var hostile = map[string][]endless{
	providerkind.OpenAIChat: {
		{name: "text", more: []string{`{"id":"c","choices":[{"index":0,"delta":{"content":"TEXT"}}]}`}},
		{name: "arguments", more: []string{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"TEXT"}}]}}]}`}},
		{name: "calls", more: []string{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":NUMBER,"id":"cNUMBERTEXT","type":"function","function":{"name":"fNUMBER","arguments":"TEXT"}}]}}]}`}},
		{name: "calls of many choices", more: []string{`{"id":"c","choices":[{"index":N60,"delta":{"tool_calls":[{"index":NUMBER,"id":"cNUMBERTEXT","type":"function","function":{"name":"f","arguments":"TEXT"}}]}}]}`}},
		{name: "end", head: []string{chatFinish}, more: []string{`{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":NUMBER,"x":"TEXT"}}`}},
		{name: "names", head: []string{`{"id":"TEXTTEXT","model":"TEXT","choices":[{"index":0,"delta":{"content":"a"}}]}`}, more: []string{`{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}`}},
	},
	providerkind.Anthropic: {
		{name: "text", head: []string{messageHead, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
			more: []string{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"TEXT"}}`}},
		{name: "arguments", head: []string{messageHead, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`},
			more: []string{`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"TEXT"}}`}},
		{name: "a server's tool", head: []string{messageHead, `{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"t","name":"web_search","input":{}}}`},
			more: []string{`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"TEXT"}}`}},
		{name: "open blocks", head: []string{messageHead}, more: []string{`{"type":"content_block_start","index":NUMBER,"content_block":{"type":"server_tool_use","id":"TEXT","name":"f","input":{}}}`}},
		{name: "blocks among each other", head: []string{messageHead}, more: []string{
			`{"type":"content_block_start","index":N50,"content_block":{"type":"tool_use","id":"TEXT","name":"f","input":{}}}`,
			`{"type":"content_block_delta","index":N50,"delta":{"type":"input_json_delta","partial_json":"TEXT"}}`}},
		{name: "end", head: []string{messageHead, messageFinish}, more: []string{`{"type":"ping","x":"TEXT"}`, messageFinish}},
	},
	providerkind.Gemini: {
		{name: "text", more: []string{`{"candidates":[{"index":0,"content":{"parts":[{"text":"TEXT"}]}}]}`}},
		{name: "arguments in pieces", head: []string{`{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}}]}}]}`},
			more: []string{`{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"TEXT","willContinue":true}],"willContinue":true}}]}}]}`}},
		{name: "arguments of many candidates", more: []string{
			`{"candidates":[{"index":N60,"content":{"parts":[{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.a","stringValue":"TEXTTEXTTEXTTEXT","willContinue":true}]}}]}}]}`}},
		{name: "sources", more: []string{`{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://TEXT/NUMBER","title":"t"}}]}}]}`}},
		{name: "end", head: []string{geminiFinish}, more: []string{`{"candidates":[],"usageMetadata":{"promptTokenCount":1,"x":"TEXT"}}`}},
	},
	string(canon.Responses): {
		{name: "text", head: []string{responseHead, responseItem}, more: []string{`{"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"TEXT"}`}},
		{name: "items", head: []string{responseHead}, more: []string{
			`{"type":"response.output_item.added","output_index":NUMBER,"item":{"type":"function_call","id":"fc_NUMBER","call_id":"cNUMBER","name":"f","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","item_id":"fc_NUMBER","output_index":NUMBER,"delta":"TEXT"}`}},
		{name: "open items", head: []string{responseHead}, more: []string{
			`{"type":"response.output_item.added","output_index":NUMBER,"item":{"type":"message","id":"TEXT","x":"TEXT","role":"assistant","content":[]}}`}},
		{name: "annotations", head: []string{responseHead, responseItem}, more: []string{
			`{"type":"response.output_text.annotation.added","item_id":"m","output_index":0,"content_index":0,"annotation_index":NUMBER,"annotation":{"type":"url_citation","url":"https://TEXT","title":"t","start_index":0,"end_index":1}}`}},
	},
}

// Endless streams pause when what is open is about as large as it may be, and
// once more far beyond. So much may the data plane hold for one of them.
const (
	firstPause = 500 << 10
	lastPause  = 1200 << 10
	mostHeld   = 1 << 20
)

// endlessProvider sends one endless stream to all who call it, up to its
// pauses.
type endlessProvider struct {
	ln      net.Listener
	dialect string
	stream  atomic.Pointer[pausing]
}

type pausing struct {
	bytes []byte
	// goOn ends the first pause; sent counts those that came to one.
	goOn chan struct{}
	sent atomic.Int64
}

func newEndless(t *testing.T, dialect string) *endlessProvider {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := &endlessProvider{ln: ln, dialect: dialect}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *endlessProvider) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<10)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	io.Copy(io.Discard, req.Body)
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
	stream := p.stream.Load()
	c.Write(stream.bytes[:firstPause])
	stream.sent.Add(1)
	<-stream.goOn
	c.Write(stream.bytes[firstPause:])
	stream.sent.Add(1)
	io.Copy(io.Discard, c)
}

// bytes writes a stream out, until it is long.
func (e *endless) bytes() []byte {
	var b []byte
	filler := strings.Repeat("x", 2000)
	write := func(list []string, n int) {
		for _, m := range list {
			m = strings.NewReplacer("N60", strconv.Itoa(n%60), "N50", strconv.Itoa(n%50), "NUMBER", strconv.Itoa(n), "TEXT", filler).Replace(m)
			if e.raw {
				b = append(b, m...)
				continue
			}
			if rest, ok := strings.CutPrefix(m, `{"type":"`); ok {
				kind, _, _ := strings.Cut(rest, `"`)
				b = fmt.Appendf(b, "event: %s\n", kind)
			}
			b = fmt.Appendf(b, "data: %s\n\n", m)
		}
	}
	write(e.head, 0)
	for n := 0; len(b) < lastPause; n++ {
		write(e.more, n)
	}
	return b
}

// TestWhatAStreamHoldsIsBounded sends endless streams through the whole data
// plane to callers of each dialect, and measures what they hold: what comes
// without an end passes, or ends with a fault, and is not gathered.
func TestWhatAStreamHoldsIsBounded(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	from := map[string]*endlessProvider{}
	for dialect := range hostile {
		p := newEndless(t, dialect)
		from[dialect] = p
		w.Route(tenant, dialect, "provider-model", "http://"+p.ln.Addr().String()+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Dialect, c.Provider = dialect, providerkind.Custom
		})
	}
	g := start(t, w, nil)
	// What is loaded once, to count tokens, is no stream's.
	from[providerkind.OpenAIChat].hold(t, g, &callers[0], key, &hostile[providerkind.OpenAIChat][0], 1)
	largest, worst := int64(0), func(int) int64 { return 0 }
	where := ""
	for dialect, streams := range hostile {
		for i, c := range callers {
			all := streams[:len(streams):len(streams)]
			if c.name == dialect || callers[(i+1)%len(callers)].name == dialect {
				// Of the other translations they do not reach the part that differs.
				all = append(all, never...)
			}
			for _, e := range all {
				hold := func(streams int) int64 { return from[dialect].hold(t, g, &c, key, &e, streams) }
				name := fmt.Sprintf("%s of %s to %s", e.name, dialect, c.name)
				held := hold(4)
				if held > mostHeld {
					t.Errorf("%s: %d KiB are held", name, held>>10)
				}
				if held > largest {
					largest, where, worst = held, name, hold
				}
			}
		}
	}
	if largest < firstPause {
		t.Errorf("only %d bytes were held of any stream: that cannot be all", largest)
	}
	held := worst(32)
	if held > mostHeld {
		t.Errorf("%s, 32 times: %d KiB are held", where, held>>10)
	}
	t.Logf("at most %d bytes are held for a stream, %d of 32: %s", largest, held, where)
}

// hold sends the stream to so many callers at a time and gives the most that is
// held for one of them at rest, their own connections and the provider's
// included.
func (p *endlessProvider) hold(t *testing.T, g *gateway, c *asked, key string, e *endless, streams int) int64 {
	t.Helper()
	stream := &pausing{bytes: e.bytes(), goOn: make(chan struct{})}
	p.stream.Store(stream)
	name, value, _ := strings.Cut(c.header, ": ")
	body := strings.ReplaceAll(c.streamBody, "ROUTE", p.dialect)
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Length: %d\r\n%s: %s\r\n\r\n%s",
		strings.ReplaceAll(c.streamPath, "ROUTE", p.dialect), len(body), name, value+key, body)
	before := heapInUse()
	var conns []net.Conn
	var readers sync.WaitGroup
	var got atomic.Int64
	for range streams {
		conn, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, request)
		conns = append(conns, conn)
		readers.Go(func() {
			b := make([]byte, 4<<10)
			for {
				n, err := conn.Read(b)
				if got.Add(int64(n)); err != nil {
					return
				}
			}
		})
	}
	rest := func(sent int) int64 {
		// While streams are under way there is garbage, too: what they hold is
		// what stays once all has arrived and nobody moves any more.
		quiet, seen := 0, [2]int64{-1, -1}
		for limit := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			late := time.Now().After(limit)
			now := [2]int64{got.Load(), allocated()}
			if quiet++; now != seen || stream.sent.Load() != int64(sent) {
				quiet, seen = 0, now
			}
			if quiet < 4 && !late {
				continue
			}
			if held := (heapInUse() - before) / int64(streams); held <= mostHeld || late {
				if stream.sent.Load() != int64(sent) {
					t.Errorf("%s: %d of %d pauses were reached", e.name, stream.sent.Load(), sent)
				}
				return held
			}
			quiet = 0
		}
	}
	held := rest(streams)
	close(stream.goOn)
	held = max(held, rest(2*streams))
	for _, conn := range conns {
		conn.Close()
	}
	readers.Wait()
	g.ledger.mu.Lock()
	g.ledger.events = nil
	g.ledger.mu.Unlock()
	return held
}

// allocated is how much memory was ever taken, in units of 16 KiB: less than one
// of them is no move.
func allocated() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()) >> 14
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
