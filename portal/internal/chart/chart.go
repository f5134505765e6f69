// Package chart draws stacked bars over time as SVG that needs neither scripts
// nor inline styles: colours are classes (c0 … c7, cx for the rest), the
// drawing stretches to its box, and axis labels are left to HTML so that they
// keep their size on a phone. Values are integers, so money stays exact. It
// knows nothing of usage, tenants or pages.
package chart

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// MaxPoints is how many bars a chart has at most; Fit sums neighbours above.
const MaxPoints = 200

// Series is one layer of the stack: a value per label.
type Series struct {
	Name string
	// Class is the CSS class that colours the layer.
	Class  string
	Values []int64
}

// Chart is a stack of series over the same labels.
type Chart struct {
	// ID makes the ids inside the drawing unique on its page.
	ID string
	// Title and Desc are read out in place of the drawing.
	Title, Desc string
	Labels      []string
	Series      []Series
	// Format writes a value for people.
	Format func(int64) string
}

const (
	barStep = 10.0
	barGap  = 2.0
	height  = 100.0
	ticks   = 4
)

// Empty reports whether there is nothing to draw.
func (c Chart) Empty() bool { return c.max() == 0 }

// max is the tallest stack.
func (c Chart) max() int64 {
	var top int64
	for i := range c.Labels {
		top = max(top, c.stack(i))
	}
	return top
}

func (c Chart) stack(i int) int64 {
	var sum int64
	for _, s := range c.Series {
		if i < len(s.Values) && s.Values[i] > 0 {
			if sum > math.MaxInt64-s.Values[i] {
				return math.MaxInt64
			}
			sum += s.Values[i]
		}
	}
	return sum
}

// Scale is the value at the top of the drawing: a round number not below the
// tallest stack, divisible into the grid lines.
func (c Chart) Scale() int64 {
	top := c.max()
	if top <= ticks {
		return ticks
	}
	step := float64(top) / ticks
	mag := math.Pow(10, math.Floor(math.Log10(step)))
	for _, m := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		// Whole steps only: half a request means nothing.
		if s := m * mag; s >= step && s == math.Trunc(s) && s < math.MaxInt64/(ticks+1) {
			return int64(s) * ticks
		}
	}
	return top
}

// AxisLabels are the values at the grid lines, top first, zero last.
func (c Chart) AxisLabels() []string {
	scale := c.Scale()
	out := make([]string, 0, ticks+1)
	for i := ticks; i >= 0; i-- {
		out = append(out, c.Format(scale/ticks*int64(i)))
	}
	return out
}

// WriteSVG writes the drawing.
func (c Chart) WriteSVG(w io.Writer) error {
	b := bufio.NewWriter(w)
	width := float64(max(len(c.Labels), 1)) * barStep
	id := html.EscapeString(c.ID)
	fmt.Fprintf(b, `<svg class="chart-svg" role="img" aria-labelledby="%s-t %s-d" viewBox="0 0 %s %s" preserveAspectRatio="none">`, id, id, num(width), num(height))
	fmt.Fprintf(b, `<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, id, html.EscapeString(c.Title), id, html.EscapeString(c.Desc))
	for i := 0; i <= ticks; i++ {
		y := num(height / ticks * float64(i))
		fmt.Fprintf(b, `<line class="grid" x1="0" x2="%s" y1="%s" y2="%s" vector-effect="non-scaling-stroke"/>`, num(width), y, y)
	}
	scale := float64(c.Scale())
	for i, label := range c.Labels {
		c.writeBar(b, i, label, scale)
	}
	b.WriteString(`</svg>`)
	return b.Flush()
}

func (c Chart) writeBar(b *bufio.Writer, i int, label string, scale float64) {
	x := float64(i)*barStep + barGap/2
	tip := make([]string, 0, len(c.Series)+1)
	tip = append(tip, label)
	b.WriteString(`<g class="bar">`)
	fmt.Fprintf(b, `<rect class="hit" x="%s" y="0" width="%s" height="%s"/>`, num(float64(i)*barStep), num(barStep), num(height))
	base := height
	for _, s := range c.Series {
		if i >= len(s.Values) || s.Values[i] <= 0 {
			continue
		}
		h := float64(s.Values[i]) / scale * height
		base -= h
		fmt.Fprintf(b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`, html.EscapeString(s.Class), num(x), num(base), num(barStep-barGap), num(h))
		tip = append(tip, s.Name+": "+c.Format(s.Values[i]))
	}
	if len(tip) == 1 {
		tip = append(tip, "nothing")
	}
	fmt.Fprintf(b, `<title>%s</title></g>`, html.EscapeString(strings.Join(tip, "\n")))
}

// num writes a coordinate with as few digits as the eye needs.
func num(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// Fit sums neighbouring points until the chart has no more than MaxPoints. A
// bar of several points is labelled with its first and last.
func (c Chart) Fit() Chart {
	n := len(c.Labels)
	if n <= MaxPoints {
		return c
	}
	per := (n + MaxPoints - 1) / MaxPoints
	out := c
	out.Labels, out.Series = nil, make([]Series, len(c.Series))
	for j, s := range c.Series {
		out.Series[j] = Series{Name: s.Name, Class: s.Class}
	}
	for i := 0; i < n; i += per {
		end := min(i+per, n)
		out.Labels = append(out.Labels, c.Labels[i]+" – "+c.Labels[end-1])
		for j, s := range c.Series {
			var sum int64
			for k := i; k < end && k < len(s.Values); k++ {
				sum += s.Values[k]
			}
			out.Series[j].Values = append(out.Series[j].Values, sum)
		}
	}
	return out
}
