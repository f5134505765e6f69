package secretform_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/secretform"
)

func TestAWS(t *testing.T) {
	const id, secret = "AKIAEXAMPLE", "wJal/rXUt+nFEMI=K7"
	want := secretform.AWS{AccessKeyID: id, SecretAccessKey: secret}
	for _, s := range []string{
		id + ":" + secret,
		" " + id + ":" + secret + "\n",
		`{"access_key_id":"` + id + `","secret_access_key":"` + secret + `"}`,
		`{"AccessKeyId":"` + id + `","SecretAccessKey":"` + secret + `","Expiration":"2026-01-01"}`,
		`{"aws_access_key_id":"` + id + `","aws_secret_access_key":"` + secret + `"}`,
	} {
		got, err := secretform.ParseAWS(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
		if again, err := secretform.ParseAWS(got.String()); err != nil || again != got {
			t.Errorf("%s does not come back: %+v, %v", got, again, err)
		}
	}
	if got, err := secretform.ParseAWS(id + ":" + secret + ":a:b=="); err != nil || got.SessionToken != "a:b==" {
		t.Errorf("token: %+v, %v", got, err)
	}
	for _, s := range []string{"", id, id + ":", ":" + secret, "{", "{}", `{"access_key_id":"a b","secret_access_key":"c"}`,
		`{"access_key_id":"a"}`, id + ":" + secret + ":a\r\nb", id + ":" + strings.Repeat("x", 300)} {
		if got, err := secretform.ParseAWS(s); err == nil {
			t.Errorf("%q was taken: %+v", s, got)
		}
	}
}

// account is the JSON key of a service account, with changes.
func account(t testing.TB, change func(map[string]string)) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{
		"type": "service_account", "project_id": "a-project", "private_key_id": "1234", "client_email": "me@a-project.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
		"universe_domain": "googleapis.com",
	}
	change(m)
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGoogle(t *testing.T) {
	g, err := secretform.ParseGoogle(account(t, func(map[string]string) {}))
	if err != nil || g.ProjectID != "a-project" || !g.FromGoogle() || strings.ContainsAny(g.String(), "\n\r") {
		t.Fatalf("%v, %v", g.ProjectID, err)
	}
	if again, err := secretform.ParseGoogle(g.String()); err != nil || again != g {
		t.Errorf("it does not come back: %v", err)
	}
	if g, err := secretform.ParseGoogle(" metadata\n"); err != nil || !g.Metadata || g.String() != secretform.Metadata {
		t.Errorf("metadata: %v", err)
	}
	if g, err := secretform.ParseGoogle(account(t, func(m map[string]string) { delete(m, "token_uri") })); err != nil || !g.FromGoogle() {
		t.Errorf("without token_uri: %v", err)
	}
	for _, uri := range []string{"http://oauth2.googleapis.com/token", "https://evil.example/token", "https://googleapis.com.evil.example/token", "https://oauth2.googleapis.com:8443/token"} {
		if g, err := secretform.ParseGoogle(account(t, func(m map[string]string) { m["token_uri"] = uri })); err != nil || g.FromGoogle() {
			t.Errorf("%s is taken for Google's: %v", uri, err)
		}
	}
	for name, s := range map[string]string{
		"nothing": "", "a word": "sk-1234", "an empty object": "{}",
		"a user":       account(t, func(m map[string]string) { m["type"] = "authorized_user" }),
		"no e-mail":    account(t, func(m map[string]string) { delete(m, "client_email") }),
		"no key":       account(t, func(m map[string]string) { delete(m, "private_key") }),
		"no PEM":       account(t, func(m map[string]string) { m["private_key"] = "abc" }),
		"a project":    account(t, func(m map[string]string) { m["project_id"] = "a/../b" }),
		"a token_uri":  account(t, func(m map[string]string) { m["token_uri"] = "file:///etc/passwd" }),
		"a user in it": account(t, func(m map[string]string) { m["token_uri"] = "https://a:b@oauth2.googleapis.com/token" }),
	} {
		if _, err := secretform.ParseGoogle(s); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzForms(f *testing.F) {
	for _, s := range []string{"AKIA:secret", "AKIA:secret:token", `{"access_key_id":"a","secret_access_key":"b"}`, "metadata",
		`{"client_email":"a@b","private_key":"AA=="}`} {
		f.Add(s)
	}
	f.Add(account(f, func(map[string]string) {}))
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := secretform.ParseAWS(s); err == nil {
			if again, err := secretform.ParseAWS(k.String()); err != nil || again != k {
				t.Fatalf("%+v does not come back: %+v, %v", k, again, err)
			}
		}
		if g, err := secretform.ParseGoogle(s); err == nil {
			if again, err := secretform.ParseGoogle(g.String()); err != nil || again != g {
				t.Fatalf("%+v does not come back: %+v, %v", g, again, err)
			}
		}
	})
}

func TestGoogleModels(t *testing.T) {
	for address, want := range map[string]bool{
		"https://aiplatform.googleapis.com/v1": true, "https://us-central1-AIPLATFORM.googleapis.com": true, "https://aiplatform.eu.rep.googleapis.com": true,
		"https://generativelanguage.googleapis.com": true, "https://storage.googleapis.com": false, "https://my-aiplatform.storage.googleapis.com": false,
		"http://aiplatform.googleapis.com": false, "https://aiplatform.googleapis.com.evil.example": false,
	} {
		u, err := url.Parse(address)
		if err != nil || secretform.GoogleModels(u) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
