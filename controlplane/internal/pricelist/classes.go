package pricelist

import configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"

// class is where an amount of a list goes in a price.
type class struct {
	scale scale
	set   func(*configv1.Price, int64)
}

// Targets of amounts, for the tables of the formats.
var (
	toInput          = func(p *configv1.Price, n int64) { p.Input = n }
	toOutput         = func(p *configv1.Price, n int64) { p.Output = n }
	toCacheRead      = func(p *configv1.Price, n int64) { p.CacheRead = &n }
	toCacheWrite     = func(p *configv1.Price, n int64) { p.CacheWrite = &n }
	toCacheWriteHour = func(p *configv1.Price, n int64) { p.CacheWriteHour = &n }
	toAudioInput     = func(p *configv1.Price, n int64) { p.AudioInput = &n }
	toAudioOutput    = func(p *configv1.Price, n int64) { p.AudioOutput = &n }
	toAudioCacheRead = func(p *configv1.Price, n int64) { p.AudioCacheRead = &n }
	toImageInput     = func(p *configv1.Price, n int64) { p.ImageInput = &n }
	toImageOutput    = func(p *configv1.Price, n int64) { p.ImageOutput = &n }
	toReasoning      = func(p *configv1.Price, n int64) { p.Reasoning = &n }
	toRequest        = func(p *configv1.Price, n int64) { p.PerRequest = n }
	toSearch         = func(p *configv1.Price, n int64) { p.PerSearch = n }
	toImage          = func(p *configv1.Price, n int64) { p.PerImage = n }
	toAudioMinute    = func(p *configv1.Price, n int64) { p.PerAudioMinute = n }
	toCharacters     = func(p *configv1.Price, n int64) { p.PerMillionCharacters = n }
)
