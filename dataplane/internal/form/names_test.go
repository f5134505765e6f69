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
		`form-data; name="=?utf-8?B?bW9kZWw=?="`:                 false,
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

// A content type in which parsers find different boundaries is refused: one of
// them would see another form, with another model.
func TestBoundariesThatParsersReadDifferently(t *testing.T) {
	for contentType, ok := range map[string]bool{
		`multipart/form-data; boundary=a; boundary*=utf-8''b`:      false,
		`multipart/form-data; boundary*=utf-8''b`:                  false,
		`multipart/form-data; boundary*0=a; boundary*1=b`:          false,
		`multipart/form-data; x="boundary=a"; boundary=b`:          false,
		`multipart/form-data; xboundary=a; boundary=b`:             false,
		`multipart/form-data; boundary="a\"b"`:                     false,
		`multipart/form-data; boundary="a; x"`:                     false,
		`multipart/form-data; boundary="a,b"`:                      false,
		`multipart/form-data; x="; boundary=a"`:                    false,
		`multipart/form-data; boundary=----WebKitFormBoundary7MA4`: true,
		`Multipart/Form-Data; charset=utf-8; Boundary="a-b"`:       true,
		`multipart/form-data; boundary="----=_Part_1_2.3"`:         true,
	} {
		if _, err := New(&pieces{}, contentType); (err == nil) != ok {
			t.Errorf("%s: %v", contentType, err)
		}
	}
}
