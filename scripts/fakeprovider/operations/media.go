package operations

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// PNG is a picture of one pixel.
var PNG, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

// images is the answer with n pictures.
func images(n, text int) object {
	data := []object{}
	for range max(n, 1) {
		data = append(data, object{"b64_json": base64.StdEncoding.EncodeToString(PNG)})
	}
	made := 100 * len(data)
	return object{"created": 1700000000, "data": data, "usage": object{
		"input_tokens": text, "output_tokens": made, "total_tokens": text + made,
		"input_tokens_details": object{"text_tokens": text, "image_tokens": 0},
	}}
}

func draw(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model, Prompt, Size, Quality, Style, Background, Moderation, User string
		N                                                                 int    `json:"n"`
		ResponseFormat                                                    string `json:"response_format"`
		OutputFormat                                                      string `json:"output_format"`
		Stream                                                            bool   `json:"stream"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.Prompt == "" {
		return nil, bad("prompt is required")
	}
	return images(in.N, words(in.Prompt)), nil
}

func redraw(_ *Desk, q *Request) (any, error) {
	f, err := q.form("model", "prompt", "image", "mask", "n", "size", "quality")
	if err != nil {
		return nil, err
	}
	if len(f.file) == 0 || f.values["prompt"] == "" || f.values["model"] == "" {
		return nil, bad("image, prompt and model are required")
	}
	n, _ := strconv.Atoi(f.values["n"])
	return images(n, words(f.values["prompt"])), nil
}

func speak(_ *Desk, q *Request) (any, error) {
	var in struct {
		Model, Input, Voice, Instructions string
		ResponseFormat                    string   `json:"response_format"`
		Speed                             *float64 `json:"speed"`
		StreamFormat                      string   `json:"stream_format"`
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	if in.Input == "" || in.Voice == "" {
		return nil, bad("input and voice are required")
	}
	return document{"audio/wav", WAV(len(in.Input))}, nil
}

// WAV is silence of so many samples.
func WAV(samples int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+samples))
	b.WriteString("WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(8000), uint32(8000), uint16(1), uint16(8)} {
		binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(samples))
	b.Write(bytes.Repeat([]byte{128}, samples))
	return b.Bytes()
}

func hear(_ *Desk, q *Request) (any, error) {
	f, err := q.form("model", "file", "language", "prompt", "response_format", "temperature", "timestamp_granularities", "stream", "include")
	if err != nil {
		return nil, err
	}
	if len(f.file) == 0 || f.values["model"] == "" {
		return nil, bad("file and model are required")
	}
	text := "heard " + strconv.Itoa(len(f.file)) + " bytes of " + f.name
	if f.values["response_format"] == "text" {
		return document{"text/plain; charset=utf-8", []byte(text + "\n")}, nil
	}
	return object{"text": text, "usage": object{"type": "duration", "seconds": 3}}, nil
}
