package metrics

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds the figures of one data plane. There is none for the whole
// process, so that several can run in one.
type Registry struct {
	r    *prometheus.Registry
	errs []error
}

// NewRegistry makes a registry with the figures of the Go runtime and of the
// process.
func NewRegistry() *Registry {
	reg := &Registry{r: prometheus.NewRegistry()}
	reg.add(collectors.NewGoCollector())
	reg.add(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

func (reg *Registry) add(c prometheus.Collector) {
	if err := reg.r.Register(c); err != nil {
		reg.errs = append(reg.errs, err)
	}
}

// Gauge registers a figure that is read when it is asked for.
func (reg *Registry) Gauge(name, help string, read func() float64) {
	reg.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter registers a rising figure that is read when it is asked for.
func (reg *Registry) Counter(name, help string, read func() float64) {
	reg.add(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// CounterOf is Counter for one value of a label; all values are to be
// registered, so that each is there from the start.
func (reg *Registry) CounterOf(name, help, label, value string, read func() float64) {
	reg.add(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{label: value}}, read))
}

// Err says what could not be registered.
func (reg *Registry) Err() error { return errors.Join(reg.errs...) }

// Handler serves the figures.
func (reg *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(reg.r, promhttp.HandlerOpts{})
}
