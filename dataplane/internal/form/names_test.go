package form

import "testing"

// What one parser takes for the field model and another does not is refused.
func TestNamesThatParsersReadDifferently(t *testing.T) {
	for disposition, ok := range map[string]bool{
		`form-data; name*=utf-8''x; name="model"`:                false,
		`form-data; name="model"; name*0=x`:                      false,
		`form-data; name="a"; filename="x\"; name=model; y=\""`:  false,
		`form-data; name="mod\el"`:                               false,
		`form-data; name="model "`:                               false,
		"form-data; name=\"model\x00\"":                          false,
		`form-data; name="file"; filename="a.wav"`:               true,
		`form-data; name="file"; filename*=utf-8''a%20b.wav`:     true,
		`form-data; filename="my name.wav"; name="timestamps[]"`: true,
	} {
		_, err := partName([]byte("Content-Disposition: " + disposition + "\r\n"))
		if (err == nil) != ok {
			t.Errorf("%s: %v", disposition, err)
		}
	}
}
