package openai

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// stops are the reasons for stopping, by the words of this dialect and, with
// native, of others: those come in native_finish_reason, from OpenRouter and
// from our own writer, and say more. The first row of a reason is the one that
// is written.
var stops = []struct {
	word   string
	stop   canon.Stop
	native bool
}{
	{"stop", canon.StopEnd, false},
	{"length", canon.StopLength, false},
	{"tool_calls", canon.StopTools, false},
	{"content_filter", canon.StopFilter, false},
	{"function_call", canon.StopTools, false},
	{"error", canon.StopError, false},
	// Mistral's and DeepSeek's own.
	{"model_length", canon.StopContext, false},
	{"insufficient_system_resource", canon.StopError, false},
	{"eos", canon.StopEnd, false},

	{"end_turn", canon.StopEnd, true},
	{"stop_sequence", canon.StopSequence, true},
	{"max_tokens", canon.StopLength, true},
	{"tool_use", canon.StopTools, true},
	{"refusal", canon.StopRefusal, true},
	{"pause_turn", canon.StopPause, true},
	{"model_context_window_exceeded", canon.StopContext, true},
	{"guardrail_intervened", canon.StopFilter, true},
	{"content_filtered", canon.StopFilter, true},
	{"malformed_tool_use", canon.StopError, true},
	{"malformed_model_output", canon.StopError, true},
	{"MAX_TOKENS", canon.StopLength, true},
	{"SAFETY", canon.StopFilter, true},
	{"RECITATION", canon.StopFilter, true},
	{"MALFORMED_FUNCTION_CALL", canon.StopError, true},
	{"context_length_exceeded", canon.StopContext, true},
	{"tool_error", canon.StopError, true},
	{"tool_call", canon.StopTools, true},
	{"ERROR_LIMIT", canon.StopContext, true},
	{"ERROR_TOXIC", canon.StopFilter, true},
	{"TIMEOUT", canon.StopError, true},
	{"PAUSE", canon.StopPause, true},
	{"OTHER", canon.StopError, true},
	{"IMAGE_OTHER", canon.StopError, true},
	{"NO_IMAGE", canon.StopError, true},
	{"UNEXPECTED_TOOL_CALL", canon.StopError, true},
	{"TOO_MANY_TOOL_CALLS", canon.StopError, true},
	{"MISSING_THOUGHT_SIGNATURE", canon.StopError, true},
	{"MALFORMED_RESPONSE", canon.StopError, true},
}

// finishes are the words of this dialect for each reason, with the word that
// says more where there is one.
var finishes = [...]struct{ word, native string }{
	canon.StopUnset:    {"stop", ""},
	canon.StopEnd:      {"stop", ""},
	canon.StopLength:   {"length", ""},
	canon.StopTools:    {"tool_calls", ""},
	canon.StopSequence: {"stop", "stop_sequence"},
	canon.StopFilter:   {"content_filter", ""},
	canon.StopRefusal:  {"content_filter", "refusal"},
	canon.StopPause:    {"stop", "pause_turn"},
	canon.StopContext:  {"length", "model_context_window_exceeded"},
	canon.StopError:    {"stop", "malformed_model_output"},
}

// finishing is how a choice of this dialect ended.
type finishing struct {
	reason, native, sequence canon.Text
	refused, called          bool
}

// meaning is what a word of any dialect says, in small or capital letters;
// StopUnset for words that are not known.
func meaning(word canon.Text) canon.Stop {
	if word.Empty() {
		return canon.StopUnset
	}
	said := word.String()
	for i := range stops {
		if strings.EqualFold(said, stops[i].word) {
			return stops[i].stop
		}
	}
	return canon.StopUnset
}

func (f *finishing) stop() canon.Stop {
	stop := canon.StopUnset
	for i := range stops {
		if s := &stops[i]; !s.native && f.reason.Is(s.word) {
			stop = s.stop
			break
		}
	}
	if stop == canon.StopUnset && !f.reason.Empty() {
		// Some who follow this dialect keep the words of another.
		if stop = meaning(f.reason); stop == canon.StopUnset {
			stop = canon.StopEnd
		}
	}
	if said := meaning(f.native); said != canon.StopUnset && finishes[said].word == finishes[stop].word {
		// A word of another dialect counts where it does not contradict.
		stop = said
	}
	switch {
	case stop == canon.StopEnd && f.refused:
		return canon.StopRefusal
	case stop == canon.StopEnd && f.sequence != nil:
		return canon.StopSequence
	case stop == canon.StopEnd && f.called:
		// Some providers say stop though the model calls tools.
		return canon.StopTools
	}
	return stop
}

// appendFinish writes how a choice ended. refused says that it holds a
// refusal, which OpenAI's own models end with stop.
func appendFinish(b []byte, stop canon.Stop, raw, sequence canon.Text, own, refused bool) []byte {
	f := finishes[stop]
	switch {
	case own && raw != nil:
		b = append(append(b, `,"finish_reason":`...), raw...)
		said := finishing{reason: raw, refused: refused}
		if said.stop() == stop {
			f.native = ""
		}
		raw = nil
	case stop == canon.StopRefusal && refused:
		b = append(b, `,"finish_reason":"stop"`...)
	default:
		b = append(append(append(b, `,"finish_reason":"`...), f.word...), '"')
	}
	// The provider's own word stands beside unless it would be read as another
	// reason.
	said := meaning(raw)
	misleads := said != stop && (f.native != "" || said != canon.StopUnset && finishes[said].word == f.word)
	switch {
	case raw != nil && !misleads:
		b = appendField(b, "native_finish_reason", raw)
	case f.native != "":
		b = append(append(append(b, `,"native_finish_reason":"`...), f.native...), '"')
	}
	if sequence != nil {
		b = appendField(b, "stop_reason", sequence)
	}
	return b
}
