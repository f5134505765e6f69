package configcheck

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// ProviderDemo is the built-in provider: it has no address.
const ProviderDemo = "demo"

// minSealed is the size of a sealed empty secret: encapsulated key and tag.
const minSealed = 32 + 16

func checkTenant(t *configv1.Tenant) error {
	if !ValidSlug(t.GetSlug()) {
		return errorf("slug", "must be 1 to %d of a-z, 0-9 and -, not at the ends", MaxSlug)
	}
	switch t.GetStatus() {
	case configv1.TenantStatus_TENANT_STATUS_ACTIVE, configv1.TenantStatus_TENANT_STATUS_SUSPENDED:
		return nil
	}
	return errorf("status", "%d is not a tenant status", t.GetStatus())
}

func checkAPIKey(k *configv1.ApiKey) error {
	if !canonical(id.Project, k.GetProjectId()) {
		return errorf("project_id", "is not a project id")
	}
	if err := checkHash("secret_sha256", k.GetSecretSha256()); err != nil {
		return err
	}
	if len(k.GetPreviousSha256()) > 0 {
		if err := checkHash("previous_sha256", k.GetPreviousSha256()); err != nil {
			return err
		}
		if bytes.Equal(k.GetPreviousSha256(), k.GetSecretSha256()) {
			return errorf("previous_sha256", "is the same as secret_sha256")
		}
	} else if k.GetPreviousValidUntilUnix() != 0 {
		return errorf("previous_valid_until_unix", "is set without previous_sha256")
	}
	if err := checkUnix("previous_valid_until_unix", k.GetPreviousValidUntilUnix()); err != nil {
		return err
	}
	if err := checkUnix("expires_at_unix", k.GetExpiresAtUnix()); err != nil {
		return err
	}
	if n := len(k.GetAllowedRoutes()); n > MaxAllowedRoutes {
		return errorf("allowed_routes", "has %d names, more than %d", n, MaxAllowedRoutes)
	}
	for i, r := range k.GetAllowedRoutes() {
		if !ValidName(r) {
			return errorf(fmt.Sprintf("allowed_routes[%d]", i), "is not a route name")
		}
	}
	return CheckParameterRules(k.GetParameterRules())
}

func checkHash(path string, h []byte) error {
	if len(h) != 32 {
		return errorf(path, "has %d bytes instead of 32", len(h))
	}
	if bytes.Count(h, []byte{0}) == len(h) {
		return errorf(path, "is blank")
	}
	return nil
}

func checkUnix(path string, at int64) error {
	if at < 0 || at > MaxUnix {
		return errorf(path, "is not a time between 1970 and 9999")
	}
	return nil
}

func checkCredential(c *configv1.Credential) error {
	if !ValidProvider(c.GetProvider()) {
		return errorf("provider", "must be 1 to %d of a-z, 0-9 and ._-", MaxProvider)
	}
	if c.GetBaseUrl() != "" || c.GetProvider() != ProviderDemo {
		if err := CheckBaseURL(c.GetBaseUrl()); err != nil {
			return err
		}
	}
	if c.GetDialect() != "" && !providerkind.ValidDialect(c.GetDialect()) {
		return errorf("dialect", "%q is not a dialect that providers can be spoken to in", c.GetDialect())
	}
	if err := checkAuth(c); err != nil {
		return err
	}
	if c.GetApiVersion() != "" && !ValidAPIVersion(c.GetApiVersion()) {
		return errorf("api_version", "must be at most %d of letters, digits and ._-", MaxShortName)
	}
	if c.GetRegion() != "" && !ValidRegion(c.GetRegion()) {
		return errorf("region", "must be at most %d of a-z, 0-9 and -", MaxShortName)
	}
	for _, t := range []struct {
		path string
		ms   uint32
	}{
		{"connect_timeout_ms", c.GetConnectTimeoutMs()},
		{"first_byte_timeout_ms", c.GetFirstByteTimeoutMs()},
		{"idle_timeout_ms", c.GetIdleTimeoutMs()},
	} {
		if t.ms > MaxTimeoutMillis {
			return errorf(t.path, "is longer than an hour")
		}
	}
	return nil
}

func checkAuth(c *configv1.Credential) error {
	secret := len(c.GetSealedSecret())
	switch c.GetAuthStyle() {
	case configv1.AuthStyle_AUTH_STYLE_BEARER, configv1.AuthStyle_AUTH_STYLE_HEADER,
		configv1.AuthStyle_AUTH_STYLE_AWS, configv1.AuthStyle_AUTH_STYLE_GOOGLE:
		if secret < minSealed {
			return errorf("sealed_secret", "is missing or too short")
		}
		if secret > MaxSealed {
			return errorf("sealed_secret", "has %d bytes, more than %d", secret, MaxSealed)
		}
	case configv1.AuthStyle_AUTH_STYLE_NONE:
		if secret != 0 {
			return errorf("sealed_secret", "is set though no secret is sent")
		}
	default:
		return errorf("auth_style", "%d is not a style of authentication", c.GetAuthStyle())
	}
	if c.GetAuthStyle() == configv1.AuthStyle_AUTH_STYLE_AWS && c.GetRegion() == "" {
		return errorf("region", "is missing, and requests are signed for one")
	}
	if c.GetAuthStyle() == configv1.AuthStyle_AUTH_STYLE_HEADER {
		if !validHeader(c.GetAuthHeader()) {
			return errorf("auth_header", "is not a header that can carry a secret")
		}
	} else if c.GetAuthHeader() != "" {
		return errorf("auth_header", "is set though auth_style does not use it")
	}
	return nil
}

// CheckBaseURL validates a provider's address by its form. Whether the address
// may be reached is decided when it is dialled.
func CheckBaseURL(s string) error {
	const path = "base_url"
	if s == "" {
		return errorf(path, "is missing")
	}
	if len(s) > MaxURL {
		return errorf(path, "has %d characters, more than %d", len(s), MaxURL)
	}
	if !only(s, func(c byte) bool { return c > ' ' && c < 0x7f && c != '\\' }) {
		return errorf(path, "holds a space or a character that is not ASCII")
	}
	// url.Parse errors quote the URL, which may hold a password.
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errorf(path, "is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errorf(path, "must start with https:// or http://")
	case u.User != nil:
		return errorf(path, "must not hold a user or password")
	case u.Hostname() == "" || u.Opaque != "":
		return errorf(path, "has no host")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return errorf(path, "must not have a query or fragment")
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"), !validPort(u.Port()):
		return errorf(path, "has no valid port")
	}
	for seg := range strings.SplitSeq(u.Path, "/") {
		if seg == ".." || seg == "." {
			return errorf(path, "must not have . or .. in its path")
		}
	}
	return nil
}

// validPort takes what the data plane can dial; none is the scheme's own.
func validPort(p string) bool {
	n, err := strconv.ParseUint(p, 10, 16)
	return p == "" || err == nil && n > 0
}

func checkModel(m *configv1.Model) error {
	if !canonical(id.Credential, m.GetCredentialId()) {
		return errorf("credential_id", "is not a credential id")
	}
	if !ValidName(m.GetProviderModel()) {
		return errorf("provider_model", "must be 1 to %d of letters, digits and ._:/@+-", MaxName)
	}
	if m.GetCatalogId() != "" && !ValidCatalogID(m.GetCatalogId()) {
		return errorf("catalog_id", "is not provider/model")
	}
	// Unspecified is taken for "block", the safe reading.
	if _, known := configv1.UnknownPrice_name[int32(m.GetUnknownPrice())]; !known {
		return errorf("unknown_price", "%d is not a choice", m.GetUnknownPrice())
	}
	if err := checkPrices("cost_prices", m.GetCostPrices()); err != nil {
		return err
	}
	return checkPrices("sell_prices", m.GetSellPrices())
}

func checkRoute(r *configv1.Route) error {
	if !ValidName(r.GetName()) {
		return errorf("name", "must be 1 to %d of letters, digits and ._:/@+-", MaxName)
	}
	if n := len(r.GetTargets()); n == 0 || n > MaxTargets {
		return errorf("targets", "has %d entries instead of 1 to %d", n, MaxTargets)
	}
	for i, t := range r.GetTargets() {
		if !canonical(id.Model, t.GetModelId()) {
			return errorf(fmt.Sprintf("targets[%d].model_id", i), "is not a model id")
		}
	}
	if _, known := configv1.OnLoss_name[int32(r.GetOnLoss())]; !known {
		return errorf("on_loss", "%d is not a choice", r.GetOnLoss())
	}
	return CheckParameterRules(r.GetParameterRules())
}

func checkCatalogModel(m *configv1.CatalogModel) error {
	if !ValidProvider(m.GetProvider()) {
		return errorf("provider", "must be 1 to %d of a-z, 0-9 and ._-", MaxProvider)
	}
	if !strings.HasPrefix(m.GetId(), m.GetProvider()+"/") {
		return errorf("id", "does not begin with the provider")
	}
	if !ValidName(m.GetProviderModel()) {
		return errorf("provider_model", "must be 1 to %d of letters, digits and ._:/@+-", MaxName)
	}
	if m.GetContextWindow() > MaxContextWindow {
		return errorf("context_window", "is more than %d", MaxContextWindow)
	}
	if m.GetMaxOutputTokens() > MaxContextWindow {
		return errorf("max_output_tokens", "is more than %d", MaxContextWindow)
	}
	if err := checkUnix("deprecated_at_unix", m.GetDeprecatedAtUnix()); err != nil {
		return err
	}
	if len(m.GetLabel()) > MaxLabel {
		return errorf("label", "has %d bytes, more than %d", len(m.GetLabel()), MaxLabel)
	}
	if err := checkCapabilities(m.GetCapabilities()); err != nil {
		return err
	}
	if err := checkPrices("cost_prices", m.GetCostPrices()); err != nil {
		return err
	}
	return checkPrices("sell_prices", m.GetSellPrices())
}
