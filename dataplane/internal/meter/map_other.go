//go:build !linux

package meter

import "os"

func allocate(f *os.File, size int64) error { return writeZeros(f, size) }

// mapFile maps nothing: records are written one by one.
func mapFile(*os.File, int) (mem []byte, mapped bool, err error) { return nil, false, nil }

func unmapFile([]byte) error { return nil }

func datasync(f *os.File) error { return f.Sync() }

func populate([]byte) {}
