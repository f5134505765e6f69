package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
)

// wires are the routes of a world: the dialect that each one's provider
// speaks, and how it takes its key. That of Gemini has the name of a model that
// demands its signatures back.
var wires = []struct{ route, dialect, model, header string }{
	{"chat", "openai-chat", "fake-model", ""},
	{"messages", "anthropic-messages", "claude-fake", "x-api-key"},
	{"gemini", "gemini", "gemini-3-fake", "x-goog-api-key"},
}

// world is a tenant with a route to a provider of each kind.
type world struct {
	*account
	fake  *fakeprovider.Server
	table *caseTable
	// credentials are the ids of the credentials, by route.
	credentials map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	const secret = "sk-provider-secret-of-the-dialects"
	fake, err := fakeprovider.Start(context.WithoutCancel(t.Context()), fakeprovider.Options{Key: secret, KeepBodies: true, Converse: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fake.Close() })
	w := &world{account: signUp(t, "Dialects"), fake: fake, credentials: map[string]string{},
		table: &caseTable{results: map[string]map[string]map[string]bool{}}}
	for _, wire := range wires {
		credential := map[string]any{"name": wire.route, "provider": "custom", "dialect": wire.dialect, "base_url": fake.URL(), "secret": secret}
		if wire.route == "gemini" {
			credential["base_url"] = fake.GeminiURL()
		}
		if wire.header != "" {
			credential["auth_style"], credential["auth_header"] = "header", wire.header
		}
		var made struct {
			ID       string `json:"id"`
			ChangeID int64  `json:"change_id"`
		}
		w.make(t, "/credentials", credential, &made)
		w.credentials[wire.route] = made.ID
		w.make(t, "/models", map[string]any{"credential_id": made.ID, "provider_model": wire.model, "route_name": wire.route,
			"price": map[string]any{"input": "1", "output": "2"}}, &made)
		w.live(t, made.ChangeID)
	}
	return w
}

func (w *world) make(t *testing.T, path string, in, out any) {
	t.Helper()
	if err := w.api.Do(t.Context(), "POST", w.path(path), in, out); err != nil {
		t.Fatal(err)
	}
}

// sdkCase is how a case went, and what its provider must have seen of it.
type sdkCase struct {
	SDK       string
	Provider  string
	Name      string
	Error     *string
	Attempts  int
	Cancelled bool
}

// mark stands in all requests of a case.
func mark(sdk, provider, name string) string { return "[" + sdk + "/" + provider + "/" + name + "]" }

// check holds what the provider saw against what the case says.
func (w *world) check(t *testing.T, c sdkCase) {
	t.Helper()
	ok := t.Run(c.SDK+"/"+c.Provider+"/"+c.Name, func(t *testing.T) {
		if c.Error != nil {
			t.Fatal(*c.Error)
		}
		if c.Attempts == 0 && !c.Cancelled {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		seen := 0
		_, err := w.fake.Wait(ctx, func(log []fakeprovider.Record) bool {
			seen = 0
			for _, r := range log {
				if strings.Contains(string(r.Body), mark(c.SDK, c.Provider, c.Name)) && (r.Cancelled || !c.Cancelled) {
					seen++
				}
			}
			return seen > 0 && seen >= c.Attempts
		})
		if err != nil {
			t.Errorf("the provider saw %d calls: %v", seen, err)
		}
		if c.Attempts > 0 && seen != c.Attempts {
			t.Errorf("the provider saw %d calls, want %d", seen, c.Attempts)
		}
	})
	w.table.add(c.SDK, c.Provider, c.Name, ok)
}

// caseTable collects what went well: by case, SDK and provider.
type caseTable struct {
	mu      sync.Mutex
	results map[string]map[string]map[string]bool
}

func (ct *caseTable) add(sdk, provider, name string, ok bool) {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	if ct.results[name] == nil {
		ct.results[name] = map[string]map[string]bool{}
	}
	if ct.results[name][sdk] == nil {
		ct.results[name][sdk] = map[string]bool{}
	}
	ct.results[name][sdk][provider] = ok
}

// String is the table: for each case and SDK a letter for each provider where
// it went well, in the order of wires.
func (ct *caseTable) String() string {
	sdks := map[string]bool{}
	for _, by := range ct.results {
		for sdk := range by {
			sdks[sdk] = true
		}
	}
	columns := slices.Sorted(maps.Keys(sdks))
	var b strings.Builder
	fmt.Fprintf(&b, "providers: c = OpenAI-compatible, a = Anthropic, g = Gemini; X = failed\n%-28s", "")
	for _, sdk := range columns {
		fmt.Fprintf(&b, " %-12s", sdk)
	}
	for _, name := range slices.Sorted(maps.Keys(ct.results)) {
		fmt.Fprintf(&b, "\n%-28s", name)
		for _, sdk := range columns {
			cell := ""
			for i, wire := range wires {
				if ok, ran := ct.results[name][sdk][wire.route]; ran && ok {
					cell += "cag"[i : i+1]
				} else if ran {
					cell += "X"
				}
			}
			fmt.Fprintf(&b, " %-12s", cell)
		}
	}
	return b.String()
}

// counts are the distinct cases (of one SDK), their runs against providers,
// and how many of these went well.
func (ct *caseTable) counts() (cases, runs, passed int) {
	for _, by := range ct.results {
		cases += len(by)
		for _, providers := range by {
			runs += len(providers)
			for _, ok := range providers {
				if ok {
					passed++
				}
			}
		}
	}
	return cases, runs, passed
}
