package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// TestKeysWithoutScripts signs up, makes a key, rotates and revokes it with
// forms alone, and calls a model with each secret that it is given.
func TestKeysWithoutScripts(t *testing.T) {
	r := newReader(t)
	r.get("/signup").ok().submit("/signup", map[string]string{
		"tenant_name": "No scripts", "email": fmt.Sprintf("forms-%d@tollgate.test", time.Now().UnixNano()), "password": password,
	}).ok()
	home, _, ok := strings.Cut(strings.TrimPrefix(r.at.String(), up.portal), "/start")
	if !ok {
		t.Fatalf("signing up leads to %s\n%s", r.at, r.text())
	}
	answers(t, r.testID("secret-value"), 200)

	r.get(home+"/keys/new").ok().submit("/keys", map[string]string{"name": "CI <b>&"}).ok()
	first := r.testID("secret-value")
	answers(t, first, 200)
	r.get(home + "/keys").ok()
	if !strings.Contains(r.text(), "CI <b>&") {
		t.Errorf("the list lacks the key: %s", r.text())
	}
	key := r.link(home+"/keys/", "CI <b>&")
	r.get(key).ok().submit("/rotate", nil).ok()
	second := r.testID("secret-value")
	if second == first {
		t.Error("rotating gave the same secret")
	}
	answers(t, second, 200)
	r.get(key).ok().submit("/revoke", nil).ok()
	answers(t, second, 401)
}

// link is where the link with this text leads.
func (r *reader) link(prefix, text string) string {
	r.t.Helper()
	for n := range r.doc.Descendants() {
		if href := attr(n, "href"); n.Data == "a" && strings.HasPrefix(href, prefix) && strings.Contains(textOf(n), text) {
			return href
		}
	}
	r.t.Fatalf("%s: no link to %s… says %q\n%s", r.at, prefix, text, r.text())
	return ""
}

// answers waits until a call with the key is answered so.
func answers(t *testing.T, key string, status int) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		resp, err := stand.Post(t.Context(), up.gateway+"/v1/chat/completions", key, []byte(`{"model":"demo","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			return fmt.Errorf("status %d, want %d", resp.StatusCode, status)
		}
		return nil
	})
}
