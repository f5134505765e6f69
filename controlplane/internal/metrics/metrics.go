// Package metrics owns the control plane's registry of figures for operators,
// and the figures that parts without one of their own only count. No figure
// has a tenant, key or model as a label: their number is not bounded.
package metrics

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds figures.
type Registry = prometheus.Registry

// New is a registry that holds the figures of the process itself.
func New() *Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves a registry in the text format of Prometheus.
func Handler(r *Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Figure is something that a part counts by itself. One whose name ends in
// _total is a counter, any other a gauge.
type Figure struct {
	Name, Help string
	Value      func() int64
}

// Register shows figures.
func Register(r *Registry, figures ...Figure) error {
	for _, f := range figures {
		read := func() float64 { return float64(f.Value()) }
		var c prometheus.Collector
		if strings.HasSuffix(f.Name, "_total") {
			c = prometheus.NewCounterFunc(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, read)
		} else {
			c = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, read)
		}
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register %s: %w", f.Name, err)
		}
	}
	return nil
}
