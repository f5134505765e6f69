package tenantconfig

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// Way is how the calls of a target are addressed, worked out when the config
// is compiled, from what is known of its provider.
type Way struct {
	// Also are the dialects that the endpoint speaks beside its own.
	Also []canon.Dialect
	// Model is the name in paths.
	Model string
	// Headers that each call has, complete lines.
	Headers string
	// deployment stands before the paths of the model's calls, shared before
	// those of all others, query behind them.
	deployment, shared, query string
	// place is the model's own; see providerkind.Family.
	place *providerkind.Place
	// plain says that all paths are as the dialects' makers have them.
	plain bool
}

// setWay works out the way of a target whose credential and model are known.
func (t *Target) setWay() {
	w, kind := &t.Way, t.Kind
	w.Model = t.ProviderModel
	usual := t.Dialect == canon.Dialect(kind.Dialect)
	if usual {
		w.Also = dialects(kind.Also)
	}
	if f := kind.FamilyOf(t.ProviderModel); f != nil && (usual || slices.Contains(f.Dialects, string(t.Dialect))) {
		if usual {
			t.Dialect, w.Also = canon.Dialect(f.Dialects[0]), dialects(f.Dialects[1:])
		}
		w.place = f.Place
		if f.Short {
			w.Model = t.ProviderModel[strings.LastIndexByte(t.ProviderModel, '/')+1:]
		}
	}
	version := t.APIVersion
	if kind.VersionHeader != "" {
		if version == "" {
			version = kind.APIVersion
		}
		w.Headers = kind.VersionHeader + ": " + version + "\r\n"
	} else if v := kind.Versioned; v != nil {
		if version != "" {
			w.query = v.Query + "=" + version
		}
		if providerkind.Dated(version) {
			t.BaseURL = v.Root(t.BaseURL)
			w.deployment = strings.ReplaceAll(v.Deployment, "{model}", pathEscaper.Replace(w.Model))
			// Dated versions of deployments know the default dialect only.
			w.shared, w.Also = v.Shared, nil
		} else {
			t.BaseURL = v.Base(t.BaseURL)
		}
	}
	w.plain = w.query == "" && len(kind.Places) == 0 && w.place == nil
}

func dialects(names []string) []canon.Dialect {
	if len(names) == 0 {
		return nil
	}
	out := make([]canon.Dialect, len(names))
	for i, n := range names {
		out[i] = canon.Dialect(n)
	}
	return out
}

// Speaks reports whether the endpoint takes calls of a dialect as they are.
// One comparison for callers of its own dialect.
func (t *Target) Speaks(d canon.Dialect) bool { return d == t.Dialect || slices.Contains(t.Also, d) }

// place is where the calls of a dialect are; nil at the usual place.
func (t *Target) placeOf(d canon.Dialect) *providerkind.Place {
	if p := t.place; p != nil && p.Dialect == string(d) {
		return p
	}
	return t.Kind.PlaceOf(string(d))
}

// Call is what a path is for.
type Call uint8

// Calls that can have paths of their own.
const (
	OtherCall Call = iota
	ChatCall
	StreamCall
	CountCall
)

// Path gives where a call of the model is, after the base URL: own is the path
// that the dialect's maker has for it. It costs nothing but for providers that
// have their calls elsewhere.
func (t *Target) Path(d canon.Dialect, call Call, own string) string {
	if t.plain {
		return own
	}
	path := own
	if p := t.placeOf(d); p != nil {
		path = p.Prefix + own
		if special := special(p, call); special != "" {
			path = strings.ReplaceAll(special, "{model}", pathEscaper.Replace(t.Way.Model))
		}
	}
	return withQuery(t.deployment+path, t.query)
}

// SharedPath gives where a call is that is of no model: files, batches.
func (t *Target) SharedPath(own string) string {
	if t.plain {
		return own
	}
	return withQuery(t.shared+own, t.query)
}

func special(p *providerkind.Place, call Call) string {
	switch call {
	case ChatCall:
		return p.Chat
	case StreamCall:
		return p.Stream
	case CountCall:
		return p.Count
	}
	return ""
}

// BodyVersion is what the body of a call names as anthropic_version in place
// of the model; empty where it is the dialect's own.
func (t *Target) BodyVersion(d canon.Dialect) string {
	if t.plain {
		return ""
	}
	if p := t.placeOf(d); p != nil {
		return p.BodyVersion
	}
	return ""
}

func withQuery(path, query string) string {
	switch {
	case query == "":
		return path
	case strings.Contains(path, "?"):
		return path + "&" + query
	}
	return path + "?" + query
}

// pathEscaper writes a model's name into a path; config allows letters, digits
// and ._:/@+- in names.
var pathEscaper = strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", " ", "%20")
