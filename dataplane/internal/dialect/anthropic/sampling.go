package anthropic

import "github.com/tollgate/tollgate/dataplane/internal/dialect/canon"

// Sampling is how a model shall choose tokens; nil is what goes anyway.
type Sampling struct{ Temperature, TopP, TopK canon.Raw }

// SamplingOf is what a model of these takes of a request that was made for
// other models; what it refuses is lost. They take less variety than others and,
// with thoughts, hardly any; later ones take a temperature or top_p but not
// both, and the latest none of it. Source: Anthropic's migration guide for
// models.
func SamplingOf(req *canon.Request, model string, thinks bool, lose func(name string)) Sampling {
	v := modelOf(model)
	s := Sampling{req.Temperature, req.TopP, req.TopK}
	if canon.Above(s.Temperature, 1) {
		s.Temperature = canon.Raw("1")
		lose("temperature")
	}
	drop := func(name string, value *canon.Raw, usual bool) {
		if *value != nil && !usual {
			lose(name)
		}
		*value = nil
	}
	usual := !canon.Below(s.Temperature, 1)
	if v.fixed() || thinks && !usual {
		drop("temperature", &s.Temperature, usual)
	}
	if v.fixed() || thinks && canon.Below(s.TopP, 0.95) {
		drop("top_p", &s.TopP, !canon.Below(s.TopP, 1))
	}
	if v.fixed() || thinks {
		drop("top_k", &s.TopK, false)
	}
	if v.oneOfTwo() && s.Temperature != nil && s.TopP != nil {
		if usual {
			s.Temperature = nil
		} else {
			drop("top_p", &s.TopP, !canon.Below(s.TopP, 1))
		}
	}
	return s
}

// fixed says that the model chooses tokens as it does: those that take no budget
// for thoughts take no settings of this either.
func (v version) fixed() bool { return v.adaptiveOnly() }

// oneOfTwo says that the model refuses a temperature beside top_p: Opus since
// 4.1 and others since 4.5.
func (v version) oneOfTwo() bool {
	return v.atLeast(4, 5) || v.family == "opus" && v.atLeast(4, 1)
}
