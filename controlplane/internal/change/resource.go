package change

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// NewResource serialises m and has it checked as a data plane will check it,
// so that a change that no data plane could use is never committed. tenantID
// is empty for the operator's own resources.
func NewResource(tenantID string, kind configv1.Kind, id string, m proto.Message) (Resource, error) {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return Resource{}, fmt.Errorf("marshal %s %s: %w", kind, id, err)
	}
	err = configcheck.Check(&configv1.Envelope{Revision: 1, TenantId: tenantID, Kind: kind, Id: id, Payload: payload})
	if bad, ok := errors.AsType[*configcheck.Error](err); ok {
		return Resource{}, fault.New(fault.ConfigRefused, bad.Path+" "+bad.Message+".", err).
			WithParam(bad.Path).WithField(bad.Path, bad.Message, "")
	}
	if err != nil {
		return Resource{}, fmt.Errorf("check %s %s: %w", kind, id, err)
	}
	return Resource{Kind: kind, ID: id, Payload: payload}, nil
}

// Tombstone says that a resource is gone.
func Tombstone(kind configv1.Kind, id string) Resource { return Resource{Kind: kind, ID: id} }
