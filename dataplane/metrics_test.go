package dataplane_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
)

// Figures that alarms are set on are there before they are needed.
func TestFiguresAreThereFromTheStart(t *testing.T) {
	w := testconfig.New(t)
	w.Key(w.Tenant("acme"), nil)
	r := run(t, dataplane.Config{DataDir: t.TempDir(), PrivateKey: w.Private, Snapshot: w.Snapshot()})
	resp, err := http.Get(r.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`tollgate_config_nack_total{reason="envelope"} 0`, `tollgate_config_nack_total{reason="payload"} 0`,
		`tollgate_config_nack_total{reason="secret"} 0`, `tollgate_config_nack_total{reason="field"} 0`,
		`tollgate_revocation_lag_seconds_count 0`, `tollgate_usage_lost_total 0`, `tollgate_usage_spool_full 0`,
	} {
		if !strings.Contains(string(b), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
