package configcheck

import (
	"fmt"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// minutesOfDay bounds what a price variant may name of a day.
const minutesOfDay = 24 * 60

func checkPrices(path string, prices []*configv1.Price) error {
	if len(prices) > MaxPrices {
		return errorf(path, "has %d prices, more than %d", len(prices), MaxPrices)
	}
	seen := make(map[string]bool, len(prices))
	for i, p := range prices {
		at := fmt.Sprintf("%s[%d].", path, i)
		if !ValidPriceID(p.GetId()) {
			return errorf(at+"id", "is not a price id")
		}
		if seen[p.GetId()] {
			return errorf(at+"id", "stands twice in the list")
		}
		seen[p.GetId()] = true
		if err := checkUnix(at+"effective_from_unix", p.GetEffectiveFromUnix()); err != nil {
			return err
		}
		if err := CheckRates(at, p); err != nil {
			return err
		}
	}
	return nil
}

// CheckRates validates the amounts and variants of a price, whoever it belongs
// to and whenever it begins; at stands before each path.
func CheckRates(at string, p *configv1.Price) error {
	if field, bad := badAmount(p); bad {
		return errorf(at+field, "is negative or more than a million dollars")
	}
	if n := len(p.GetVariants()); n > MaxVariants {
		return errorf(at+"variants", "has %d entries, more than %d", n, MaxVariants)
	}
	for i, v := range p.GetVariants() {
		if err := checkVariant(fmt.Sprintf("%svariants[%d].", at, i), v); err != nil {
			return err
		}
	}
	return nil
}

func checkVariant(at string, v *configv1.PriceVariant) error {
	timed := v.GetFromMinute() != 0 || v.GetToMinute() != 0
	switch {
	case v.GetAboveInputTokens() < 0 || v.GetAboveInputTokens() > MaxContextWindow:
		return errorf(at+"above_input_tokens", "is not between 0 and %d", MaxContextWindow)
	case v.GetServiceTier() != "" && !ValidWord(v.GetServiceTier()):
		return errorf(at+"service_tier", "must be at most %d of a-z, 0-9, - and _", MaxWord)
	case v.GetFromMinute() >= minutesOfDay:
		return errorf(at+"from_minute", "is not a minute of a day, 0 to %d", minutesOfDay-1)
	case v.GetToMinute() >= minutesOfDay:
		return errorf(at+"to_minute", "is not a minute of a day, 0 to %d", minutesOfDay-1)
	case timed && v.GetFromMinute() == v.GetToMinute():
		return errorf(at+"to_minute", "is the same as from_minute")
	case !timed && v.GetAboveInputTokens() == 0 && v.GetServiceTier() == "":
		return errorf(at+"above_input_tokens", "is missing, as is every other condition")
	case v.GetPrice() == nil:
		return errorf(at+"price", "is missing")
	case len(v.GetPrice().GetVariants()) > 0:
		return errorf(at+"price.variants", "is set, and variants have none of their own")
	case v.GetPrice().GetId() != "":
		return errorf(at+"price.id", "is set, and a variant goes by the id of its price")
	case v.GetPrice().GetEffectiveFromUnix() != 0:
		return errorf(at+"price.effective_from_unix", "is set, and a variant begins with its price")
	}
	if field, bad := badAmount(v.GetPrice()); bad {
		return errorf(at+"price."+field, "is negative or more than a million dollars")
	}
	return nil
}

func badAmount(p *configv1.Price) (string, bool) {
	for _, a := range []struct {
		field string
		nano  int64
	}{
		{"input", p.GetInput()}, {"output", p.GetOutput()},
		{"cache_read", p.GetCacheRead()}, {"cache_write", p.GetCacheWrite()}, {"cache_write_hour", p.GetCacheWriteHour()},
		{"audio_input", p.GetAudioInput()}, {"audio_output", p.GetAudioOutput()}, {"audio_cache_read", p.GetAudioCacheRead()},
		{"image_input", p.GetImageInput()}, {"image_output", p.GetImageOutput()}, {"reasoning", p.GetReasoning()},
		{"per_request", p.GetPerRequest()}, {"per_search", p.GetPerSearch()}, {"per_image", p.GetPerImage()},
		{"per_audio_minute", p.GetPerAudioMinute()}, {"per_million_characters", p.GetPerMillionCharacters()},
	} {
		if a.nano < 0 || a.nano > MaxPrice {
			return a.field, true
		}
	}
	return "", false
}

// checkCapabilities takes words that this version does not know: they refuse
// nothing.
func checkCapabilities(c *configv1.Capabilities) error {
	for _, l := range []struct {
		path  string
		words []string
	}{
		{"capabilities.operations", c.GetOperations()}, {"capabilities.input", c.GetInput()}, {"capabilities.output", c.GetOutput()},
	} {
		if len(l.words) > MaxWords {
			return errorf(l.path, "has %d entries, more than %d", len(l.words), MaxWords)
		}
		for i, w := range l.words {
			if !ValidWord(w) {
				return errorf(fmt.Sprintf("%s[%d]", l.path, i), "must be 1 to %d of a-z, 0-9, - and _", MaxWord)
			}
		}
	}
	return nil
}
