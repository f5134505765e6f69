package chart_test

import (
	"encoding/xml"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/portal/internal/chart"
)

func plain(n int64) string { return strconv.FormatInt(n, 10) }

func two() chart.Chart {
	return chart.Chart{
		ID: "cost", Title: "Cost", Desc: "Two days", Labels: []string{"Mon", "Tue"}, Format: plain,
		Series: []chart.Series{{Name: "a", Class: "c0", Values: []int64{10, 0}}, {Name: "b", Class: "c1", Values: []int64{30, 20}}},
	}
}

func draw(t *testing.T, c chart.Chart) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := dec.Token(); err == io.EOF {
			return b.String()
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, b.String())
		}
	}
}

func TestDrawing(t *testing.T) {
	const want = `<svg class="chart-svg" role="img" aria-labelledby="cost-t cost-d" viewBox="0 0 20 100" preserveAspectRatio="none">` +
		`<title id="cost-t">Cost</title><desc id="cost-d">Two days</desc>` +
		`<line class="grid" x1="0" x2="20" y1="0" y2="0" vector-effect="non-scaling-stroke"/>` +
		`<line class="grid" x1="0" x2="20" y1="25" y2="25" vector-effect="non-scaling-stroke"/>` +
		`<line class="grid" x1="0" x2="20" y1="50" y2="50" vector-effect="non-scaling-stroke"/>` +
		`<line class="grid" x1="0" x2="20" y1="75" y2="75" vector-effect="non-scaling-stroke"/>` +
		`<line class="grid" x1="0" x2="20" y1="100" y2="100" vector-effect="non-scaling-stroke"/>` +
		`<g class="bar"><rect class="hit" x="0" y="0" width="10" height="100"/>` +
		`<rect class="c0" x="1" y="75" width="8" height="25"/><rect class="c1" x="1" y="0" width="8" height="75"/>` +
		"<title>Mon\na: 10\nb: 30</title></g>" +
		`<g class="bar"><rect class="hit" x="10" y="0" width="10" height="100"/>` +
		`<rect class="c1" x="11" y="50" width="8" height="50"/>` +
		"<title>Tue\nb: 20</title></g></svg>"
	if got := draw(t, two()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestScaleIsRoundAndHoldsTheTallestStack(t *testing.T) {
	for _, top := range []int64{0, 1, 3, 4, 5, 7, 39, 40, 41, 99, 101, 6125, 8550, 1_234_567_891, math.MaxInt64} {
		c := two()
		c.Series = []chart.Series{{Class: "c0", Values: []int64{top}}}
		scale := c.Scale()
		if scale < top {
			t.Errorf("scale %d does not hold %d", scale, top)
		}
		if top > 4 && top < math.MaxInt64/2 && scale > top*5/2 {
			t.Errorf("scale %d is far above %d", scale, top)
		}
		if labels := c.AxisLabels(); len(labels) != 5 || labels[4] != "0" {
			t.Errorf("top %d: axis %v", top, labels)
		}
		draw(t, c)
	}
}

func TestStacksThatOverflowStayDrawable(t *testing.T) {
	c := two()
	c.Series = []chart.Series{{Class: "c0", Values: []int64{math.MaxInt64, -5}}, {Class: "c1", Values: []int64{math.MaxInt64}}}
	if svg := draw(t, c); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error(svg)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script>&`
	c := two()
	c.ID, c.Title, c.Desc, c.Labels[0], c.Series[0].Name, c.Series[0].Class = evil, evil, evil, evil, evil, evil
	if svg := draw(t, c); strings.Contains(svg, "<script") {
		t.Error(svg)
	}
}

func TestNoInlineStyleAndNoScript(t *testing.T) {
	svg := draw(t, two())
	for _, bad := range []string{"style=", "<style", "<script", " on"} {
		if strings.Contains(svg, bad) {
			t.Errorf("%q in %s", bad, svg)
		}
	}
}

func TestFitKeepsTheSum(t *testing.T) {
	c := chart.Chart{Format: plain, Series: []chart.Series{{Name: "a", Class: "c0"}, {Name: "b", Class: "c1"}}}
	var want [2]int64
	for i := range 721 {
		c.Labels = append(c.Labels, strconv.Itoa(i))
		for j := range want {
			v := int64(i*7+j*13) % 97
			want[j] += v
			c.Series[j].Values = append(c.Series[j].Values, v)
		}
	}
	got := c.Fit()
	if n := len(got.Labels); n > chart.MaxPoints {
		t.Fatalf("%d points", n)
	}
	for j, s := range got.Series {
		var sum int64
		for _, v := range s.Values {
			sum += v
		}
		if sum != want[j] || len(s.Values) != len(got.Labels) {
			t.Errorf("series %d: sum %d of %d values, want %d of %d", j, sum, len(s.Values), want[j], len(got.Labels))
		}
	}
	if got.Labels[0] != "0 – 3" {
		t.Errorf("first label %q", got.Labels[0])
	}
	if same := two().Fit(); len(same.Labels) != 2 {
		t.Error("a short chart was changed")
	}
}

func TestEmpty(t *testing.T) {
	if two().Empty() {
		t.Error("a chart with values is not empty")
	}
	if !(chart.Chart{Format: plain, Labels: []string{"a"}, Series: []chart.Series{{Values: []int64{0}}}}).Empty() {
		t.Error("a chart of zeros is empty")
	}
}
