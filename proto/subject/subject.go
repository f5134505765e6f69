// Package subject owns every name on NATS: subjects, streams, buckets. No
// other package writes one by hand, so that who may publish and subscribe to
// what can be read here. It knows nothing of connections.
package subject

import (
	"strings"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Streams and buckets of JetStream.
const (
	// ConfigStream keeps the newest envelope of each resource.
	ConfigStream = "TOLLGATE_CONFIG"
	// UsageStream carries usage batches until the ledger has them.
	UsageStream = "TOLLGATE_USAGE"
	// UsageConsumer is the durable consumer that ingest reads UsageStream with.
	UsageConsumer = "ledger"
	// SnapshotBucket is the object store of config snapshots.
	SnapshotBucket = "tollgate-snapshots"
	// SnapshotObject is the newest snapshot in it.
	SnapshotObject = "config"
)

// Operator stands in the tenant place of resources that no tenant owns.
const Operator = "_operator"

const root = "tollgate."

// Config is the subject of one config resource:
// tollgate.config.v1.{tenant}.{kind}.{id}.
func Config(tenantID string, kind configv1.Kind, id string) string {
	if tenantID == "" {
		tenantID = Operator
	}
	return root + "config.v1." + token(tenantID) + "." + KindName(kind) + "." + token(id)
}

// ConfigAll matches every config resource.
func ConfigAll() string { return root + "config.v1.>" }

// Revoke carries revocations ahead of the config stream; its messages are
// envelopes as on Config.
func Revoke(tenantID string) string { return root + "revoke.v1." + token(tenantID) }

// RevokeAll matches every revocation.
func RevokeAll() string { return root + "revoke.v1.>" }

// Usage is where one data plane publishes usage batches.
func Usage(dataPlaneID string) string { return root + "usage.v1." + token(dataPlaneID) }

// UsageAll matches every usage batch.
func UsageAll() string { return root + "usage.v1.>" }

// Watermark tells one data plane what the ledger holds.
func Watermark(dataPlaneID string) string { return root + "watermark.v1." + token(dataPlaneID) }

// Ack is where one data plane acknowledges config.
func Ack(dataPlaneID string) string { return root + "ack.v1." + token(dataPlaneID) }

// AckAll matches every acknowledgement.
func AckAll() string { return root + "ack.v1.>" }

// Heartbeat is where one data plane says that it lives.
func Heartbeat(dataPlaneID string) string { return root + "heartbeat.v1." + token(dataPlaneID) }

// HeartbeatAll matches every heartbeat.
func HeartbeatAll() string { return root + "heartbeat.v1.>" }

// SnapshotReady announces that the object store holds a newer snapshot.
func SnapshotReady() string { return root + "snapshot.v1" }

// Lease is where data planes ask for budget leases.
func Lease(tenantID string) string { return root + "lease.v1." + token(tenantID) }

// KindName is what subjects and the API call a kind of resource: "api_key".
func KindName(k configv1.Kind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "KIND_"))
}

// token keeps s within one subject token: catalogue ids hold dots and slashes.
// The mapping is injective, so two resources never share a subject.
func token(s string) string {
	if s == "" {
		return "%"
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
