package proc

import (
	"fmt"
	"os"
	"strings"
)

// stat is what is needed of /proc/PID/stat.
type stat struct {
	parent       int
	utime, stime int64
	rss          int64 // pages
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(raw))
}

// parseStat reads the fields after the name, which is in parentheses and may
// itself hold spaces and parentheses.
func parseStat(raw string) (s stat, err error) {
	end := strings.LastIndexByte(raw, ')')
	fields := strings.Fields(raw[end+1:])
	if end < 0 || len(fields) < 22 {
		return s, fmt.Errorf("process state %q is not understood", raw)
	}
	// Field 3 of proc(5) is the first here.
	for _, f := range []struct {
		number int
		to     any
	}{{4, &s.parent}, {14, &s.utime}, {15, &s.stime}, {24, &s.rss}} {
		if _, err := fmt.Sscan(fields[f.number-3], f.to); err != nil {
			return s, fmt.Errorf("process state %q: field %d: %w", raw, f.number, err)
		}
	}
	return s, nil
}
