package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/tollgate/tollgate/scripts/internal/proc"
)

// TestJavaScriptSDK runs testdata/openai.cjs, each case of it a subtest.
func TestJavaScriptSDK(t *testing.T) {
	a := signUp(t, "JavaScript")
	cmd := exec.CommandContext(t.Context(), "node", "testdata/openai.cjs")
	cmd.Env = proc.Clean(map[string]string{"SDK_DIR": npmPackages(t), "BASE_URL": up.gateway + "/v1", "API_KEY": a.key})
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	n := 0
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); n++ {
		var c struct {
			Name  string
			Error *string
		}
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, func(t *testing.T) {
			if c.Error != nil {
				t.Error(*c.Error)
			}
		})
	}
	if n < 10 {
		t.Errorf("only %d cases ran", n)
	}
}
