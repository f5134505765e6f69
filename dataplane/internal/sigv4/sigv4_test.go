package sigv4_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
)

// The key, time and scope of AWS's published test suite.
const (
	suiteID     = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteHost   = "example.amazonaws.com"
)

func suiteTime() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }

func suiteSigner(token string) *sigv4.Signer {
	return sigv4.New(suiteID, suiteSecret, token, "us-east-1", "service")
}

// TestPublishedVectors holds the signatures to those of AWS's suite.
func TestPublishedVectors(t *testing.T) {
	for _, c := range []struct {
		name    string
		request sigv4.Request
		headers string
		want    string
	}{
		{"get-vanilla", sigv4.Request{Method: "GET", Path: "/"}, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash", sigv4.Request{Method: "GET", Path: "//"}, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", sigv4.Request{Method: "GET", Path: "/", Query: "Param2=value2&Param1=value1"}, "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-unreserved", sigv4.Request{Method: "GET", Path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}, "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"post-vanilla", sigv4.Request{Method: "POST", Path: "/"}, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-x-www-form-urlencoded", sigv4.Request{Method: "POST", Path: "/", ContentType: "application/x-www-form-urlencoded", Body: [][]byte{[]byte("Param1"), []byte("=value1")}}, "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		c.request.Host = suiteHost
		got := string(suiteSigner("").AppendHeaders(nil, &c.request, suiteTime()))
		want := fmt.Sprintf("X-Amz-Date: 20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=%s, Signature=%s\r\n", c.headers, c.want)
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

// TestTheKeyFollowsTheDay: what was derived for one day does not sign another.
func TestTheKeyFollowsTheDay(t *testing.T) {
	r := sigv4.Request{Method: "POST", Path: "/model/m/converse", Host: suiteHost}
	one := suiteSigner("")
	first := string(one.AppendHeaders(nil, &r, suiteTime()))
	second := string(one.AppendHeaders(nil, &r, suiteTime().Add(24*time.Hour)))
	fresh := string(suiteSigner("").AppendHeaders(nil, &r, suiteTime().Add(24*time.Hour)))
	if second != fresh || second == first {
		t.Errorf("%s\n%s\n%s", first, second, fresh)
	}
	if again := string(one.AppendHeaders(nil, &r, suiteTime())); again != first {
		t.Error("the same request at the same time is signed in two ways")
	}
}

func TestSessionsSendAndSignTheirToken(t *testing.T) {
	r := sigv4.Request{Method: "POST", Path: "/", Host: suiteHost}
	got := string(suiteSigner("TOKEN").AppendHeaders(nil, &r, suiteTime()))
	if !strings.Contains(got, "X-Amz-Security-Token: TOKEN\r\n") || !strings.Contains(got, "SignedHeaders=host;x-amz-date;x-amz-security-token,") {
		t.Error(got)
	}
}

// TestValuesAreTrimmed: white space of the content type counts once.
func TestValuesAreTrimmed(t *testing.T) {
	canonical := sigv4.Canonical(suiteSigner(""), &sigv4.Request{Method: "POST", Path: "/a///b/", ContentType: " a/b;  c=d ", Host: suiteHost})
	if !strings.HasPrefix(canonical, "POST\n/a/b/\n\ncontent-type:a/b; c=d\n") {
		t.Errorf("%q", canonical)
	}
}

// TestPathsAreEscapedTwice: a model's name with a colon is signed as services
// other than S3 read it.
func TestPathsAreEscapedTwice(t *testing.T) {
	if got := sigv4.Escape("arn:aws:bedrock:us-east-1:1:inference-profile/us.m-v1:0"); got != "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.m-v1%3A0" {
		t.Error(got)
	}
	canonical := sigv4.Canonical(suiteSigner(""), &sigv4.Request{Method: "POST", Path: "/model/m%3A0/converse", Host: suiteHost})
	if !strings.HasPrefix(canonical, "POST\n/model/m%253A0/converse\n\n") {
		t.Errorf("%q", canonical)
	}
}

func TestKeysAreNotShown(t *testing.T) {
	s := suiteSigner("TOKEN")
	if got := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(got, "wJal") || strings.Contains(got, "TOKEN") {
		t.Error(got)
	}
}

// FuzzQuery: any query is written in one form, whatever form it came in.
func FuzzQuery(f *testing.F) {
	f.Add("a=b&A=%2b&=&a=a", "/x y")
	f.Fuzz(func(t *testing.T, query, path string) {
		r := sigv4.Request{Method: "GET", Host: "h", Query: query, Path: path}
		lines := strings.Split(sigv4.Canonical(suiteSigner(""), &r), "\n")
		if len(lines) != 8 {
			t.Fatalf("%q has %d lines", lines, len(lines))
		}
		if again := sigv4.Canonical(suiteSigner(""), &sigv4.Request{Method: "GET", Host: "h", Query: lines[2], Path: path}); strings.Split(again, "\n")[2] != lines[2] {
			t.Fatalf("%q became %q", lines[2], again)
		}
	})
}

// BenchmarkAppendHeaders signs a request of 30 KB.
func BenchmarkAppendHeaders(b *testing.B) {
	r := sigv4.Request{Method: "POST", Host: suiteHost, Path: "/model/m%3A0/converse", ContentType: "application/json", Body: [][]byte{make([]byte, 30<<10)}}
	s := suiteSigner("TOKEN")
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out = s.AppendHeaders(out[:0], &r, suiteTime())
	}
}
