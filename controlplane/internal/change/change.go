// Package change owns what every change of Tollgate's state has in common: who
// makes it, what the audit trail says of it, and which config resources it
// hands to the data planes. Noun packages fill these in; it knows neither rows
// nor HTTP.
package change

import configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"

// Actor is who makes a change.
type Actor struct {
	Kind      string // "user", "management_key" or "system"
	ID        string
	Name      string
	RequestID string
	ClientIP  string
}

// System is the actor of what the control plane does by itself.
func System(name string) Actor { return Actor{Kind: "system", ID: "system", Name: name} }

// Entry says what a change did, for the audit trail.
type Entry struct {
	Action       string // "api_key.revoke"
	ResourceKind string
	ResourceID   string
	// Detail holds what changed; never a secret.
	Detail map[string]any
}

// Resource is a config resource that a change produced. A nil Payload is a
// tombstone. Urgent ones are also sent on the priority subject.
type Resource struct {
	Kind    configv1.Kind
	ID      string
	Payload []byte
	Urgent  bool
}

// Record is what a change leaves besides its row, in the same transaction.
type Record struct {
	Entry     Entry
	Resources []Resource
}
