package tenantconfig

import (
	"fmt"

	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/secretform"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// signedService is what signatures for Amazon Bedrock name, whichever of its
// hosts is called.
const signedService = "bedrock"

// setSigner readies a target whose secret is a pair of access keys, so that a
// call parses nothing.
func (t *Target) setSigner() {
	if t.AuthStyle != configv1.AuthStyle_AUTH_STYLE_AWS {
		return
	}
	k, err := secretform.ParseAWS(t.Secret.Reveal())
	if err != nil {
		t.Fault = fault.New(fault.CredentialUnusable, "The stored access keys cannot be read.", fmt.Errorf("credential %s %w", t.CredentialID, err))
		return
	}
	t.Signer = sigv4.New(k.AccessKeyID, k.SecretAccessKey, k.SessionToken, t.Region, signedService)
}
