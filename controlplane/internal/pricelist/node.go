package pricelist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
)

// node is a value of a decoded list and where it stands.
type node struct {
	path  string
	value any
}

func (n node) has(key string) bool {
	m, ok := n.value.(map[string]any)
	if !ok {
		return false
	}
	_, ok = m[key]
	return ok
}

// at is a member of an object; its value is nil when it is missing or null.
func (n node) at(key string) node {
	m, _ := n.value.(map[string]any)
	path := key
	if strings.ContainsAny(key, ".[") || key == "" {
		path = strconv.Quote(key)
	}
	if n.path != "" {
		path = n.path + "." + path
	}
	return node{path, m[key]}
}

func (n node) missing() bool { return n.value == nil }

func (n node) keys() []string {
	m, _ := n.value.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// decode reads JSON, or TOML files as one object by their paths. Numbers stay
// as they are written.
func (r *reader) decode(files []File) (node, error) {
	if strings.HasSuffix(files[0].Name, ".toml") {
		return r.tomlTree(files)
	}
	if len(files) > 1 {
		return node{}, &BadList{Problems: []Problem{{files[1].Name, "is a second file, and only lists in TOML have several"}}}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(files[0].Text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		at := int64(len(files[0].Text))
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = syntax.Offset
		}
		return node{}, &BadList{Problems: []Problem{{fmt.Sprintf("byte %d", at), "is where it stops being JSON"}}}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, &BadList{Problems: []Problem{{fmt.Sprintf("byte %d", d.InputOffset()), "has something after the list"}}}
	}
	return node{"", v}, nil
}

// object is the members of an object by name.
func (r *reader) object(n node) []string {
	if _, ok := n.value.(map[string]any); !ok {
		r.problem(n.where(), "is not an object")
		return nil
	}
	return n.keys()
}

func (n node) where() string {
	if n.path == "" {
		return "the list"
	}
	return n.path
}

func (r *reader) array(n node) []node {
	list, ok := n.value.([]any)
	if !ok {
		r.problem(n.where(), "is not a list")
		return nil
	}
	out := make([]node, len(list))
	for i, v := range list {
		out[i] = node{fmt.Sprintf("%s[%d]", n.path, i), v}
	}
	return out
}

// text is a string; empty when it is missing.
func (r *reader) text(n node) string {
	if n.missing() {
		return ""
	}
	s, ok := n.value.(string)
	if !ok {
		r.problem(n.path, "is not text")
	}
	return s
}

func (r *reader) texts(n node) []string {
	if n.missing() {
		return nil
	}
	var out []string
	for _, e := range r.array(n) {
		out = append(out, r.text(e))
	}
	return out
}

// flag is true or false; false when it is missing.
func (r *reader) flag(n node) bool {
	if n.missing() {
		return false
	}
	b, ok := n.value.(bool)
	if !ok {
		r.problem(n.path, "is neither true nor false")
	}
	return b
}

// tokens is a count of tokens; 0 when it is missing. Lists write some as text.
func (r *reader) tokens(n node) uint32 {
	var text string
	switch v := n.value.(type) {
	case nil:
		return 0
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	v, ok := scaled(text, 0, 1, 1)
	if !ok || !v.exact || v.n > configcheck.MaxContextWindow {
		r.problem(n.path, "is not a number of tokens")
		return 0
	}
	return uint32(v.n)
}

// day is a date; 0 when it is missing.
func (r *reader) day(n node) int64 {
	s := r.text(n)
	if s == "" {
		return 0
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 {
		r.problem(n.path, "is not a date such as 2026-11-22")
		return 0
	}
	return t.Unix()
}

// maxListed is the highest plausible price of a million tokens, 10,000
// dollars; a list beyond it has its amounts in another unit.
const maxListed = 10_000_000_000_000

// scale is how an amount of a list becomes nano-dollars: × 10^exp × mul ÷ div.
type scale struct{ exp, mul, div int64 }

// Scales of lists, by what an amount is written for.
var (
	perMillion  = scale{9, 1, 1}  // dollars per million, or for each one of it
	perToken    = scale{15, 1, 1} // dollars per token, priced per million
	perThousand = scale{6, 1, 1}  // dollars per thousand, priced for each
	perSecond   = scale{9, 60, 1} // dollars per second, priced per minute
	perHour     = scale{9, 1, 60} // dollars per hour, priced per minute
)

// amount reads dollars exactly. What is finer than a nano-dollar is rounded
// half up.
func (r *reader) amount(n node, s scale) (int64, bool) {
	var text string
	switch v := n.value.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		r.problem(n.path, "is not an amount of dollars")
		return 0, false
	}
	v, ok := scaled(text, s.exp, s.mul, s.div)
	switch {
	case !ok:
		r.problem(n.path, "is not an amount of dollars")
	case v.n > maxListed:
		r.problem(n.path, "is more than a plausible price")
	default:
		return v.n, true
	}
	return 0, false
}

type whole struct {
	n     int64
	exact bool
}

// maxDigits bounds how long a number of a list may be.
const maxDigits = 40

// scaled gives a decimal number × 10^exp × mul ÷ div as a whole number, rounded
// half up; not ok when it is no number, negative or out of range.
func scaled(text string, exp, mul, div int64) (whole, bool) {
	mantissa, e, hasExp := strings.Cut(strings.ToLower(text), "e")
	if hasExp {
		n, err := strconv.ParseInt(e, 10, 16)
		if err != nil || n > maxDigits || n < -maxDigits {
			return whole{}, false
		}
		exp += n
	}
	ints, frac, dot := strings.Cut(mantissa, ".")
	digits := ints + frac
	if ints == "" || dot && frac == "" || len(digits) > maxDigits || strings.Trim(digits, "0123456789") != "" {
		return whole{}, false
	}
	v, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return whole{}, false
	}
	exp -= int64(len(frac))
	ten := func(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }
	v.Mul(v, big.NewInt(mul))
	d := big.NewInt(div)
	if exp >= 0 {
		v.Mul(v, ten(exp))
	} else {
		d.Mul(d, ten(-exp))
	}
	rest := new(big.Int)
	v.QuoRem(v, d, rest)
	exact := rest.Sign() == 0
	if rest.Lsh(rest, 1).Cmp(d) >= 0 {
		v.Add(v, big.NewInt(1))
	}
	if !v.IsInt64() {
		return whole{}, false
	}
	return whole{v.Int64(), exact}, true
}
