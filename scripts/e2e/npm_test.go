package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// What the tests take from npm, pinned: newest that runs on node 20.
var npmVersions = map[string]string{
	"axe-core": "4.14.1", "zod": "4.6.7",
	"openai": "6.49.0", "@anthropic-ai/sdk": "1.12.0", "@google/genai": "2.32.0",
	"ai": "6.0.324", "@ai-sdk/openai": "3.0.141", "@ai-sdk/anthropic": "3.0.139", "@ai-sdk/google": "3.0.141",
	"@langchain/core": "1.4.0", "@langchain/openai": "1.5.8", "@langchain/anthropic": "1.5.11", "@langchain/google-genai": "2.3.2",
}

var npmOnce sync.Once

// npmPackages returns a directory below which node finds the packages; they
// are installed when they are missing or of another version.
func npmPackages(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.cache/sdk")
	if err != nil {
		t.Fatal(err)
	}
	npmOnce.Do(func() {
		var missing []string
		for name, version := range npmVersions {
			if installed(dir, name) != version {
				missing = append(missing, name+"@"+version)
			}
		}
		if len(missing) == 0 {
			return
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"install", "--prefix", dir, "--no-save", "--no-audit", "--no-fund", "--silent"}, all()...)
		if out, err := exec.CommandContext(t.Context(), "npm", args...).CombinedOutput(); err != nil {
			t.Fatalf("install %v: %v\n%s", missing, err, out)
		}
	})
	return dir
}

// all lists every package: without a package.json, npm removes what it is not
// told to install.
func all() (out []string) {
	for name, version := range npmVersions {
		out = append(out, name+"@"+version)
	}
	return out
}

func installed(dir, name string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "node_modules", name, "package.json"))
	if err != nil {
		return ""
	}
	var p struct{ Version string }
	if json.Unmarshal(raw, &p) != nil {
		return ""
	}
	return p.Version
}
