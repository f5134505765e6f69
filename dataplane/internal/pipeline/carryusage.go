package pipeline

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/money"
)

// countCarry fills in what a carried call used; it says whether something of
// it is not known.
func (x *exchange) countCarry() (estimated bool) {
	switch x.req.Operation {
	case Speech:
		return x.countSpeech()
	case Transcription, Translation:
		if x.countHeard() {
			return false
		}
		x.guessHeard()
		return true
	case Images, ImageEdit, ImageVariation:
		return !x.countImages()
	case Batches:
		// What a batch will cost nobody knows when it is made.
		return x.req.Pass.Method == http.MethodPost && !strings.HasSuffix(x.req.Pass.Path, "/cancel")
	case Proxy:
		return x.req.Pass.Method == http.MethodPost && !x.countProxy()
	}
	return false
}

// countSpeech counts the characters, which are exact. What models are charged
// for by the token is known only of streams of events.
func (x *exchange) countSpeech() (estimated bool) {
	prompt := x.peek.Prompt()
	var plain []byte
	if len(prompt) > 2 {
		plain = jsonscan.Unescape(nil, prompt[1:len(prompt)-1])
		x.carried.units.Characters = int64(utf8.RuneCount(plain))
	}
	if u := x.carried.report(); u != nil {
		x.tokens.Input = u.Input
		x.tokens.AudioOutput = u.Output
		return false
	}
	if x.costPrice.GetInput() == 0 && x.costPrice.GetOutput() == 0 {
		return false
	}
	x.tokens.Input = x.p.counter.Tokens(plain, len(plain))
	return true
}

// countHeard takes the tokens or the seconds that the provider reports.
func (x *exchange) countHeard() bool {
	c := x.carried
	u := c.report()
	switch {
	case u != nil && u.Type == "duration":
		c.units.AudioMilliseconds = milliseconds(u.Seconds)
	case u != nil:
		x.tokens.AudioInput = min(u.InDetails.Audio, u.Input)
		x.tokens.Input = u.Input - x.tokens.AudioInput
		x.tokens.Output = u.Output
	case len(c.tally.Duration()) > 0:
		c.units.AudioMilliseconds = milliseconds(json.Number(c.tally.Duration()))
	default:
		return false
	}
	return true
}

func milliseconds(seconds json.Number) int64 {
	const most = 1e9
	f, err := strconv.ParseFloat(string(seconds), 64)
	if err != nil || !(f >= 0 && f < most) {
		return 0
	}
	return int64(f*1000 + 0.5)
}

// countImages takes the tokens that the provider reports, and counts images.
func (x *exchange) countImages() bool {
	c := x.carried
	c.units.Images = int64(c.tally.Items)
	if c.tally.Events {
		c.units.Images = int64(c.tally.Images)
	}
	if u := c.report(); u != nil {
		x.tokens.ImageInput = min(u.InDetails.Image, u.Input)
		x.tokens.Input = u.Input - x.tokens.ImageInput
		x.tokens.Output = min(u.OutDetails.Text, u.Output)
		x.tokens.ImageOutput = u.Output - x.tokens.Output
		return true
	}
	return c.units.Images > 0
}

// report is usage as audio and images have it.
type report struct {
	Type    string      `json:"type"`
	Seconds json.Number `json:"seconds"`
	Input   int64       `json:"input_tokens"`
	Output  int64       `json:"output_tokens"`
	// One has the details of the input in one spelling, one in the other.
	InDetail   details `json:"input_token_details"`
	InDetails  details `json:"input_tokens_details"`
	OutDetails details `json:"output_tokens_details"`
}

type details struct {
	Text  int64 `json:"text_tokens"`
	Audio int64 `json:"audio_tokens"`
	Image int64 `json:"image_tokens"`
}

// report reads the usage that was found; nil when there was none that can be
// read.
func (c *carried) report() *report {
	raw := c.tally.Usage()
	var u report
	if raw == nil || json.Unmarshal(raw, &u) != nil {
		return nil
	}
	if u.Type != "duration" && !bytes.Contains(raw, []byte(`"input_tokens"`)) && !bytes.Contains(raw, []byte(`"output_tokens"`)) {
		// A report in words that are not known here says nothing.
		return nil
	}
	if u.InDetails == (details{}) {
		u.InDetails = u.InDetail
	}
	const most = 1 << 50
	for _, n := range []int64{u.Input, u.Output, u.InDetails.Audio, u.InDetails.Image, u.OutDetails.Text} {
		if n < 0 || n > most {
			return nil
		}
	}
	return &u
}

// countProxy reads a report of any dialect, and finds the price of the model
// that body, path or answer name.
func (x *exchange) countProxy() bool {
	c := x.carried
	model := x.proxyModel()
	if model != "" {
		x.req.Facts.Model = model
		var now = x.req.Started.Unix()
		id, cost, sell, own := x.config.PricesOf(x.target, model)
		x.ownCost = own
		x.attempt.ModelId, x.attempt.ProviderModel = id, model
		x.costPrice, x.sellPrice = money.Effective(cost, now), money.Effective(sell, now)
		if x.sellPrice == nil {
			x.sellPrice = x.costPrice
		}
		x.req.Facts.PriceUnknown = x.sellPrice == nil
	}
	u := passedUsage(c.tally.Usage(), c.tally.Start())
	if u.Reported {
		x.take(&u)
	}
	if u.Reported && !c.begunOnly() {
		return true
	}
	x.guessProxy(u.Reported)
	return false
}

// passedUsage reads a report by its own words.
func passedUsage(raw, start []byte) (u canon.Usage) {
	switch {
	case bytes.Contains(raw, []byte(`"promptTokenCount"`)):
		gemini.ReadUsage(raw, &u)
	case bytes.Contains(raw, []byte(`"prompt_tokens"`)):
		openai.ReadUsage(raw, &u)
	case raw == nil && bytes.Contains(start, []byte(`"input_tokens_details"`)):
		responses.ReadUsage(start, &u)
	case start != nil, bytes.Contains(raw, []byte(`"cache_creation_input_tokens"`)), bytes.Contains(raw, []byte(`"server_tool_use"`)):
		anthropic.ReadUsage(&u, start, raw)
	case bytes.Contains(raw, []byte(`"input_tokens"`)):
		responses.ReadUsage(raw, &u)
	}
	return u
}

// unitsOf gives the units of a carried call to its event.
func (x *exchange) unitsOf() {
	c := &x.carried.units
	if c.Images != 0 || c.Characters != 0 || c.AudioMilliseconds != 0 {
		u := x.units()
		u.Images, u.Characters, u.AudioMilliseconds = c.Images, c.Characters, c.AudioMilliseconds
	}
}
