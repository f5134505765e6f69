// Package configcheck owns what a valid config resource is. Both planes ask
// it: the control plane before it commits a change, the data plane before it
// compiles one, so that neither believes something that the other refuses. It
// looks at one resource alone; whether what a resource refers to exists is not
// its business, because resources travel alone and in any order.
package configcheck

import (
	"fmt"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Caps. A resource beyond one is refused; nothing is cut to fit.
const (
	// MaxPayload is the size of one serialised resource, in bytes.
	MaxPayload = 256 << 10
	// MaxSlug is the length of a tenant's slug.
	MaxSlug = 40
	// MaxName is the length of route names and provider model names.
	MaxName = 200
	// MaxProvider is the length of a provider's name.
	MaxProvider = 63
	// MaxURL is the length of a base URL.
	MaxURL = 2048
	// MaxShortName is the length of an API version or a region.
	MaxShortName = 40
	// MaxSealed is the size of a sealed secret, in bytes.
	MaxSealed = 16 << 10
	// MaxHeaderName is the length of the header that carries a secret.
	MaxHeaderName = 64
	// MaxTimeoutMillis is the longest timeout: one hour.
	MaxTimeoutMillis = 3_600_000
	// MaxTargets is how many targets a route may have.
	MaxTargets = 16
	// MaxAllowedRoutes is how many routes a key may be limited to.
	MaxAllowedRoutes = 256
	// MaxPrices is how many dated prices one list may hold.
	MaxPrices = 256
	// MaxPrice is the highest price, in nano-dollars per million tokens or per
	// request: a million dollars.
	MaxPrice = 1_000_000_000_000_000
	// MaxUnix is the last second of the year 9999.
	MaxUnix = 253_402_300_799
	// MaxContextWindow bounds a catalogue model's context window, in tokens.
	MaxContextWindow = 1 << 30
	// MaxVariants is how many variants one price may have.
	MaxVariants = 64
	// MaxWord is the length of a word such as a service tier or a modality, and
	// MaxWords how many one list of them may hold.
	MaxWord, MaxWords = 32, 32
	// MaxLabel is the length of a model's name for people, in bytes.
	MaxLabel = 400
)

// Error says what in a resource cannot be used.
type Error struct {
	// Path of the field, for example "targets[0].model_id"; "payload" when it
	// does not parse at all; with "envelope." before it when the envelope
	// itself is at fault.
	Path string
	// Message is for people and holds no value that could be secret.
	Message string
}

func (e *Error) Error() string { return e.Path + ": " + e.Message }

func errorf(path, format string, args ...any) error {
	return &Error{Path: path, Message: fmt.Sprintf(format, args...)}
}

// Check validates an envelope and the resource inside.
func Check(env *configv1.Envelope) error {
	_, err := Decode(env)
	return err
}

// Decode is Check that hands out the resource it had to parse: a *Tenant,
// *ApiKey, *Credential, *Model, *Route, *CatalogModel or *Project; nil for a
// tombstone.
func Decode(env *configv1.Envelope) (proto.Message, error) {
	if env == nil {
		return nil, errorf("envelope", "is missing")
	}
	if err := checkEnvelope(env); err != nil {
		return nil, err
	}
	if env.GetDeleted() {
		return nil, nil
	}
	m := newResource(env.GetKind())
	if err := proto.Unmarshal(env.GetPayload(), m); err != nil {
		// The parser's text may quote bytes of the payload.
		return nil, errorf("payload", "is not a valid %s message", m.ProtoReflect().Descriptor().Name())
	}
	if path, unknown := unknownField(m.ProtoReflect(), ""); unknown {
		return nil, errorf(path, "has a field that this version does not know")
	}
	if err := checkResource(env, m); err != nil {
		return nil, err
	}
	return m, nil
}

func checkEnvelope(env *configv1.Envelope) error {
	if len(env.ProtoReflect().GetUnknown()) > 0 {
		return errorf("envelope", "has a field that this version does not know")
	}
	if env.GetRevision() == 0 {
		return errorf("envelope.revision", "is missing")
	}
	if newResource(env.GetKind()) == nil {
		return errorf("envelope.kind", "%d is not a kind that this version knows", env.GetKind())
	}
	if env.GetKind() == configv1.Kind_KIND_CATALOG_MODEL {
		if env.GetTenantId() != "" {
			return errorf("envelope.tenant_id", "must be empty for the operator's own resources")
		}
	} else if !validTenant(env.GetTenantId()) {
		return errorf("envelope.tenant_id", "is not a tenant id")
	}
	if !ValidID(env.GetKind(), env.GetId()) {
		return errorf("envelope.id", "is not the id of a %s", env.GetKind())
	}
	if env.GetKind() == configv1.Kind_KIND_TENANT && env.GetId() != env.GetTenantId() {
		return errorf("envelope.id", "differs from envelope.tenant_id")
	}
	if env.GetCommittedAtUnixNano() < 0 {
		return errorf("envelope.committed_at_unix_nano", "is before 1970")
	}
	if env.GetDeleted() && len(env.GetPayload()) > 0 {
		return errorf("payload", "must be empty in a tombstone")
	}
	if len(env.GetPayload()) > MaxPayload {
		return errorf("payload", "has %d bytes, more than %d", len(env.GetPayload()), MaxPayload)
	}
	return nil
}

func newResource(k configv1.Kind) proto.Message {
	switch k {
	case configv1.Kind_KIND_TENANT:
		return &configv1.Tenant{}
	case configv1.Kind_KIND_API_KEY:
		return &configv1.ApiKey{}
	case configv1.Kind_KIND_CREDENTIAL:
		return &configv1.Credential{}
	case configv1.Kind_KIND_MODEL:
		return &configv1.Model{}
	case configv1.Kind_KIND_ROUTE:
		return &configv1.Route{}
	case configv1.Kind_KIND_CATALOG_MODEL:
		return &configv1.CatalogModel{}
	case configv1.Kind_KIND_PROJECT:
		return &configv1.Project{}
	}
	return nil
}

func checkResource(env *configv1.Envelope, m proto.Message) error {
	if id := m.(interface{ GetId() string }).GetId(); id != env.GetId() {
		return errorf("id", "differs from the envelope's")
	}
	switch m := m.(type) {
	case *configv1.Tenant:
		return checkTenant(m)
	case *configv1.ApiKey:
		return checkAPIKey(m)
	case *configv1.Credential:
		return checkCredential(m)
	case *configv1.Model:
		return checkModel(m)
	case *configv1.Route:
		return checkRoute(m)
	case *configv1.CatalogModel:
		return checkCatalogModel(m)
	case *configv1.Project:
		return checkProject(m)
	}
	return errorf("envelope.kind", "has no check")
}

// unknownField finds a message below m that carries fields its type lacks.
func unknownField(m protoreflect.Message, path string) (string, bool) {
	if len(m.GetUnknown()) > 0 {
		if path == "" {
			path = "payload"
		}
		return path, true
	}
	var found string
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() == nil || fd.IsMap() {
			return true
		}
		p := string(fd.Name())
		if path != "" {
			p = path + "." + p
		}
		if !fd.IsList() {
			found, _ = unknownField(v.Message(), p)
			return found == ""
		}
		for i := range v.List().Len() {
			if f, bad := unknownField(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", p, i)); bad {
				found = f
				return false
			}
		}
		return true
	})
	return found, found != ""
}
