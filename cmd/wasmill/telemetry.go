package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/wasmill/wasmill/cluster"
	"github.com/wasmill/wasmill/cluster/coordinator"
)

// scope is the name of the one meter and tracer.
const scope = "github.com/wasmill/wasmill"

// telemetry gives out what the coordinator knows as metrics, and the spans of a run as
// traces. Names and units are in docs/observability.md.
type telemetry struct {
	closers []func(context.Context) error

	mu     sync.Mutex
	latest coordinator.Observation // guarded by mu
	labels attribute.Set
}

// newTelemetry serves Prometheus at addr, unless that is empty. Traces go where the
// standard OTEL_EXPORTER_OTLP_… variables say, if they do.
func newTelemetry(ctx context.Context, addr string, job ...attribute.KeyValue) (*telemetry, error) {
	t := &telemetry{labels: attribute.NewSet(job...)}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("open trace exporter: %w", err)
		}
		provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
		otel.SetTracerProvider(provider)
		t.closers = append(t.closers, provider.Shutdown)
	}
	if addr == "" {
		return t, nil
	}
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("open metrics exporter: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	t.closers = append(t.closers, provider.Shutdown)
	if err := t.instruments(provider.Meter(scope)); err != nil {
		return nil, fmt.Errorf("make instruments: %w", err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, usagef("--metrics: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	slog.Info("serving metrics", "url", "http://"+listener.Addr().String()+"/metrics")
	t.closers = append(t.closers, server.Shutdown)
	return t, nil
}

// counters are the metrics of each subtask.
var counters = []struct {
	name, unit, doc string
	value           func(*cluster.Stats) float64
}{
	{"wasmill.records.in", "{record}", "Records taken in", func(s *cluster.Stats) float64 { return float64(s.RecordsIn) }},
	{"wasmill.records.out", "{record}", "Records given out", func(s *cluster.Stats) float64 { return float64(s.RecordsOut) }},
	{"wasmill.bytes.in", "By", "Bytes of records taken in", func(s *cluster.Stats) float64 { return float64(s.BytesIn) }},
	{"wasmill.bytes.out", "By", "Bytes of records given out", func(s *cluster.Stats) float64 { return float64(s.BytesOut) }},
	{"wasmill.records.rejected", "{record}", "Records rejected", func(s *cluster.Stats) float64 { return float64(s.Rejected) }},
	{"wasmill.records.late", "{record}", "Records that came too late for their windows and were dropped", func(s *cluster.Stats) float64 { return float64(s.Late) }},
	{"wasmill.busy", "s", "Time spent working", func(s *cluster.Stats) float64 { return float64(s.BusyNanos) / 1e9 }},
	{"wasmill.backpressured", "s", "Time spent waiting for receivers", func(s *cluster.Stats) float64 { return float64(s.BackPressuredNanos) / 1e9 }},
	{"wasmill.guest", "s", "Time spent in the guest", func(s *cluster.Stats) float64 { return float64(s.GuestNanos) / 1e9 }},
}

func (t *telemetry) instruments(meter metric.Meter) error {
	for _, c := range counters {
		_, err := meter.Float64ObservableCounter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.doc),
			metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
				t.each(func(s *cluster.Stats, labels attribute.Set) { o.Observe(c.value(s), metric.WithAttributeSet(labels)) })
				return nil
			}))
		if err != nil {
			return err
		}
	}
	_, err := meter.Float64ObservableGauge("wasmill.job.running", metric.WithDescription("1 while records flow"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			t.mu.Lock()
			defer t.mu.Unlock()
			running := 0.0
			if t.latest.State == coordinator.Running {
				running = 1
			}
			o.Observe(running, metric.WithAttributeSet(t.labels))
			return nil
		}))
	if err != nil {
		return err
	}
	_, err = meter.Float64ObservableGauge("wasmill.state", metric.WithUnit("By"), metric.WithDescription("Keyed state, as its limit counts it"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			t.each(func(s *cluster.Stats, labels attribute.Set) {
				o.Observe(float64(s.StateBytes), metric.WithAttributeSet(labels))
			})
			return nil
		}))
	if err != nil {
		return err
	}
	return t.guestInstruments(meter)
}

// guestInstruments give out what guests say with the metric import.
func (t *telemetry) guestInstruments(meter metric.Meter) error {
	observe := func(kind string, value func(cluster.GuestMetric) float64) metric.Float64Callback {
		return func(_ context.Context, o metric.Float64Observer) error {
			t.each(func(s *cluster.Stats, labels attribute.Set) {
				for _, m := range s.Metrics {
					if m.Kind == kind {
						o.Observe(value(m), metric.WithAttributeSet(labels), metric.WithAttributes(attribute.String("name", m.Name)))
					}
				}
			})
			return nil
		}
	}
	sum := func(m cluster.GuestMetric) float64 { return m.Sum }
	_, e1 := meter.Float64ObservableCounter("wasmill.guest.counter", metric.WithDescription("A guest's counter"),
		metric.WithFloat64Callback(observe("counter", sum)))
	_, e2 := meter.Float64ObservableGauge("wasmill.guest.gauge", metric.WithDescription("A guest's gauge"),
		metric.WithFloat64Callback(observe("gauge", func(m cluster.GuestMetric) float64 { return m.Last })))
	_, e3 := meter.Float64ObservableCounter("wasmill.guest.histogram.sum", metric.WithDescription("Sum of a guest's histogram"),
		metric.WithFloat64Callback(observe("histogram", sum)))
	_, e4 := meter.Float64ObservableCounter("wasmill.guest.histogram.count", metric.WithDescription("Number of values of a guest's histogram"),
		metric.WithFloat64Callback(observe("histogram", func(m cluster.GuestMetric) float64 { return float64(m.Count) })))
	return errors.Join(e1, e2, e3, e4)
}

// each visits the latest figures of every subtask with the labels they go under.
func (t *telemetry) each(visit func(*cluster.Stats, attribute.Set)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.latest.Stats {
		s := &t.latest.Stats[i]
		visit(s, attribute.NewSet(append(t.labels.ToSlice(), attribute.String("operator", s.Operator), attribute.Int("subtask", s.Subtask))...))
	}
}

func (t *telemetry) observe(o coordinator.Observation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = o
}

// close gives out what is left, within a second.
func (t *telemetry) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range t.closers {
		// Nothing depends on the last spans; a dead collector must not fail the job.
		_ = c(ctx)
	}
}
