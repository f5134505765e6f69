package eventstream

import (
	"encoding/binary"
	"hash/crc32"
)

// Prelude writes one with any lengths.
func Prelude(total, headers uint32) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, total), headers)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// AppendRaw writes a frame with any headers.
func AppendRaw(b, headers, payload []byte) []byte {
	frame := Prelude(uint32(least+len(headers)+len(payload)), uint32(len(headers)))
	frame = append(append(frame, headers...), payload...)
	return append(b, binary.BigEndian.AppendUint32(frame, crc32.ChecksumIEEE(frame))...)
}
