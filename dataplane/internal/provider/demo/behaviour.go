package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// behaviour is how the model was asked to act.
type behaviour struct {
	latency    time.Duration
	chunkDelay time.Duration
	status     int
	tokens     int
	size       int
	fail       string
}

// Ways to fail.
const (
	failReset   = "reset"
	failGarbage = "garbage"
	failHang    = "hang"
)

// Bounds of what may be asked for.
const (
	maxDelay  = time.Minute
	maxTokens = 100_000
	maxSize   = 1 << 20
	// maxChoices bounds n.
	maxChoices = 16
)

// parseBehaviour reads "latency=200ms,chunk-delay=5ms,status=500,tokens=1000,
// size=10KB,fail=reset" from the model's suffix and then from the header.
func parseBehaviour(suffix, header string) (behaviour, error) {
	var b behaviour
	for _, list := range []string{suffix, header} {
		for field := range strings.SplitSeq(list, ",") {
			field = strings.TrimSpace(field)
			if field == "" {
				continue
			}
			name, value, _ := strings.Cut(field, "=")
			if err := b.set(strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func (b *behaviour) set(name, value string) (err error) {
	switch name {
	case "latency":
		b.latency, err = delay(value)
	case "chunk-delay":
		b.chunkDelay, err = delay(value)
	case "status":
		b.status, err = number(value, 200, 599)
		if err == nil && b.status > 200 && b.status < 400 {
			err = fmt.Errorf("must be 200 or an error")
		}
	case "tokens":
		b.tokens, err = number(value, 1, maxTokens)
	case "size":
		b.size, err = bytesOf(value)
	case "fail":
		b.fail = value
		if value != failReset && value != failGarbage && value != failHang {
			err = fmt.Errorf("must be %s, %s or %s", failReset, failGarbage, failHang)
		}
	default:
		return fmt.Errorf("it knows latency, chunk-delay, status, tokens, size and fail")
	}
	if err != nil {
		return fmt.Errorf("%s %w", name, err)
	}
	return nil
}

func delay(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDelay {
		return 0, fmt.Errorf("must be a duration such as 200ms, up to %v", maxDelay)
	}
	return d, nil
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a number from %d to %d", low, high)
	}
	return n, nil
}

func bytesOf(s string) (int, error) {
	s = strings.ToUpper(s)
	unit := 1
	for suffix, n := range map[string]int{"KB": 1 << 10, "MB": 1 << 20} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = rest, n
		}
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "B"))
	if err != nil || n < 1 || n > maxSize/unit {
		return 0, fmt.Errorf("must be a size such as 10KB, up to 1MB")
	}
	return n * unit, nil
}
