package configcheck

import "strings"

// Classes of refusals: few, and always these, so that figures can be split by
// them.
const (
	// ReasonEnvelope: what carries the resource is wrong, or it is not the
	// tenant's.
	ReasonEnvelope = "envelope"
	// ReasonPayload: the resource cannot be read at all.
	ReasonPayload = "payload"
	// ReasonSecret: a credential does not open.
	ReasonSecret = "secret"
	// ReasonField: anything else that a field holds.
	ReasonField = "field"
)

// Reasons lists all classes.
func Reasons() []string {
	return []string{ReasonEnvelope, ReasonPayload, ReasonSecret, ReasonField}
}

// Reason is the class of a refusal, by the path of its Error.
func Reason(path string) string {
	head, _, _ := strings.Cut(path, ".")
	switch head {
	case "envelope":
		return ReasonEnvelope
	case "payload":
		return ReasonPayload
	case "sealed_secret":
		return ReasonSecret
	}
	return ReasonField
}
