// Package snapshot owns the file that holds the whole config: what a data
// plane starts from before it follows changes. It is
//
//	magic "TGSNAP1\n"
//	SnapshotHeader, length-delimited
//	SnapshotHeader.count Envelopes, length-delimited, none of them a tombstone
//	SHA-256 of all bytes before it
//
// where a length is an unsigned varint, as protobuf's own streams have it.
// Both ends stream: memory is bounded by one envelope. The package knows
// nothing of what envelopes hold, nor where files come from.
package snapshot

import (
	"errors"
	"fmt"
)

// Magic opens every snapshot; its digit is the version of the format.
const Magic = "TGSNAP1\n"

// Limits of the format; writers keep them and readers refuse what does not.
const (
	// MaxEnvelope is the largest envelope in bytes.
	MaxEnvelope = 1 << 20
	// MaxHeader is the largest header in bytes.
	MaxHeader = 4 << 10
)

// Why a snapshot is refused. Errors of Reader and Writer wrap one of these.
var (
	// ErrMagic means that the file is no snapshot of this version.
	ErrMagic = errors.New("not a config snapshot")
	// ErrTruncated means that the file ends before its trailer does.
	ErrTruncated = errors.New("snapshot is cut short")
	// ErrMalformed means that a length or message cannot be read.
	ErrMalformed = errors.New("snapshot is malformed")
	// ErrTooLarge means that an envelope or header exceeds its limit.
	ErrTooLarge = errors.New("snapshot entry is too large")
	// ErrCount means that the header promises another number of envelopes.
	ErrCount = errors.New("snapshot count does not match")
	// ErrChecksum means that the bytes are not those that were written.
	ErrChecksum = errors.New("snapshot checksum does not match")
)

// Error says which check failed and where in the file.
type Error struct {
	// Offset in bytes from the start of the file.
	Offset int64
	// Entry counts envelopes from 0; -1 before the first.
	Entry int64
	// Err wraps one of the sentinels above, or is the error of the reader or
	// writer below.
	Err error
}

func (e *Error) Error() string {
	return fmt.Sprintf("snapshot entry %d at byte %d: %v", e.Entry, e.Offset, e.Err)
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Err }
