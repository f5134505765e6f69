package demo

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
)

// operate answers a call beside chat, with what the text alone decides.
func (r *Response) operate(call *Call, b behaviour) {
	var answer any
	var refusal string
	switch call.Operation {
	case "embeddings":
		answer, refusal = embed(call.Body)
	case "moderations":
		answer, refusal = moderate(call.Body)
	case "rerank":
		answer, refusal = rank(call.Body)
	case "completions":
		r.complete(call.Body, b)
		return
	default:
		refusal = "The demo provider has no such operation."
	}
	if refusal != "" {
		r.refuse(400, refusal, "invalid_request")
		return
	}
	r.pieces, r.pause = [][]byte{encode(answer)}, 0
	r.spoil(b)
}

const unreadable = "The demo provider cannot read this request."

// textsOf takes one text, a list of texts, or tokens in place of a text.
func textsOf(raw json.RawMessage) (texts []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) != nil || len(many) == 0 {
		return nil
	}
	if c := many[0][0]; c >= '0' && c <= '9' {
		return []string{string(raw)}
	}
	for _, m := range many {
		var part struct {
			Text string `json:"text"`
		}
		switch {
		case json.Unmarshal(m, &one) == nil:
			texts = append(texts, one)
		case json.Unmarshal(m, &part) == nil:
			texts = append(texts, part.Text)
		default:
			texts = append(texts, string(m))
		}
	}
	return texts
}

// Sizes of the demo's vectors.
const (
	usualDimensions = 64
	maxDimensions   = 4096
)

func embed(body []byte) (any, string) {
	var req struct {
		Model      string          `json:"model"`
		Input      json.RawMessage `json:"input"`
		Dimensions int             `json:"dimensions"`
		Encoding   string          `json:"encoding_format"`
	}
	if json.Unmarshal(body, &req) != nil {
		return nil, unreadable
	}
	texts := textsOf(req.Input)
	switch {
	case len(texts) == 0:
		return nil, "input must hold at least one text."
	case req.Dimensions < 0 || req.Dimensions > maxDimensions:
		return nil, fmt.Sprintf("dimensions must be from 1 to %d.", maxDimensions)
	}
	data, tokens := []object{}, 0
	for i, t := range texts {
		v := vector(t, cmp.Or(req.Dimensions, usualDimensions))
		var embedding any = v
		if req.Encoding == "base64" {
			var floats []byte
			for _, f := range v {
				floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(f))
			}
			embedding = base64.StdEncoding.EncodeToString(floats)
		}
		data = append(data, object{"object": "embedding", "index": i, "embedding": embedding})
		tokens += tokensOf(t)
	}
	return object{"object": "list", "data": data, "model": req.Model, "usage": object{"prompt_tokens": tokens, "total_tokens": tokens}}, ""
}

// vector is a unit vector that comes from the words of a text: texts that
// share words lie near to each other.
func vector(text string, n int) []float32 {
	sum := make([]float64, n)
	for _, w := range append(wordsOf(text), "") {
		h := fnv.New64a()
		h.Write([]byte(w))
		state := h.Sum64() | 1
		for i := range sum {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			sum[i] += float64(int64(state)) / math.MaxInt64
		}
	}
	length := 0.0
	for _, f := range sum {
		length += f * f
	}
	out := make([]float32, n)
	for i, f := range sum {
		out[i] = float32(f / math.Sqrt(length))
	}
	return out
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// flaggedWord is the only one that the demo's moderation minds.
const flaggedWord = "demo-violence"

func moderate(body []byte) (any, string) {
	var req struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if json.Unmarshal(body, &req) != nil {
		return nil, unreadable
	}
	texts := textsOf(req.Input)
	if len(texts) == 0 {
		return nil, "input must hold at least one text."
	}
	results, sum := []object{}, fnv.New64a()
	for _, t := range texts {
		sum.Write([]byte(t))
		bad, score := strings.Contains(strings.ToLower(t), flaggedWord), 0.001
		if bad {
			score = 0.98
		}
		results = append(results, object{"flagged": bad, "categories": object{"violence": bad, "harassment": false},
			"category_scores": object{"violence": score, "harassment": 0.001}})
	}
	return object{"id": fmt.Sprintf("modr-demo%016x", sum.Sum64()), "model": req.Model, "results": results}, ""
}

func rank(body []byte) (any, string) {
	var req struct {
		Query     string          `json:"query"`
		Documents json.RawMessage `json:"documents"`
		TopN      int             `json:"top_n"`
		Return    bool            `json:"return_documents"`
	}
	if json.Unmarshal(body, &req) != nil {
		return nil, unreadable
	}
	texts := textsOf(req.Documents)
	if req.Query == "" || len(texts) == 0 {
		return nil, "query and documents must not be empty."
	}
	type scored struct {
		at    int
		score float64
	}
	order, asked, sum := make([]scored, len(texts)), wordsOf(req.Query), fnv.New64a()
	for i, t := range texts {
		sum.Write([]byte(t))
		words, hits := wordsOf(t), 0
		for _, w := range asked {
			if slices.Contains(words, w) {
				hits++
			}
		}
		order[i] = scored{i, math.Round(1000*float64(hits)/float64(max(1, len(asked)))) / 1000}
	}
	slices.SortStableFunc(order, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	if req.TopN > 0 && req.TopN < len(order) {
		order = order[:req.TopN]
	}
	results := []object{}
	for _, o := range order {
		v := object{"index": o.at, "relevance_score": o.score}
		if req.Return {
			v["document"] = object{"text": texts[o.at]}
		}
		results = append(results, v)
	}
	return object{"id": fmt.Sprintf("rerank-demo%016x", sum.Sum64()), "results": results,
		"meta": object{"api_version": object{"version": "2"}, "billed_units": object{"search_units": (len(texts) + 99) / 100}}}, ""
}

// maxPictures bounds n.
const maxPictures = 10

// draw answers with pictures, or with an event for each.
func (r *Response) draw(body [][]byte, b behaviour) {
	var req struct {
		Prompt string `json:"prompt"`
		N      int    `json:"n"`
		Stream bool   `json:"stream"`
	}
	refusal := ""
	switch {
	case json.Unmarshal(bytes.Join(body, nil), &req) != nil:
		refusal = unreadable
	case req.Prompt == "":
		refusal = "prompt must not be empty."
	case req.N < 0 || req.N > maxPictures:
		refusal = fmt.Sprintf("n must be from 1 to %d.", maxPictures)
	}
	if refusal != "" {
		r.refuse(400, refusal, "invalid_request")
		return
	}
	r.pause = b.chunkDelay
	data := []object{}
	for i := range max(1, req.N) {
		data = append(data, object{"b64_json": base64.StdEncoding.EncodeToString(picture(req.Prompt, i))})
	}
	in, out := tokensOf(req.Prompt), 16*len(data)
	used := object{"input_tokens": in, "output_tokens": out, "total_tokens": in + out,
		"input_tokens_details": object{"text_tokens": in, "image_tokens": 0}}
	if !req.Stream {
		r.json(object{"created": 0, "data": data, "output_format": "png", "size": "16x16", "usage": used})
		r.spoil(b)
		return
	}
	r.content, r.kind = provider.EventStream, "text/event-stream"
	for i, d := range data {
		d["type"], d["created_at"], d["output_format"], d["size"] = "image_generation.completed", 0, "png", "16x16"
		if i == len(data)-1 {
			d["usage"] = used
		}
		r.pieces = append(r.pieces, append([]byte("event: image_generation.completed\n"), event(encode(d))...))
	}
	r.spoil(b)
}

// picture is a small image whose colours come from the prompt.
func picture(prompt string, n int) []byte {
	const size = 16
	h := fnv.New64a()
	fmt.Fprint(h, prompt, n)
	sum := h.Sum64()
	m := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{
		color.RGBA{uint8(sum), uint8(sum >> 8), uint8(sum >> 16), 255}, color.RGBA{uint8(sum >> 24), uint8(sum >> 32), uint8(sum >> 40), 255},
	})
	for i := range m.Pix {
		x, y := min(i%size, size-1-i%size), i/size
		m.Pix[i] = uint8(sum >> ((x*size + y) % 61) & 1)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic("demo: " + err.Error())
	}
	return b.Bytes()
}
