package providerkind

import "strings"

// Place is where a provider has the calls of a dialect, when that is not where
// the dialect's maker has them.
type Place struct {
	Dialect string
	// BaseURL is that of the dialect, where it is not the provider's.
	BaseURL string
	// Prefix stands before all of the dialect's own paths.
	Prefix string
	// Chat, Stream and Count are whole paths that take the place of the
	// dialect's own, Prefix included; {model} is the model's name.
	Chat, Stream, Count string
	// BodyVersion is written into the body as anthropic_version; the model is
	// taken out of it, since the path names it.
	BodyVersion string
}

// Family is a part of a provider's models that is spoken to in its own way.
type Family struct {
	// Models are patterns of names, in which * stands for anything.
	Models []string
	// Dialects are all that these models speak; the first is the default.
	Dialects []string
	// Short says that the name in paths is what stands behind its last slash.
	Short bool
	// Place counts in place of the provider's own.
	Place *Place
}

// Versioned is how a provider's URLs are made that wants a version in them.
type Versioned struct {
	// Query is the name of the parameter.
	Query string
	// Deployment is the path of one model's calls, with {model}, and Shared of
	// all others, when the version is a date. Other versions go with Plain.
	Deployment, Shared string
	// Plain is the path of all calls without a dated version.
	Plain string
}

// PlaceOf gives the place of a dialect; nil where it has its usual one.
func (k *Kind) PlaceOf(dialect string) *Place {
	for i := range k.Places {
		if k.Places[i].Dialect == dialect {
			return &k.Places[i]
		}
	}
	return nil
}

// FamilyOf gives the family of a model; nil for one that is like the rest.
func (k *Kind) FamilyOf(model string) *Family {
	for i := range k.Families {
		for _, pattern := range k.Families[i].Models {
			if matches(pattern, model) {
				return &k.Families[i]
			}
		}
	}
	return nil
}

// Dated reports whether a version is a date, and thereby of the URLs with
// deployments.
func Dated(version string) bool { return version != "" && version[0] >= '0' && version[0] <= '9' }

// Root is a base URL without what the kind puts behind it itself.
func (v *Versioned) Root(base string) string {
	for _, end := range []string{v.Plain, v.Shared} {
		if root, ok := strings.CutSuffix(base, end); ok {
			return root
		}
	}
	return base
}

// Base is the base URL of calls without a dated version: what was given, or
// with Plain behind it when it names no path, or the one of dated versions.
func (v *Versioned) Base(given string) string {
	root := v.Root(given)
	_, rest, _ := strings.Cut(root, "://")
	if root == given && strings.Contains(rest, "/") {
		return given
	}
	return root + v.Plain
}

// matches reports whether name is as the pattern says.
func matches(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	for ok && star {
		first, rest, star = strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, first)
		}
		_, name, ok = strings.Cut(name, first)
	}
	return ok
}
