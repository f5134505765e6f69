package configcheck

import (
	"strings"

	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// ValidID reports whether s may identify a resource of this kind.
func ValidID(k configv1.Kind, s string) bool {
	switch k {
	case configv1.Kind_KIND_TENANT:
		return validTenant(s)
	case configv1.Kind_KIND_API_KEY:
		return canonical(id.APIKey, s)
	case configv1.Kind_KIND_CREDENTIAL:
		return canonical(id.Credential, s)
	case configv1.Kind_KIND_MODEL:
		return canonical(id.Model, s)
	case configv1.Kind_KIND_ROUTE:
		return canonical(id.Route, s)
	case configv1.Kind_KIND_CATALOG_MODEL:
		return ValidCatalogID(s)
	case configv1.Kind_KIND_PROJECT:
		return canonical(id.Project, s)
	}
	return false
}

func validTenant(s string) bool { return canonical(id.Tenant, s) }

// canonical is stricter than id.Valid: one identifier has one spelling.
func canonical(prefix, s string) bool {
	_, ok := id.Bits(prefix, s)
	return ok
}

// ValidSlug reports whether s may name a tenant in URLs:
// ^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$.
func ValidSlug(s string) bool {
	if s == "" || len(s) > MaxSlug || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return only(s, func(c byte) bool { return lowerOrDigit(c) || c == '-' })
}

// ValidName reports whether s may be a route's name or a provider's name for a
// model: letters, digits and ._:/@+-, beginning with a letter or digit.
func ValidName(s string) bool {
	if s == "" || len(s) > MaxName || !alphanumeric(s[0]) {
		return false
	}
	return only(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("._:/@+-", c) >= 0 })
}

// ValidProvider reports whether s may name a provider.
func ValidProvider(s string) bool {
	if s == "" || len(s) > MaxProvider || !lowerOrDigit(s[0]) {
		return false
	}
	return only(s, func(c byte) bool { return lowerOrDigit(c) || strings.IndexByte("._-", c) >= 0 })
}

// ValidAPIVersion reports whether s may be a version in the query of a URL.
func ValidAPIVersion(s string) bool {
	if s == "" || len(s) > MaxShortName {
		return false
	}
	return only(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("._-", c) >= 0 })
}

// ValidRegion reports whether s may name a region: it becomes a part of hosts,
// paths and signatures.
func ValidRegion(s string) bool {
	if s == "" || len(s) > MaxShortName || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return only(s, func(c byte) bool { return lowerOrDigit(c) || c == '-' })
}

// ValidCatalogID reports whether s is "provider/model".
func ValidCatalogID(s string) bool {
	provider, model, ok := strings.Cut(s, "/")
	return ok && ValidProvider(provider) && ValidName(model)
}

// ValidWord reports whether s may be one of a list of words, such as a service
// tier, an operation or a modality.
func ValidWord(s string) bool {
	return s != "" && len(s) <= MaxWord && only(s, func(c byte) bool { return lowerOrDigit(c) || c == '-' || c == '_' })
}

// ValidPriceID reports whether s may identify a price version.
func ValidPriceID(s string) bool {
	rest, ok := strings.CutPrefix(s, id.Price+"_")
	return ok && ValidName(rest)
}

// validHeader reports whether s is a header that may carry a secret: a token,
// and none that would change how the request is framed or routed.
func validHeader(s string) bool {
	if s == "" || len(s) > MaxHeaderName {
		return false
	}
	switch strings.ToLower(s) {
	case "host", "connection", "content-length", "content-type", "content-encoding", "transfer-encoding",
		"te", "trailer", "upgrade", "expect", "keep-alive", "proxy-connection", "accept-encoding", "cookie":
		return false
	}
	return only(s, func(c byte) bool { return alphanumeric(c) || c == '-' || c == '_' })
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func lowerOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
func alphanumeric(c byte) bool { return lowerOrDigit(c) || c >= 'A' && c <= 'Z' }
