package tenantconfig

import (
	"slices"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Lack is a set of things that a model is known not to take.
type Lack uint16

// What a model can lack. Nothing is lacked by a model of which nothing is
// known.
const (
	LackChat Lack = 1 << iota
	LackTools
	LackSchema
	LackImages
	LackAudio
	LackVideo
	LackDocuments
)

// Abilities are what the catalogue says of a target's model.
type Abilities struct {
	// Known is nil when nobody knows what the model can do. Shared: not to be
	// changed.
	Known *configv1.Capabilities
	// Lacks is Known as the request path asks for it.
	Lacks Lack
	// ContextWindow and MaxOutputTokens are 0 when not known.
	ContextWindow   uint32
	MaxOutputTokens uint32
	// Label is the model's name for people; may be empty.
	Label string
	// DeprecatedAtUnix is when the provider stops serving it; 0 when not known.
	DeprecatedAtUnix int64
}

// abilitiesOf reads an entry of the catalogue, which may be nil.
func abilitiesOf(m *configv1.CatalogModel) Abilities {
	a := Abilities{Known: m.GetCapabilities(), ContextWindow: m.GetContextWindow(), MaxOutputTokens: m.GetMaxOutputTokens(),
		Label: m.GetLabel(), DeprecatedAtUnix: m.GetDeprecatedAtUnix()}
	c := a.Known
	if c == nil {
		return a
	}
	lack := func(missing bool, l Lack) {
		if missing {
			a.Lacks |= l
		}
	}
	// An empty list says nothing.
	takes := func(what string) bool { return len(c.GetInput()) == 0 || slices.Contains(c.GetInput(), what) }
	lack(!a.Serves("chat"), LackChat)
	lack(!c.GetTools(), LackTools)
	lack(!c.GetJsonSchema(), LackSchema)
	lack(!takes("image"), LackImages)
	lack(!takes("audio"), LackAudio)
	lack(!takes("video"), LackVideo)
	lack(!takes("document"), LackDocuments)
	return a
}

// Serves reports whether the model is not known to refuse an operation, by its
// word in the catalogue.
func (a *Abilities) Serves(operation string) bool {
	ops := a.Known.GetOperations()
	return len(ops) == 0 || slices.Contains(ops, operation)
}
