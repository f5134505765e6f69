package money

import (
	"math"
	"math/bits"
)

// Reported reads an amount of dollars as providers write it into JSON:
// digits, a point, an exponent. It is rounded half up to whole nano-dollars.
// ok is false for what is no number, is negative, or is beyond the range.
func Reported(b []byte) (n Nano, ok bool) {
	var v uint64
	// places is how far the point lies to the right of the digits of v; digits
	// that v has no room for only move it.
	places, seen, point, full := 0, false, false, false
	i := 0
	for ; i < len(b); i++ {
		c := b[i]
		if c == '.' && seen && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen = true
		if v > (math.MaxUint64-9)/10 {
			full = true
		}
		if !full {
			v = v*10 + uint64(c-'0')
		}
		if point && !full {
			places--
		}
		if !point && full {
			places++
		}
	}
	if !seen {
		return 0, false
	}
	exponent, ok := exponentOf(b[i:])
	if !ok {
		return 0, false
	}
	return scaled(v, places+exponent+9)
}

// exponentOf reads what may follow the digits of a number.
func exponentOf(b []byte) (n int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative, b = b[0] == '-', b[1:]
	}
	if len(b) == 0 || len(b) > 4 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// scaled is v × 10^power, rounded half up.
func scaled(v uint64, power int) (Nano, bool) {
	for ; power > 0 && v != 0; power-- {
		hi, lo := bits.Mul64(v, 10)
		if hi != 0 {
			return 0, false
		}
		v = lo
	}
	if power < -20 {
		return 0, true
	}
	up := uint64(0)
	for ; power < 0; power++ {
		up = 0
		if v%10 >= 5 {
			up = 1
		}
		v /= 10
	}
	if v += up; v > math.MaxInt64 {
		return 0, false
	}
	return Nano(v), true
}

// Ticks reads an amount in units of 10⁻¹⁰ dollars, as xAI reports it.
func Ticks(b []byte) (Nano, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return scaled(v, -1)
}
