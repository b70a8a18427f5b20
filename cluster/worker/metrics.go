package worker

import (
	"slices"
	"strings"
	"sync"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/sdk/abi"
)

// maxGuestMetrics bounds the names that one subtask may use; further ones are dropped,
// so that a guest can't fill the engine's memory with names.
const maxGuestMetrics = 256

var metricKinds = map[int]string{abi.MetricCounter: "counter", abi.MetricGauge: "gauge", abi.MetricHistogram: "histogram"}

// guestMetrics is what one subtask says with the metric import.
type guestMetrics struct {
	mu     sync.Mutex
	byName map[string]*cluster.GuestMetric // guarded by mu
}

func (g *guestMetrics) record(kind int, name string, value float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.byName[name]
	if !ok {
		if len(g.byName) >= maxGuestMetrics {
			return
		}
		if g.byName == nil {
			g.byName = map[string]*cluster.GuestMetric{}
		}
		name = strings.Clone(name)
		m = &cluster.GuestMetric{Name: name, Kind: metricKinds[kind]}
		g.byName[name] = m
	}
	m.Count++
	m.Sum += value
	m.Last = value
}

func (g *guestMetrics) snapshot() []cluster.GuestMetric {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]cluster.GuestMetric, 0, len(g.byName))
	for _, m := range g.byName {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b cluster.GuestMetric) int { return strings.Compare(a.Name, b.Name) })
	return all
}
