package canon

import "strconv"

// Unsampled calls lose with the name of each setting of sampling that a
// dialect knows nothing of which has temperature and top_p alone. Values that
// mean what goes anyway are no loss.
func (r *Request) Unsampled(lose func(name string)) {
	for _, f := range [...]struct {
		name string
		set  bool
	}{
		{"frequency_penalty", !unset(r.FrequencyPenalty, "0")},
		{"presence_penalty", !unset(r.PresencePenalty, "0")},
		{"seed", r.Seed != nil},
		{"n", !unset(r.N, "1")},
		{"logprobs", r.LogProbs == Yes},
		{"top_logprobs", r.TopLogProbs != nil},
	} {
		if f.set {
			lose(f.name)
		}
	}
}

// Unvaried takes out of a request what a model has no settings of: temperature
// and top_p. Of values that mean what goes anyway nothing is lost.
func (r *Request) Unvaried(lose func(name string)) {
	for _, f := range [...]struct {
		name  string
		value *Raw
	}{{"temperature", &r.Temperature}, {"top_p", &r.TopP}} {
		if !unset(*f.value, "1") {
			lose(f.name)
		}
		*f.value = nil
	}
}

// unset says whether a number is missing or the one that goes anyway.
func unset(raw Raw, usual string) bool { return raw == nil || string(raw) == usual }

// Above says whether a number is larger than a bound; false when it is none.
func Above(raw Raw, bound float64) bool {
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f > bound
}

// Below says whether a number is smaller than a bound; false when it is none.
func Below(raw Raw, bound float64) bool {
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && f < bound
}
