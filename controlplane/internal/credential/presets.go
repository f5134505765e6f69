package credential

import (
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Auth styles, as the API writes them.
const (
	Bearer = "bearer" // Authorization: Bearer SECRET
	Header = "header" // the secret alone in a header of choice
	None   = "none"   // no secret
	AWS    = "aws"    // requests are signed with access keys
	Google = "google" // an access token of a service account
)

// styles are the same in the config of data planes.
var styles = map[string]configv1.AuthStyle{
	Bearer: configv1.AuthStyle_AUTH_STYLE_BEARER, Header: configv1.AuthStyle_AUTH_STYLE_HEADER, None: configv1.AuthStyle_AUTH_STYLE_NONE,
	AWS: configv1.AuthStyle_AUTH_STYLE_AWS, Google: configv1.AuthStyle_AUTH_STYLE_GOOGLE,
}

// styleOf is how a provider takes its secret.
func styleOf(a providerkind.Auth) string {
	switch {
	case a.None:
		return None
	case a.AWS:
		return AWS
	case a.Google:
		return Google
	case a.Header != "":
		return Header
	}
	return Bearer
}
