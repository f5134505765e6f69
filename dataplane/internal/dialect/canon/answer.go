package canon

// Answer is a whole answer.
type Answer struct {
	From  Dialect
	ID    Text
	Model Text
	// Created in seconds since 1970; 0 when the dialect does not say.
	Created     int64
	Choices     []Choice
	Usage       Usage
	ServiceTier Text
	Fingerprint Text
	// Extra are fields that have no name here, for writers of the same dialect.
	Extra []Field
}

// Choice is one of the answers; most requests ask for one.
type Choice struct {
	Index int
	Parts []Part
	Stop  Stop
	// StopText is the stop sequence that was met.
	StopText Text
	// StopRaw is the reason in the words of the answer's own dialect.
	StopRaw Text
	// LogProbs as chat completions have them: {"content": […]}.
	LogProbs Raw
}

// Stop is why a model stopped.
type Stop uint8

// Reasons.
const (
	StopUnset Stop = iota
	// StopEnd: it had said all.
	StopEnd
	// StopLength: the bound on output was met.
	StopLength
	// StopTools: it waits for the results of tool calls.
	StopTools
	// StopSequence: it met a stop sequence.
	StopSequence
	// StopFilter: the provider's filter ended it.
	StopFilter
	// StopRefusal: the model declined.
	StopRefusal
	// StopPause: a server tool takes long; the caller sends the answer back to
	// go on.
	StopPause
	// StopContext: the context window is full.
	StopContext
	// StopError: the provider could not use what the model wrote.
	StopError
)

// Usage is what the provider reported, in classes that do not overlap, but for
// Reasoning, which is part of Output.
type Usage struct {
	// Reported says that there was a report that could be read.
	Reported bool
	// Input is text that was neither read from nor written to a cache.
	Input     int64
	CacheRead int64
	// AudioCacheRead is the part of CacheRead that was audio.
	AudioCacheRead int64
	// CacheWrite in all; CacheWriteHour is the part of it that is kept for an
	// hour.
	CacheWrite     int64
	CacheWriteHour int64
	Output         int64
	Reasoning      int64
	AudioInput     int64
	AudioOutput    int64
	ImageInput     int64
	ImageOutput    int64
	// Searches is how often the provider searched the web.
	Searches int64
	// Cost is what the provider says it charges, in dollars; nil when it does
	// not say.
	Cost Raw
	// Raw is the report as From wrote it.
	Raw  Raw
	From Dialect
}

// Prompt is all that went in.
func (u *Usage) Prompt() int64 {
	return u.Input + u.CacheRead + u.CacheWrite + u.AudioInput + u.ImageInput
}

// Completion is all that came out.
func (u *Usage) Completion() int64 { return u.Output + u.AudioOutput + u.ImageOutput }
