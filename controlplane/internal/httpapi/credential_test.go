package httpapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

// serviceAccount is a key of Google's, with changes.
func serviceAccount(t *testing.T, change func(map[string]string)) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"type": "service_account", "project_id": "a-project", "client_email": "me@a-project.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": "https://oauth2.googleapis.com/token",
	}
	if change != nil {
		change(fields)
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServiceAccountsNeedARegionAndNoAddress(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	secret := serviceAccount(t, nil)
	path := acc.path("/credentials")
	made := s.want(201, "POST", path, acc.owner, m{"name": "Vertex", "provider": "google-vertex", "region": "us-central1", "secret": secret})
	if made.str("base_url") != "https://us-central1-aiplatform.googleapis.com/v1/projects/a-project/locations/us-central1" || made.str("auth_style") != "google" ||
		made.str("dialect") != "gemini" || made.str("region") != "us-central1" || made.str("secret_hint") != "me@a-project.iam.gserviceaccount.com" {
		t.Errorf("made: %s", made.raw)
	}
	// Another region is another address, and the stored secret goes with it.
	moved := s.want(200, "PATCH", path+"/"+made.str("id"), acc.owner, m{"region": "global"})
	if moved.str("base_url") != "https://aiplatform.googleapis.com/v1/projects/a-project/locations/global" {
		t.Errorf("moved: %s", moved.raw)
	}
	s.refused("validation_failed", "PATCH", path+"/"+made.str("id"), acc.owner, m{"base_url": "https://evil.example/v1"})
	all := s.want(200, "GET", path, acc.owner, nil).raw + s.want(200, "GET", acc.path("/audit"), acc.owner, nil).raw + s.log.String() + strings.Join(s.payloads(made.str("id")), "")
	if strings.Contains(all, "PRIVATE KEY") {
		t.Error("the secret is in an answer, the audit trail, the log or a payload")
	}

	machine := s.want(201, "POST", path, acc.owner, m{"name": "Machine", "provider": "google-vertex", "secret": "metadata",
		"base_url": "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"})
	if machine.str("secret_hint") != "metadata" {
		t.Errorf("machine: %s", machine.raw)
	}
	for name, body := range map[string]m{
		"no region":                    {"secret": secret},
		"no project":                   {"secret": "metadata", "region": "us-central1"},
		"a key that is none":           {"secret": "AIza-something", "region": "us-central1"},
		"a token server elsewhere":     {"secret": serviceAccount(t, func(f map[string]string) { f["token_uri"] = "https://evil.example/token" }), "region": "us-central1"},
		"a private token server":       {"secret": serviceAccount(t, func(f map[string]string) { f["token_uri"] = "http://169.254.169.254/token" }), "region": "us-central1"},
		"the machine shown to others":  {"secret": "metadata", "base_url": "https://evil.example/v1"},
		"a region that is a path":      {"secret": secret, "region": "us/../x"},
		"a region that is another one": {"secret": secret, "region": "evil.example#"},
	} {
		body["name"], body["provider"] = name, "google-vertex"
		s.refused("validation_failed", "POST", path, acc.owner, body)
	}
}

// TestBedrockNeedsARegionAndKeys: address, dialect and signing come from the
// name; an API key in place of access keys is told.
func TestBedrockNeedsARegionAndKeys(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	path := acc.path("/credentials")
	body := m{"name": "AWS", "provider": "aws-bedrock", "region": "eu-west-1", "secret": "AKIAEXAMPLE00WXYZ:secret/access+key"}
	made := s.want(201, "POST", path, acc.owner, body)
	if made.str("base_url") != "https://bedrock-runtime.eu-west-1.amazonaws.com" || made.str("dialect") != "bedrock-converse" || made.str("auth_style") != "aws" {
		t.Errorf("made: %s", made.raw)
	}
	if moved := s.want(200, "PATCH", path+"/"+made.str("id"), acc.owner, m{"region": "us-west-2"}); moved.str("base_url") != "https://bedrock-runtime.us-west-2.amazonaws.com" {
		t.Errorf("moved: %s", moved.raw)
	}
	s.refused("validation_failed", "POST", path, acc.owner, m{"name": "b", "provider": "aws-bedrock", "secret": body["secret"]})
	key := s.want(201, "POST", path, acc.owner, m{"name": "key", "provider": "aws-bedrock", "region": "eu-west-1", "auth_style": "bearer", "secret": "ABSKQmVkcm9ja0FQSUtleQ=="})
	if key.str("auth_style") != "bearer" || key.str("base_url") != "https://bedrock-runtime.eu-west-1.amazonaws.com" {
		t.Errorf("key: %s", key.raw)
	}
}

func TestAccessKeysAreBroughtIntoOneForm(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	path := acc.path("/credentials")
	const keys = "AKIAEXAMPLE00WXYZ:secret/access+key"
	aws := func(more m) m {
		body := m{"name": "AWS", "provider": "custom", "dialect": "bedrock-converse", "auth_style": "aws", "base_url": "https://bedrock-runtime.us-east-1.amazonaws.com", "region": "us-east-1", "secret": keys}
		for k, v := range more {
			body[k] = v
		}
		return body
	}
	made := s.want(201, "POST", path, acc.owner, aws(nil))
	if made.str("secret_hint") != "…WXYZ" || made.str("region") != "us-east-1" || made.str("auth_style") != "aws" {
		t.Errorf("made: %s", made.raw)
	}
	s.refused("validation_failed", "POST", path, acc.owner, aws(m{"name": "b", "secret": "just-one-word"}))
	s.refused("validation_failed", "POST", path, acc.owner, aws(m{"name": "b", "region": ""}))
	s.refused("validation_failed", "PATCH", path+"/"+made.str("id"), acc.owner, m{"region": ""})
	s.refused("validation_failed", "PATCH", path+"/"+made.str("id"), acc.owner, m{"auth_style": "google"})
	s.want(200, "PATCH", path+"/"+made.str("id"), acc.owner, m{"region": "eu-west-1"})

	cohere := s.want(201, "POST", path, acc.owner, m{"name": "Cohere", "provider": "cohere", "dialect": "cohere-v2", "secret": "0123456789abcdef"})
	if cohere.str("base_url") != "https://api.cohere.com/v2" {
		t.Errorf("cohere: %s", cohere.raw)
	}
	cohere = s.want(200, "PATCH", path+"/"+cohere.str("id"), acc.owner, m{"dialect": "openai-chat"})
	if cohere.str("base_url") != "https://api.cohere.ai/compatibility/v1" {
		t.Errorf("cohere as OpenAI: %s", cohere.raw)
	}
	azure := m{"name": "Azure", "provider": "azure-openai", "base_url": "https://r.openai.azure.com", "api_version": "2024-10-21", "secret": "0123456789abcdef"}
	if made := s.want(201, "POST", path, acc.owner, azure); made.str("api_version") != "2024-10-21" || made.str("auth_header") != "api-key" {
		t.Errorf("azure: %s", made.raw)
	}
	azure["name"], azure["api_version"] = "b", "2024-10-21&x=1"
	s.refused("validation_failed", "POST", path, acc.owner, azure)
	for i, dialect := range []string{"openai-responses", "cohere-v2"} {
		s.want(201, "POST", path, acc.owner, m{"name": dialect, "provider": "custom", "dialect": dialect, "base_url": "https://llm.example/v1", "secret": "xxxxxxxx" + string(rune('a'+i))})
	}
}
