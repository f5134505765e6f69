package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/scripts/internal/proc"
)

// nodeSDKs are the SDKs for JavaScript, each with its script in testdata/sdk.
var nodeSDKs = []string{"openai", "responses", "anthropic", "genai", "vercel", "langchain", "operations", "agents"}

// minCases is how many different cases there must be; each runs against every
// kind of provider.
const minCases = 40

// TestSDKsReachEveryProvider runs the SDKs, unchanged but for base URL and
// key, against a provider of each dialect, and prints what works.
func TestSDKsReachEveryProvider(t *testing.T) {
	w := newWorld(t)
	for _, sdk := range nodeSDKs {
		t.Run(sdk, func(t *testing.T) { w.node(t, sdk) })
	}
	for i, sdk := range goSDKs {
		t.Run(sdk.name, func(t *testing.T) {
			for _, wire := range wires {
				w.golang(t, i, wire.route)
			}
		})
	}
	for i, sdk := range goEmbeddings {
		for _, wire := range wires {
			c := sdkCase{SDK: sdk.sdk, Provider: wire.route, Name: "embeddings"}
			if err := w.embeds(t.Context(), i, wire.route); err != nil {
				c.Error = new(err.Error())
			}
			w.check(t, c)
		}
	}
	cases, runs, passed := w.table.counts()
	t.Logf("%d cases, %d runs, %d passed\n%s", cases, runs, passed, w.table)
	if cases < minCases {
		t.Errorf("only %d cases ran", cases)
	}
	w.settled(t)
}

// settled: whatever the callers did, nothing is charged by estimate but what
// was broken off.
func (w *world) settled(t *testing.T) {
	t.Run("ledger", func(t *testing.T) {
		w.ledger(t, func(r []request) error {
			for _, one := range r {
				// Lists and counts have no tokens.
				if one.Outcome == "ok" && one.OutputTokens > 0 && (one.Estimated || one.InputTokens == 0 || one.CostNano == 0) {
					t.Errorf("request %+v", one)
				}
			}
			return nil
		})
	})
}

// node runs testdata/sdk/{sdk}.cjs.
func (w *world) node(t *testing.T, sdk string) {
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "sdk", sdk+".cjs"))
	credentials, err := json.Marshal(w.credentials)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = proc.Clean(map[string]string{"SDK_DIR": npmPackages(t), "GATEWAY": up.gateway, "API_KEY": w.key, "CREDENTIALS": string(credentials)})
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	seen := map[string]int{}
	for line := range bytes.Lines(out) {
		var c sdkCase
		// SDKs print warnings of their own between the cases.
		if json.Unmarshal(line, &c) != nil || c.SDK == "" {
			continue
		}
		seen[c.Provider]++
		w.check(t, c)
	}
	for _, wire := range wires {
		if seen[wire.route] == 0 {
			t.Errorf("no case ran against %s", wire.route)
		}
	}
}
