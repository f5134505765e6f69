package httpapi_test

import (
	"net/http"
	"testing"
)

// A body whose model was judged as JSON must not be taken for anything else by
// the provider: as a form of the web this one names another model.
func TestJudgedJSONIsToldToBeJSON(t *testing.T) {
	var kind, model string
	g, key := carrier(t, func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		kind, model = r.Header.Get("Content-Type"), r.Form.Get("model")
	}, nil)
	for _, path := range []string{"/v1/audio/speech", "/v1/images/generations"} {
		for _, sent := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16", ""} {
			kind, model = "", ""
			g.do("POST", path, key, `{"a":"&model=dear&b=","model":"ear","input":"Hello","prompt":"Hello"}`, "Content-Type", sent)
			if kind != "application/json" || model != "" {
				t.Errorf("%s as %q: the provider was told %q and reads the model %q", path, sent, kind, model)
			}
		}
	}
}
