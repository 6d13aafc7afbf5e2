// Package otelclientele brings what package observe tells to OpenTelemetry: to
// metrics, and to traces.
//
//	telemetry, err := otelclientele.New(otelclientele.Config{})
//	st = store.Observe(st, telemetry)
//	…
//	issuer, err := token.NewIssuer(ctx, token.Config{Clients: registry, Observer: telemetry, …})
//	err = telemetry.Watch(registry, issuer)
//
// # Metrics
//
// Each observe.Operation is a histogram of seconds, so that its count is how many
// there were: clientele.token.request.duration, clientele.jwks.fetch.duration and
// so on. Those of a store are one, clientele.store.operation.duration, with the
// attribute clientele.store.operation. Each has
//
//   - clientele.outcome: "ok", "refused", "failed" or "left" (observe.Outcome);
//   - error.type: observe.Result.Reason, unless the outcome is "ok";
//   - the labels of the operation, below clientele: clientele.credential.method.
//
// So the tokens that were issued are the count of clientele.token.request.duration
// with the outcome "ok", and those that were refused for a wrong secret the one with
// the error.type "wrong_secret".
//
// Each observe.Counter is a counter, and each observe.Gauge a gauge, of the same name
// below clientele: clientele.cache.hits with clientele.cache,
// clientele.token.signing_key.age in seconds with clientele.state. No attribute of
// a metric has more than a few values.
//
// # Traces
//
// Each operation is a span of the same name, clientele.token.request, within that of
// the context: of otelhttp.NewHandler around the Issuer, say. It has the attributes
// of the metric, and observe.Result.Details besides, such as clientele.client.id.
// Its status is an error if the outcome is "failed". No attribute holds a secret, an
// assertion or a token.
package otelclientele

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/clientele-go/clientele/observe"
)

// scope is the name of the instrumentation.
const scope = "github.com/clientele-go/clientele/otelclientele"

// prefix is what the names of all that is ours begin with.
const prefix = "clientele."

// Attributes of all operations.
const (
	outcomeKey   = attribute.Key(prefix + "outcome")
	errorKey     = attribute.Key("error.type")
	operationKey = attribute.Key(prefix + "store.operation")
)

// boundaries are those of the histograms, in seconds: from what is in memory to
// what has given up.
var boundaries = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Config says where an Observer brings what it is told. The zero Config is the
// providers of the process.
type Config struct {
	// MeterProvider and TracerProvider are those of the metrics and of the
	// traces. Nil means the global ones of package otel; those of the packages
	// metric/noop and trace/noop switch off one of both.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
	// Attributes are put on every metric and every span: the name of the tenant,
	// in a program that has an Observer for each. They have few values.
	Attributes []attribute.KeyValue
}

// An Observer is an observe.Observer that brings all to OpenTelemetry. Its methods
// may be called concurrently.
type Observer struct {
	meter      metric.Meter
	tracer     trace.Tracer
	attributes []attribute.KeyValue

	operations map[observe.Operation]operation
	counters   map[observe.Counter]counter

	mu      sync.Mutex
	watched []metric.Registration
}

// An operation is how an observe.Operation is recorded.
type operation struct {
	duration   metric.Float64Histogram
	span       string
	kind       trace.SpanKind
	attributes []attribute.KeyValue
}

type counter struct {
	metric.Int64Counter
	label attribute.Key
}

// New returns an Observer as cfg says. Its error is that of an instrument that
// can't be made.
func New(cfg Config) (*Observer, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	o := &Observer{
		meter: cfg.MeterProvider.Meter(scope), tracer: cfg.TracerProvider.Tracer(scope),
		attributes: slices.Clone(cfg.Attributes),
		operations: map[observe.Operation]operation{}, counters: map[observe.Counter]counter{},
	}
	for _, op := range observe.Operations() {
		if err := o.addOperation(op); err != nil {
			return nil, fmt.Errorf("otelclientele: %s: %w", op, err)
		}
	}
	for _, c := range observe.Counters() {
		info := c.Info()
		instrument, err := o.meter.Int64Counter(prefix+string(c), metric.WithUnit(info.Unit), metric.WithDescription(info.Text))
		if err != nil {
			return nil, fmt.Errorf("otelclientele: %s: %w", c, err)
		}
		o.counters[c] = counter{instrument, attribute.Key(prefix + info.Label)}
	}
	return o, nil
}

// storeOperations is what the names of those of a store begin with.
const storeOperations = "store."

func (o *Observer) addOperation(op observe.Operation) error {
	one := operation{span: prefix + string(op), kind: trace.SpanKindInternal, attributes: o.attributes}
	name, text := string(op), op.Text()
	switch op {
	case observe.JWKSFetch, observe.KeysFetch, observe.RevocationsFetch, observe.IntrospectionCall:
		one.kind = trace.SpanKindClient
	}
	if which, ok := strings.CutPrefix(name, storeOperations); ok {
		name, text = storeOperations+"operation", "Calls of the store."
		one.attributes = append(slices.Clip(o.attributes), operationKey.String(which))
	}
	var err error
	one.duration, err = o.meter.Float64Histogram(prefix+name+".duration", metric.WithUnit("s"),
		metric.WithDescription(text), metric.WithExplicitBucketBoundaries(boundaries...))
	o.operations[op] = one
	return err
}

// Start implements observe.Observer.
func (o *Observer) Start(ctx context.Context, op observe.Operation) context.Context {
	one, ok := o.operations[op]
	if !ok {
		return ctx
	}
	ctx, _ = o.tracer.Start(ctx, one.span, trace.WithSpanKind(one.kind))
	return ctx
}

// End implements observe.Observer.
func (o *Observer) End(ctx context.Context, op observe.Operation, result observe.Result) {
	one, ok := o.operations[op]
	if !ok {
		return // and no span has begun
	}
	attributes := make([]attribute.KeyValue, 0, len(one.attributes)+2+len(result.Labels)+len(result.Details))
	attributes = append(attributes, one.attributes...)
	attributes = append(attributes, outcomeKey.String(string(result.Outcome)))
	if result.Reason != "" {
		attributes = append(attributes, errorKey.String(result.Reason))
	}
	for _, l := range result.Labels {
		attributes = append(attributes, attribute.String(prefix+l.Key, l.Value))
	}
	one.duration.Record(ctx, result.Took.Seconds(), metric.WithAttributes(attributes...))

	span := trace.SpanFromContext(ctx)
	if span.IsRecording() {
		for _, d := range result.Details {
			attributes = append(attributes, detail(d))
		}
		span.SetAttributes(attributes...)
		if result.Err != nil && result.Outcome != observe.OK {
			span.RecordError(result.Err)
		}
		if result.Outcome == observe.Failed {
			span.SetStatus(codes.Error, result.Reason)
		}
	}
	span.End()
}

// detail returns an attribute of a span. The host of a server has the name that
// the conventions give it.
func detail(d slog.Attr) attribute.KeyValue {
	key := attribute.Key(prefix + d.Key)
	if d.Key == observe.DetailHost {
		key = observe.DetailHost
	}
	if d.Value.Kind() == slog.KindInt64 {
		return key.Int64(d.Value.Int64())
	}
	return key.String(d.Value.String())
}

// Count implements observe.Observer.
func (o *Observer) Count(ctx context.Context, c observe.Counter, label string, n int) {
	one, ok := o.counters[c]
	if !ok {
		return
	}
	attributes := append(slices.Clip(o.attributes), one.label.String(label))
	one.Add(ctx, int64(n), metric.WithAttributes(attributes...))
}

// Watch has the gauges of sources read whenever metrics are collected, until
// Close. The sources of one Observer are different ones: of two that tell the same
// gauge with the same label, the value of the last one stands.
func (o *Observer) Watch(sources ...observe.Source) error {
	gauges := map[observe.Gauge]metric.Float64Observable{}
	var instruments []metric.Observable
	for _, g := range observe.Gauges() {
		info := g.Info()
		instrument, err := o.meter.Float64ObservableGauge(prefix+string(g), metric.WithUnit(info.Unit), metric.WithDescription(info.Text))
		if err != nil {
			return fmt.Errorf("otelclientele: %s: %w", g, err)
		}
		gauges[g] = instrument
		instruments = append(instruments, instrument)
	}
	registration, err := o.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		for _, s := range sources {
			s.Gauges(func(g observe.Gauge, label string, value float64) {
				if instrument, ok := gauges[g]; ok {
					attributes := append(slices.Clip(o.attributes), attribute.String(prefix+g.Info().Label, label))
					to.ObserveFloat64(instrument, value, metric.WithAttributes(attributes...))
				}
			})
		}
		return nil
	}, instruments...)
	if err != nil {
		return fmt.Errorf("otelclientele: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watched = append(o.watched, registration)
	return nil
}

// Close ends what Watch began. All else goes on: the providers belong to who made
// them.
func (o *Observer) Close() error {
	o.mu.Lock()
	watched := o.watched
	o.watched = nil
	o.mu.Unlock()
	for _, registration := range watched {
		if err := registration.Unregister(); err != nil {
			return fmt.Errorf("otelclientele: %w", err)
		}
	}
	return nil
}
