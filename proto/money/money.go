// Package money owns amounts and the one formula that turns tokens into them.
// Amounts are integer nano-dollars; nothing in Tollgate holds money in floats.
package money

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Nano is an amount in nano-dollars (1e-9 USD).
type Nano int64

// PerDollar is how many nano-dollars a dollar has.
const PerDollar Nano = 1_000_000_000

// String writes the amount in dollars with all digits that matter and at
// least two: "0.00015", "12.50".
func (n Nano) String() string { return string(n.Append(make([]byte, 0, 24))) }

// Append writes what String returns to the end of b. It stands on the request
// path, in a header of each answer.
func (n Nano) Append(b []byte) []byte {
	u := uint64(n)
	if n < 0 {
		b, u = append(b, '-'), -u
	}
	b = strconv.AppendUint(b, u/uint64(PerDollar), 10)
	b = append(b, '.')
	frac, digits := u%uint64(PerDollar), 9
	for ; digits > 2 && frac%10 == 0; digits-- {
		frac /= 10
	}
	for unit := pow10(digits - 1); unit > 0; unit /= 10 {
		b = append(b, '0'+byte(frac/unit%10))
	}
	return b
}

func pow10(n int) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}

// Parse reads dollars written as a decimal number, "0.15" or "12", exactly.
// More than nine decimals, signs other than a leading minus, and exponents are
// refused.
func Parse(s string) (Nano, error) {
	t, neg := strings.CutPrefix(s, "-")
	whole, frac, dot := strings.Cut(t, ".")
	if whole == "" || len(frac) > 9 || (dot && frac == "") {
		return 0, fmt.Errorf("%q is not an amount in dollars such as 0.15", s)
	}
	var v uint64
	for _, c := range whole + frac + strings.Repeat("0", 9-len(frac)) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not an amount in dollars such as 0.15", s)
		}
		hi, lo := bits.Mul64(v, 10)
		lo, carry := bits.Add64(lo, uint64(c-'0'), 0)
		if hi != 0 || carry != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("%q dollars are more than can be kept", s)
		}
		v = lo
	}
	if neg {
		return -Nano(v), nil
	}
	return Nano(v), nil
}

// Effective is the newest of prices (any order) whose start is not after
// atUnix, in seconds; nil when there is none.
func Effective(prices []*configv1.Price, atUnix int64) *configv1.Price {
	var best *configv1.Price
	for _, p := range prices {
		if p.EffectiveFromUnix <= atUnix && (best == nil || p.EffectiveFromUnix >= best.EffectiveFromUnix) {
			best = p
		}
	}
	return best
}
