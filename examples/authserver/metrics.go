package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/otelclientele"
)

// metrics are what Prometheus gets: those of package otelclientele, and those of the
// Go runtime and of the process.
type metrics struct {
	*otelclientele.Observer
	handler http.Handler
}

func newMetrics(log *slog.Logger) (*metrics, error) {
	registry := prometheus.NewRegistry()
	if err := errors.Join(
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	); err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo(),
		exporter.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	observer, err := otelclientele.New(otelclientele.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)), TracerProvider: noop.NewTracerProvider(),
	})
	if err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}))
	return &metrics{observer, mux}, nil
}

// observer returns what is told of all that goes on; nil means nobody.
func (a *authority) observer() observe.Observer {
	if a.metrics == nil {
		return nil
	}
	return a.metrics
}

// watch has the state of the parts read whenever Prometheus asks.
func (a *authority) watch() error {
	if a.metrics == nil {
		return nil
	}
	return a.metrics.Watch(a.clients, a.issuer, a.jwks)
}
