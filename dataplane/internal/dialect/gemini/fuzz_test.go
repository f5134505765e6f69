package gemini

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// A request that is accepted is written as JSON that reads back the same.
func FuzzRequest(f *testing.F) {
	for _, b := range recordings.Seeds(f, "agentgateway/requests/gemini/*.json") {
		f.Add(b)
	}
	for _, s := range []string{
		`{"contents":[]}`, `{"contents":{"parts":{"text":"a"}}}`, `{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"error":"x"},"parts":[{"inlineData":{"mimeType":"a","data":"b"}}]}}]}]}`,
		`{"contents":[{"role":"model","parts":[{"thought":true,"text":"x"},{"thought":true,"thoughtSignature":"eyJ0b2xsZ2F0ZSI6MSwiaWQiOiJyIn0="}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"STRING","nullable":true,"enum":["a"]}}],"googleSearch":{}}]}`,
		`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"$arguments":"{"}}}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED","x":1}},"generationConfig":{"seed":"5","responseMimeType":"text/x.enum","responseSchema":{}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var req, again canon.Request
		if bad := (Format{}).ReadRequest(body, &req); bad != nil {
			if bad.Kind == fault.MalformedJSON == json.Valid(body) {
				t.Fatalf("%q is called %v", body, bad)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is accepted", body)
		}
		var lost canon.Losses
		out, bad := Format{}.AppendRequest(nil, &req, nil, &lost)
		if bad != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		if bad := (Format{}).ReadRequest(out, &again); bad != nil {
			t.Fatalf("%q became %q: %v", body, out, bad)
		}
		before, after := turns(&req), turns(&again)
		if len(lost) == 0 && !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q:\n%+v\n%+v", body, out, before, after)
		}
	})
}

// turns are all parts of a request. Messages without parts are not written,
// and a media type that was left out is filled in.
func turns(req *canon.Request) (out []essence) {
	for _, m := range req.Messages {
		for i, e := range essenceOf(m.Parts) {
			e.Args = nil
			e.Media = m.Parts[i].Media.Data.String() + m.Parts[i].Media.URL.String()
			out = append(out, e)
		}
	}
	return out
}

func FuzzAnswer(f *testing.F) {
	for _, b := range recordings.Seeds(f, "vercel-ai/google/src/__fixtures__/*.json") {
		f.Add(b)
	}
	for _, b := range recordings.Seeds(f, "agentgateway/response/vertex-gemini/*.json") {
		f.Add(b)
	}
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"é"}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":9},"groundingChunkIndices":[0,5,-1]}]},"citationMetadata":{"citationSources":[{"uri":"x"}]},"logprobsResult":{"chosenCandidates":[{}]}}],"usageMetadata":{"promptTokenCount":1,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}}`))
	foreign := foreignAnswer()
	f.Add(Format{}.AppendAnswer(nil, &foreign))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, again canon.Answer
		if bad := (Format{}).ReadAnswer(body, &a); bad != nil {
			return
		}
		if u := a.Usage; min(u.Input, u.CacheRead, u.CacheWrite, u.AudioInput, u.ImageInput, u.Output, u.AudioOutput, u.ImageOutput, u.Reasoning) < 0 {
			t.Fatalf("%q: negative: %+v", body, u)
		}
		for _, from := range []canon.Dialect{canon.Gemini, canon.OpenAIChat} {
			a.From = from
			out := Format{}.AppendAnswer(nil, &a)
			if !json.Valid(out) {
				t.Fatalf("%q became %q", body, out)
			}
			if bad := (Format{}).ReadAnswer(out, &again); bad != nil {
				t.Fatalf("%q became %q: %v", body, out, bad)
			}
			if len(again.Choices) != len(a.Choices) {
				t.Fatalf("%q became %q", body, out)
			}
		}
	})
}

// A stream is the same however it is torn, and what is written of it is valid.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}]}}]}\n\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.a[0]\",\"stringValue\":\"x\"}]}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1}}\n\n",
		"data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\r\n\r\n", "data: {\"error\":{}}\n\n", "data: {}\n\n",
		"data: {\"candidates\":[{\"index\":1,\"content\":{\"parts\":[{\"thought\":true,\"text\":\"t\",\"thoughtSignature\":\"eyJ0b2xsZ2F0ZSI6MSwiaWQiOiJyIn0=\"},{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"A\"}}]},\"groundingMetadata\":{\"groundingChunks\":[{}]},\"finishReason\":\"SAFETY\"}]}\n\n",
	} {
		f.Add([]byte(s), uint8(1))
		f.Add([]byte(s), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		whole, err := follow(t, Format{}, data, len(data)+1)
		torn, tornErr := follow(t, Format{}, data, int(size)+1)
		if !bytes.Equal(whole, torn) || (err == nil) != (tornErr == nil) {
			t.Fatalf("whole: %q %v\ntorn: %q %v", whole, err, torn, tornErr)
		}
		array, arrayErr := follow(t, Format{Array: true}, data, len(data)+1)
		if arrayErr == nil && len(array) > 0 && !json.Valid(array) {
			t.Fatalf("%q became %q", data, array)
		}
		if arrayErr != nil && len(array) > 0 {
			array = Format{Array: true}.AppendFaultEvent(array, fault.From(arrayErr), "r")
			if !json.Valid(array) {
				t.Fatalf("%q failed as %q", data, array)
			}
		}
		for len(whole) > 0 {
			end := sse.EventEnd(whole, 0)
			if end < 0 {
				t.Fatalf("%q: no event: %q", data, whole)
			}
			if _, payload, ok := sse.Parse(whole[:end]); !ok || !json.Valid(payload) {
				t.Fatalf("%q: %q", data, whole[:end])
			}
			whole = whole[end:]
		}
	})
}

func follow(t *testing.T, f Format, data []byte, size int) (out []byte, err error) {
	t.Helper()
	var s sse.Splitter
	r, w := f.NewReader(), f.NewWriter(nil)
	put := func(ev *canon.Event) error { out = w.Append(out, ev); return nil }
	for len(data) > 0 && err == nil {
		n := min(size, len(data))
		chunk := bytes.Clone(data[:n])
		data = data[n:]
		err = s.Feed(chunk, func(ev []byte) error {
			name, payload, ok := sse.Parse(ev)
			if !ok {
				return nil
			}
			return r.Read(name, payload, put)
		})
		for i := range chunk {
			chunk[i] = '#'
		}
	}
	if err == nil {
		err = r.End(put)
	}
	return out, err
}
