// Package tenantconfig owns the config of all tenants, compiled and in memory,
// and everything about how it gets there: the snapshot and delta log on the
// local disk, the first snapshot of a new data plane, the config stream, the
// priority subject of revocations, acknowledgements and heartbeats.
//
// A request reads it without locks and without waiting: LookupKey, then
// Tenant.Pin, then Compiled. Changes come one run at a time through
// Store.apply, resource by resource; a resource that cannot be used is refused
// alone and the last good one stays.
//
// Keys, of which there may be a million, lie in a table without pointers.
// Everything else of a tenant is kept serialised in its slot and compiled when
// it is first needed or when it changes.
//
// The package must not know of requests, providers or money, and it never
// touches Postgres or the control plane's API but for a snapshot's URL.
package tenantconfig
