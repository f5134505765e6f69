package gemini

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

func TestFaultsAsGoogleWritesThem(t *testing.T) {
	f := fault.New(fault.ModelNotFound, "", nil).WithParam("model")
	var e struct {
		Error struct {
			Code            int
			Message, Status string
			Details         []struct {
				Type            string `json:"@type"`
				Reason, Domain  string
				Metadata        map[string]string
				FieldViolations []struct{ Field string }
			}
		}
	}
	if err := json.Unmarshal(Format{}.AppendFault(nil, f, "req_1"), &e); err != nil {
		t.Fatal(err)
	}
	m := e.Error.Details[0].Metadata
	if e.Error.Code != 404 || e.Error.Status != "NOT_FOUND" || e.Error.Message != f.Public() || m["code"] != "model_not_found" || m["request_id"] != "req_1" || m["fix"] != fault.ModelNotFound.Fix || m["doc_url"] == "" || e.Error.Details[1].FieldViolations[0].Field != "model" {
		t.Errorf("%+v", e)
	}
	for _, k := range fault.All() {
		if name := statusName(k.Status); name == "UNKNOWN" {
			t.Errorf("%s has status %s", k.Code, name)
		}
	}
}

// Google's SDKs raise an error on what is not data; see AppendFaultEvent.
func TestFaultsInsideOfStreams(t *testing.T) {
	f := fault.New(fault.UpstreamReset, "", nil)
	out := string(Format{}.AppendFaultEvent(nil, f, "r"))
	if !strings.HasPrefix(out, `{"error":`) || strings.Contains(out, "\n\n") || !json.Valid([]byte(out)) {
		t.Errorf("%q", out)
	}
	w := Format{Array: true}.NewWriter(nil)
	b := w.Append(nil, &canon.Event{Kind: canon.HeadEvent, Model: canon.Quote("m")})
	b = Format{Array: true}.AppendFaultEvent(b, f, "r")
	var list []map[string]any
	if err := json.Unmarshal(b, &list); err != nil || len(list) != 2 || list[1]["error"] == nil {
		t.Errorf("%v %s", err, b)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   *fault.Kind
		code   string
	}{
		{400, `{"error":{"code":400,"message":"* contents is not specified","status":"INVALID_ARGUMENT"}}`, fault.UpstreamRejected, "INVALID_ARGUMENT"},
		{400, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, fault.UpstreamAuth, "upstream_authentication"},
		{403, `{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}`, fault.UpstreamAuth, "upstream_authentication"},
		{429, `[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}]`, fault.UpstreamRateLimited, "upstream_rate_limited"},
		{503, `{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}`, fault.UpstreamError, "upstream_error"},
		{404, `[{"error":{"code":404,"message":"models/x is not found: secret-secret-secret","status":"NOT_FOUND"}}]`, fault.UpstreamRejected, "NOT_FOUND"},
		{200, `{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}`, fault.UpstreamRejected, "INVALID_ARGUMENT"},
		{200, `{"error":"?"}`, fault.UpstreamError, "upstream_error"},
		{200, `{"error":{}}`, fault.UpstreamError, "upstream_error"},
		{500, `<html>`, fault.UpstreamError, "upstream_error"},
	} {
		f := Format{}.ReadRefusal(c.status, []byte(c.body), "secret-secret-secret")
		if f.Kind != c.kind || f.PublicCode() != c.code || strings.Contains(f.Public(), "secret-") {
			t.Errorf("%d %s: %v %s", c.status, c.body, f, f.PublicCode())
		}
	}
	var a canon.Answer
	if f := (Format{}).ReadAnswer([]byte(`{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}`), &a); f == nil || f.Kind != fault.UpstreamRateLimited {
		t.Errorf("%v", f)
	}
}
