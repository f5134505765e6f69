package credential

import "github.com/tollgate/tollgate/proto/providerkind"

// Auth styles, as the API writes them.
const (
	Bearer = "bearer" // Authorization: Bearer SECRET
	Header = "header" // the secret alone in a header of choice
	None   = "none"   // no secret
)

// styleOf is how a provider takes its secret.
func styleOf(a providerkind.Auth) string {
	switch {
	case a.None:
		return None
	case a.Header != "":
		return Header
	}
	return Bearer
}
