package operations

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
)

// dimensions of a vector that asks for no other number.
const dimensions = 8

// Vector is the embedding of a text: a unit vector that the text alone decides.
func Vector(text string, n int) []float64 {
	v := make([]float64, n)
	sum := 0.0
	for i := range v {
		h := sha256.Sum256([]byte(text + string(rune('a'+i%26)) + string(rune('a'+i/26%26))))
		v[i] = float64(int8(h[0])) / 128
		sum += v[i] * v[i]
	}
	for i := range v {
		v[i] /= math.Sqrt(sum)
	}
	return v
}

// inputs reads text, texts, token ids or lists of them.
func inputs(raw json.RawMessage) (texts []string, tokens int, err error) {
	var one string
	var ids []int
	var idLists [][]int
	switch {
	case json.Unmarshal(raw, &one) == nil:
		texts = []string{one}
	case json.Unmarshal(raw, &texts) == nil:
	case json.Unmarshal(raw, &ids) == nil:
		return []string{string(raw)}, len(ids), nil
	case json.Unmarshal(raw, &idLists) == nil:
		for _, list := range idLists {
			texts = append(texts, string(encode(list)))
			tokens += len(list)
		}
		return texts, tokens, nil
	default:
		return nil, 0, bad("input is of no known type")
	}
	for _, t := range texts {
		if t == "" {
			return nil, 0, bad("input cannot be an empty string")
		}
		tokens += words(t)
	}
	return texts, tokens, nil
}

func embed(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model          string          `json:"model"`
		Input          json.RawMessage `json:"input"`
		EncodingFormat string          `json:"encoding_format"`
		Dimensions     int             `json:"dimensions"`
		User           string          `json:"user"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	texts, tokens, err := inputs(in.Input)
	if err != nil {
		return nil, err
	}
	if in.Dimensions == 0 {
		in.Dimensions = dimensions
	}
	data := []object{}
	for i, t := range texts {
		v := Vector(t, in.Dimensions)
		var out any = v
		if in.EncodingFormat == "base64" {
			var b []byte
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
			}
			out = base64.StdEncoding.EncodeToString(b)
		}
		data = append(data, object{"object": "embedding", "index": i, "embedding": out})
	}
	return object{"object": "list", "data": data, "model": in.Model, "usage": object{"prompt_tokens": tokens, "total_tokens": tokens}}, nil
}

func complete(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model         string   `json:"model"`
		Prompt        any      `json:"prompt"`
		MaxTokens     int      `json:"max_tokens"`
		Temperature   *float64 `json:"temperature"`
		Stop          any      `json:"stop"`
		Suffix        string   `json:"suffix"`
		Echo          bool     `json:"echo"`
		N             int      `json:"n"`
		Stream        bool     `json:"stream"`
		StreamOptions *struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	prompt, ok := in.Prompt.(string)
	if !ok {
		return nil, bad("prompt must be a string")
	}
	text := "completed: " + prompt
	usage := object{"prompt_tokens": words(prompt), "completion_tokens": words(text), "total_tokens": words(prompt) + words(text)}
	choice := func(text string, reason any) []object {
		return []object{{"text": text, "index": 0, "logprobs": nil, "finish_reason": reason}}
	}
	head := object{"id": "cmpl-fake", "object": "text_completion", "created": 1700000000, "model": in.Model}
	with := func(more object) object {
		for k, v := range head {
			more[k] = v
		}
		return more
	}
	if !in.Stream {
		return with(object{"choices": choice(text, "stop"), "usage": usage}), nil
	}
	events := []any{}
	for _, w := range strings.SplitAfter(text, " ") {
		events = append(events, with(object{"choices": choice(w, nil)}))
	}
	events = append(events, with(object{"choices": choice("", "stop")}))
	if in.StreamOptions != nil && in.StreamOptions.IncludeUsage {
		events = append(events, with(object{"choices": []object{}, "usage": usage}))
	}
	return stream(events), nil
}

// stream writes events as the API's do.
func stream(events []any) dialogue.Answer {
	a := dialogue.Answer{Status: 200, Type: "text/event-stream"}
	for i, ev := range events {
		a.Parts = append(a.Parts, []byte("data: "+string(encode(ev))+"\n\n"))
		a.Content = append(a.Content, i+1)
	}
	a.Parts = append(a.Parts, []byte("data: [DONE]\n\n"))
	a.Content = append(a.Content, len(events))
	return a
}

func moderate(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	texts, _, err := inputs(in.Input)
	if err != nil {
		return nil, err
	}
	results := []object{}
	for _, t := range texts {
		flagged := strings.Contains(t, "violence")
		results = append(results, object{"flagged": flagged, "categories": object{"violence": flagged}, "category_scores": object{"violence": 0.1}})
	}
	return object{"id": "modr-fake", "model": in.Model, "results": results}, nil
}

func rerank(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      int      `json:"top_n"`
		MaxTokens int      `json:"max_tokens_per_doc"`
		Return    bool     `json:"return_documents"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	results := []object{}
	for i, doc := range in.Documents {
		score := 0.01 * float64(len(in.Documents)-i)
		if strings.Contains(doc, in.Query) {
			score = 0.99 - score
		}
		results = append(results, object{"index": i, "relevance_score": score})
	}
	for i := range results { // by score, highest first
		for j := i + 1; j < len(results); j++ {
			if results[j]["relevance_score"].(float64) > results[i]["relevance_score"].(float64) {
				results[i], results[j] = results[j], results[i]
			}
		}
	}
	if in.TopN > 0 && in.TopN < len(results) {
		results = results[:in.TopN]
	}
	return object{"id": "rerank-fake", "results": results, "meta": object{"api_version": object{"version": "2"}, "billed_units": object{"search_units": 1}}}, nil
}

func countMessages(_ *Desk, q *Request) (any, error) {
	if q.Version == "" {
		return nil, bad("anthropic-version: header is required")
	}
	var in struct {
		Model    string `json:"model"`
		Messages []any  `json:"messages"`
	}
	if err := json.Unmarshal(q.Body, &in); err != nil || in.Model == "" || len(in.Messages) == 0 {
		return nil, bad("messages: field required")
	}
	return object{"input_tokens": words(string(q.Body))}, nil
}

// gemini does what the path's end names.
func gemini(_ *Desk, q *Request) (any, error) {
	rest := strings.TrimPrefix(q.Path, "/v1beta/models/")
	model, method, _ := strings.Cut(rest, ":")
	type content struct {
		Role  string `json:"role"`
		Parts []struct {
			Text string `json:"text"`
		} `json:"parts"`
	}
	type one struct {
		Model      string  `json:"model"`
		Content    content `json:"content"`
		TaskType   string  `json:"taskType"`
		Title      string  `json:"title"`
		Dimensions int     `json:"outputDimensionality"`
	}
	vector := func(r one) object {
		text := ""
		for _, p := range r.Content.Parts {
			text += p.Text
		}
		if r.Dimensions == 0 {
			r.Dimensions = dimensions
		}
		return object{"values": Vector(text, r.Dimensions)}
	}
	switch method {
	case "embedContent":
		var in one
		if err := q.decode(&in); err != nil {
			return nil, err
		}
		return object{"embedding": vector(in)}, nil
	case "batchEmbedContents":
		var in struct {
			Requests []one `json:"requests"`
		}
		if err := q.decode(&in); err != nil {
			return nil, err
		}
		out := []object{}
		for _, r := range in.Requests {
			if r.Model != "models/"+model {
				return nil, bad("model %q of a request is not the one of the URL", r.Model)
			}
			out = append(out, vector(r))
		}
		return object{"embeddings": out}, nil
	case "countTokens":
		if !json.Valid(q.Body) {
			return nil, bad("invalid JSON payload")
		}
		return object{"totalTokens": words(string(q.Body))}, nil
	}
	return nil, errNotHere
}
