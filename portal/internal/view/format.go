package view

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/chart"
	"github.com/tollgate/tollgate/proto/money"
)

// Int writes a count with separators: 1,234,567.
func Int(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// Dollars writes an amount exactly: $1,234.56789.
func Dollars(n int64) string {
	head, tail := Money(n).split()
	return head + tail
}

// split cuts an amount after its cents, so that the digits behind them can be
// set smaller without being left out.
func (m Money) split() (head, tail string) {
	s := money.Nano(m).String()
	sign := ""
	if t, ok := strings.CutPrefix(s, "-"); ok {
		sign, s = "-", t
	}
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return sign + "$" + s, ""
	}
	return sign + "$" + Int(n) + "." + frac[:2], frac[2:]
}

// AxisDollars writes an amount for an axis: short, since the table has it
// exactly.
func AxisDollars(n int64) string {
	d := float64(n) / float64(money.PerDollar)
	switch {
	case n == 0:
		return "$0"
	case d >= 1000:
		return "$" + Int(int64(d))
	case d >= 1:
		return fmt.Sprintf("$%.2f", d)
	}
	return "$" + strconv.FormatFloat(d, 'f', -1, 64)
}

// Short writes a count for an axis: 12k, 3.4M.
func Short(n int64) string {
	units := []struct {
		at   int64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}}
	for _, u := range units {
		if n >= u.at {
			return strconv.FormatFloat(float64(n/(u.at/10))/10, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Micros writes a duration given in microseconds.
func Micros(us int64) string {
	switch {
	case us <= 0:
		return "–"
	case us < 1000:
		return strconv.FormatInt(us, 10) + " µs"
	case us < 10_000:
		return strconv.FormatFloat(float64(us/100)/10, 'f', -1, 64) + " ms"
	case us < 1_000_000:
		return strconv.FormatInt(us/1000, 10) + " ms"
	}
	return strconv.FormatFloat(float64(us/10_000)/100, 'f', -1, 64) + " s"
}

// Millis writes milliseconds: 0.8 ms, 14 ms, 2.1 s.
func Millis(ms float64) string { return Micros(int64(ms * 1000)) }

// Bytes writes a size: 512 B, 1.4 MB.
func Bytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	s := Short(n)
	return s[:len(s)-1] + " " + s[len(s)-1:] + "B"
}

// Percent writes part of whole.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(float64(int64(float64(part)/float64(whole)*10_000))/100, 'f', -1, 64) + " %"
}

// Machine is the moment for programs.
func (t Instant) Machine() string { return t.UTC().Format(time.RFC3339Nano) }

// Brief is the moment in a list: 22 Nov 19:04:05, with the year when it is not
// this one.
func (t Instant) Brief() string {
	if t.UTC().Year() != time.Now().UTC().Year() {
		return t.Text()
	}
	return t.UTC().Format("2 Jan 15:04:05")
}

// Text is the moment for people: 22 Nov 2026, 19:04:05.
func (t Instant) Text() string { return t.UTC().Format("2 Jan 2006, 15:04:05") }

// Day is the day alone: 22 Nov 2026.
func (t Instant) Day() string { return t.UTC().Format("2 Jan 2006") }

// drawing puts a chart's SVG into a page.
func drawing(c chart.Chart) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error { return c.WriteSVG(w) })
}

// ends are the labels under a chart: first, middle and last.
func ends(labels []string) []string {
	switch n := len(labels); {
	case n == 0:
		return nil
	case n < 3:
		return labels
	default:
		return []string{labels[0], labels[n/2], labels[n-1]}
	}
}

// Plural writes a count with its noun: 1 attempt, 2 attempts.
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Int(n) + " " + many
}

func plural(n int, one, many string) string { return Plural(int64(n), one, many) }

// boxed writes a coordinate between 0 and 1000.
func boxed(n int) string { return strconv.Itoa(min(max(n, 0), 1000)) }

// sentence makes a sentence of what is wrong with a field, which comes as the
// part behind the field's name.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		s += "."
	}
	return s
}
