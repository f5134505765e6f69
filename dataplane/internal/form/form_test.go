package form

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
)

// pieces gives a body in pieces of a size.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Next() ([]byte, error) {
	if len(p.rest) == 0 {
		return nil, io.EOF
	}
	n := min(p.size, len(p.rest))
	out := bytes.Clone(p.rest[:n])
	p.rest = p.rest[n:]
	return out, nil
}

func (p *pieces) Stop() {}

const contentType = `multipart/form-data; boundary="xyz"`

func part(name, value string) string {
	return "--xyz\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

// rewrite runs a form through a reader; outside names the model elsewhere.
func rewrite(body string, size int, outside string) (model, out string, length int64, err error) {
	r, err := New(&pieces{[]byte(body), size}, contentType)
	if err != nil {
		return "", "", 0, err
	}
	if outside != "" {
		r.Put(outside)
	} else {
		if model, err = r.Model(); err != nil {
			return "", "", 0, err
		}
		r.Write("other-model")
	}
	length = r.Length(int64(len(body)))
	var b strings.Builder
	for {
		p, err := r.Next()
		if err == io.EOF {
			return model, b.String(), length, nil
		}
		if err != nil {
			return model, b.String(), length, err
		}
		b.Write(p)
	}
}

func TestTheModelIsRewrittenWhereverItStands(t *testing.T) {
	file := "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b.wav\"\r\nContent-Type: audio/wav\r\n\r\n" +
		"RIFF\r\n--xy\r\n--xyzz not a delimiter\n-- \r\n\r\n\x00\xff\r\n"
	for name, parts := range map[string][2]string{
		"first": {"", file + part("language", "en")}, "last": {file + part("a", ""), ""}, "middle": {part("a", "b"), file}, "preamble": {"hello\r\n", file},
	} {
		tail := "--xyz--\r\nepilogue --xyz"
		body := parts[0] + part("model", "my-route") + parts[1] + tail
		want := parts[0] + part("model", "other-model") + parts[1] + tail
		for _, size := range []int{1, 2, 3, 5, 17, len(body)} {
			model, out, length, err := rewrite(body, size, "")
			if err != nil || model != "my-route" || out != want || length != int64(len(want)) {
				t.Errorf("%s in pieces of %d: %v, model %q, length %d of %d\n%q\n%q", name, size, err, model, length, len(want), out, want)
			}
		}
	}
}

func TestAModelFromOutside(t *testing.T) {
	body := "preamble\r\n" + part("file", strings.Repeat("x", 3<<20)) + part("model", "a") + part("n", "1") + part("model", "b") + "--xyz--\r\n"
	want := part("model", "given") + part("file", strings.Repeat("x", 3<<20)) + part("n", "1") + "--xyz--\r\n"
	for _, size := range []int{777, 32 << 10, len(body)} {
		if _, out, length, err := rewrite(body, size, "given"); err != nil || out != want || length != -1 {
			t.Errorf("pieces of %d: %v, length %d, %d bytes, want %d", size, err, length, len(out), len(want))
		}
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	end := "--xyz--\r\n"
	for name, c := range map[string]struct {
		body  string
		kind  *fault.Kind
		param string
	}{
		"no model":              {part("a", "b") + end, fault.MissingField, "model"},
		"empty model":           {part("model", "") + end, fault.MissingField, "model"},
		"long model":            {part("model", strings.Repeat("m", 2000)) + end, fault.WrongType, "model"},
		"two models":            {part("model", "a") + part("model", "b") + end, fault.BadRequest, "model"},
		"another case":          {part("model", "a") + part("Model", "b") + end, fault.BadRequest, "Model"},
		"model after the file":  {part("file", strings.Repeat("x", 2<<20)) + part("model", "a") + end, fault.BadRequest, "model"},
		"no end":                {part("model", "a") + part("b", "c"), fault.BadRequest, ""},
		"nothing":               {"", fault.BadRequest, ""},
		"bare LF":               {part("model", "a") + "--xyz\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nx\n" + part("model", "c") + end, fault.BadRequest, ""},
		"no line after a head":  {part("model", "a") + "--xyz\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n" + part("model", "c") + end, fault.BadRequest, ""},
		"two dispositions":      {"--xyz\r\nContent-Disposition: form-data; name=\"b\"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n" + end, fault.BadRequest, ""},
		"folded disposition":    {"--xyz\r\nContent-Disposition: form-data;\r\n name=\"model\"\r\n\r\nx\r\n" + end, fault.BadRequest, ""},
		"head without end":      {"--xyz\r\n" + strings.Repeat("A: b\r\n", 4000), fault.BadRequest, ""},
		"disposition with junk": {"--xyz\r\nContent-Disposition: form-data; name=\"a\"; name=\"model\"\r\n\r\nx\r\n" + end, fault.BadRequest, ""},
	} {
		for _, size := range []int{3, 1 << 20, 4 << 20} {
			_, _, _, err := rewrite(c.body, size, "")
			f, ok := errors.AsType[*fault.Fault](err)
			if !ok || f.Kind != c.kind || f.Param != c.param {
				t.Errorf("%s in pieces of %d: %v", name, size, err)
			}
		}
	}
	for _, bad := range []string{"", "application/json", "multipart/form-data", "multipart/form-data; boundary=\"a\r\nb\"", "multipart/mixed; boundary=x"} {
		if _, err := New(&pieces{}, bad); err == nil {
			t.Errorf("%q is taken for a form", bad)
		}
	}
}

// FuzzRewrite: what passes is read by mime/multipart as the same form with
// another model, however it is torn.
func FuzzRewrite(f *testing.F) {
	f.Add(part("model", "a")+part("file", "x\r\n--xy")+"--xyz--", 3)
	f.Add("pre\r\n"+part("a", "")+part("model", "b")+"--xyz-- \r\n", 1)
	f.Add("--xyz \t\r\n\r\nx\r\n"+part("model", "b")+"--xyz--", 2)
	f.Fuzz(func(t *testing.T, body string, size int) {
		size = min(max(size, 1), len(body)+1)
		m1, out1, _, err1 := rewrite(body, len(body)+1, "")
		m2, out2, _, err2 := rewrite(body, size, "")
		if (err1 == nil) != (err2 == nil) || err1 == nil && (m1 != m2 || out1 != out2) {
			t.Fatalf("%q in pieces of %d: %v %v", body, size, err1, err2)
		}
		if err1 != nil {
			return
		}
		before, after := fields(body), fields(out1)
		if before == nil {
			return // mime/multipart is stricter about heads
		}
		if len(before) != len(after) {
			t.Fatalf("%q: %d parts became %d", body, len(before), len(after))
		}
		for i := range before {
			want := before[i]
			if want[0] == "model" || want[0] == "" && after[i][1] == "other-model" {
				// A disposition other than form-data has a name to us too.
				want[1] = "other-model"
			}
			if after[i] != want {
				t.Fatalf("%q: part %d is %q, want %q", body, i, after[i], want)
			}
		}
	})
}

func fields(body string) (out [][2]string) {
	r := multipart.NewReader(strings.NewReader(body), "xyz")
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			return nil
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil
		}
		out = append(out, [2]string{p.FormName(), string(b)})
	}
}
