// Package meter owns usage from the moment a request is admitted until the
// ledger has it: the spool on the local disk and the shipping of events.
//
// A billable request writes an admit record before its provider is called and
// a settle record, which is its usage event, before the caller gets the last
// byte. On Linux both are copies into a small mapped journal: no system call,
// and no loss when the process is killed. Some milliseconds later the keeper
// writes what has gathered to a segment and syncs it to the disk, and only what
// is synced is shipped, so the ledger never knows an event that a crash of the
// machine could take back here. A request that has an admit record and no
// settle record at the next start is settled then as interrupted.
//
// The spool is a row of segment files of one size,
//
//	header   magic, number, epoch, data plane id, CRC
//	frames   CRC-32C that covers the place too, kind and length, payload,
//	         padded to 8 bytes
//
// allocated ahead, so that room for the settle record of every admitted
// request is there before the request is. Segments go when the ledger has
// confirmed their events, their admissions are settled, and a quarter of an
// hour has passed: a ledger that is restored to an earlier moment asks again
// by sending an earlier watermark. A spool without room refuses admissions; it
// never makes room by forgetting.
//
// The package must not know of HTTP, routing or config.
package meter
