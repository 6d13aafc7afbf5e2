package otelclientele_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/otelclientele"
)

// A telemetry is an Observer, and what has come of it.
type telemetry struct {
	*otelclientele.Observer
	t      *testing.T
	reader *sdkmetric.ManualReader
	traces *sdktrace.TracerProvider
	spans  *tracetest.InMemoryExporter
}

func newTelemetry(t *testing.T, attributes ...attribute.KeyValue) *telemetry {
	t.Helper()
	x := &telemetry{t: t, reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	x.traces = sdktrace.NewTracerProvider(sdktrace.WithSyncer(x.spans))
	var err error
	x.Observer, err = otelclientele.New(otelclientele.Config{
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader)),
		TracerProvider: x.traces, Attributes: attributes,
	})
	require.NoError(t, err)
	return x
}

// A point is what a metric says for one set of attributes.
type point struct {
	unit       string
	attributes map[string]string
	value      float64 // of a histogram, its count
}

// metrics returns the points of each metric.
func (x *telemetry) metrics() map[string][]point {
	x.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(x.t, x.reader.Collect(x.t.Context(), &all))
	found := map[string][]point{}
	for _, s := range all.ScopeMetrics {
		require.Equal(x.t, "github.com/clientele-go/clientele/otelclientele", s.Scope.Name)
		for _, m := range s.Metrics {
			require.NotEmpty(x.t, m.Description)
			add := func(set attribute.Set, value float64) {
				found[m.Name] = append(found[m.Name], point{m.Unit, texts(set.ToSlice()), value})
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					require.Len(x.t, p.Bounds, 16)
					add(p.Attributes, float64(p.Count))
				}
			case metricdata.Sum[int64]:
				require.True(x.t, data.IsMonotonic)
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			default:
				x.t.Fatalf("%s is a %T", m.Name, data)
			}
		}
	}
	return found
}

func texts(attributes []attribute.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

// source is an observe.Source of fixed values.
type source map[observe.Gauge]float64

func (s source) Gauges(tell func(observe.Gauge, string, float64)) {
	for g, value := range s {
		tell(g, "some", value)
	}
}

// names are all metrics that there are, and their attributes but for those that
// every operation has: what dashboards are made of.
var names = map[string]struct{ unit, label string }{
	"clientele.token.request.duration":              {"s", ""},
	"clientele.token.introspection.duration":        {"s", ""},
	"clientele.token.revocation.duration":           {"s", ""},
	"clientele.store.operation.duration":            {"s", "clientele.store.operation"},
	"clientele.jwks.fetch.duration":                 {"s", ""},
	"clientele.verifier.verification.duration":      {"s", ""},
	"clientele.verifier.keys.fetch.duration":        {"s", ""},
	"clientele.verifier.revocations.fetch.duration": {"s", ""},
	"clientele.verifier.introspection.duration":     {"s", ""},
	"clientele.cache.hits":                          {"{hit}", "clientele.cache"},
	"clientele.cache.loads":                         {"{load}", "clientele.cache"},
	"clientele.cache.entries":                       {"{entry}", "clientele.cache"},
	"clientele.log.lost":                            {"{entry}", "clientele.log"},
	"clientele.verifier.requests.refused":           {"{request}", "clientele.reason"},
	"clientele.token.request.cached":                {"{request}", "clientele.outcome"},
	"clientele.token.store.away":                    {"s", "clientele.issuer"},
	"clientele.token.signing_key.age":               {"s", "clientele.state"},
	"clientele.verifier.keys.age":                   {"s", "clientele.issuer"},
	"clientele.verifier.revocations.age":            {"s", "clientele.issuer"},
}

func TestEverythingThatIsToldIsAMetricAndASpan(t *testing.T) {
	x := newTelemetry(t, attribute.String("tenant", "shop"))
	gauges := source{"unknown": 1}
	for _, g := range observe.Gauges() {
		gauges[g] = 7
	}
	require.NoError(t, x.Watch(gauges))
	for _, op := range observe.Operations() {
		ctx, running := observe.Begin(t.Context(), x, op)
		running.End(ctx, observe.Result{
			Outcome: observe.Failed, Reason: "timeout", Err: errors.New("it took too long"),
			Labels:  []observe.Label{{Key: observe.LabelMethod, Value: "SECRET"}},
			Details: []slog.Attr{slog.String(observe.DetailClient, "client-7"), slog.Int(observe.DetailRecords, 3), slog.String(observe.DetailHost, "keys.example.com")},
		})
	}
	for _, c := range observe.Counters() {
		x.Count(t.Context(), c, "some", 2)
	}

	found := x.metrics()
	require.Len(t, found, len(names))
	for name, want := range names {
		points := found[name]
		if name == "clientele.store.operation.duration" {
			var which []string
			for _, p := range points {
				which = append(which, p.attributes["clientele.store.operation"])
				delete(p.attributes, "clientele.store.operation")
			}
			slices.Sort(which)
			require.Equal(t, []string{"apply", "changes", "get", "list", "sweep", "wait"}, which)
			points = points[:1]
		}
		require.Len(t, points, 1, name)
		p := points[0]
		require.Equal(t, want.unit, p.unit, name)
		if strings.HasSuffix(name, ".duration") {
			require.Equal(t, 1., p.value)
			require.Equal(t, map[string]string{
				"tenant": "shop", "clientele.outcome": "failed", "error.type": "timeout", "clientele.credential.method": "SECRET",
			}, p.attributes, name)
			continue
		}
		require.Equal(t, map[string]string{"tenant": "shop", want.label: "some"}, p.attributes, name)
		require.Contains(t, []float64{2, 7}, p.value)
	}

	spans := x.spans.GetSpans()
	require.Len(t, spans, len(observe.Operations()))
	for n, op := range observe.Operations() {
		s := spans[n]
		require.Equal(t, "clientele."+string(op), s.Name)
		require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "timeout"}, s.Status)
		require.Equal(t, strings.Contains(s.Name, "fetch") || s.Name == "clientele.verifier.introspection", s.SpanKind == trace.SpanKindClient, s.Name)
		got := texts(s.Attributes)
		delete(got, "clientele.store.operation")
		require.Equal(t, map[string]string{
			"tenant": "shop", "clientele.outcome": "failed", "error.type": "timeout", "clientele.credential.method": "SECRET",
			"clientele.client.id": "client-7", "clientele.store.records": "3", "server.address": "keys.example.com",
		}, got)
		require.Equal(t, "it took too long", texts(s.Events[0].Attributes)["exception.message"])
	}
}

func TestWhatIsNoFailureIsNoErrorOfASpan(t *testing.T) {
	for _, outcome := range []observe.Outcome{observe.OK, observe.Refused, observe.Left} {
		x := newTelemetry(t)
		ctx, running := observe.Begin(t.Context(), x, observe.TokenRequest)
		running.End(ctx, observe.Result{Outcome: outcome})
		spans := x.spans.GetSpans()
		require.Len(t, spans, 1)
		require.Equal(t, codes.Unset, spans[0].Status.Code)
		require.Empty(t, spans[0].Events)
		require.NotContains(t, texts(spans[0].Attributes), "error.type")
	}
}

func TestWhatALaterReleaseTellsIsLeftOut(t *testing.T) {
	x := newTelemetry(t)
	ctx, parent := x.traces.Tracer("test").Start(t.Context(), "parent")
	inner, running := observe.Begin(ctx, x, "later.operation")
	require.Equal(t, ctx, inner)
	running.End(inner, observe.Result{Outcome: observe.OK})
	require.True(t, parent.IsRecording(), "the span of somebody else goes on")
	x.Count(ctx, "later.counter", "", 1)
	require.Empty(t, x.metrics())
}

func TestOneOfBothCanBeSwitchedOff(t *testing.T) {
	x := newTelemetry(t)
	for _, c := range []struct {
		name string
		cfg  otelclientele.Config
	}{
		{"traces", otelclientele.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(x.reader)), TracerProvider: tracenoop.NewTracerProvider()}},
		{"metrics", otelclientele.Config{MeterProvider: metricnoop.NewMeterProvider(), TracerProvider: x.traces}},
		{"both, as long as the process has no providers", otelclientele.Config{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := otelclientele.New(c.cfg)
			require.NoError(t, err)
			ctx, parent := x.traces.Tracer("test").Start(t.Context(), "parent")
			inner, running := observe.Begin(ctx, o, observe.TokenRequest)
			running.End(inner, observe.Result{Outcome: observe.OK})
			o.Count(inner, observe.CacheHits, "client", 1)
			require.NoError(t, o.Watch(source{observe.CacheEntries: 1}))
			require.True(t, parent.IsRecording(), "the span of somebody else goes on")
			parent.End()
			require.NoError(t, o.Close())
		})
	}
}

func TestSourcesAreWatchedUntilClose(t *testing.T) {
	x := newTelemetry(t)
	require.NoError(t, x.Watch(source{observe.CacheEntries: 1}))
	require.NoError(t, x.Watch(source{observe.KeysAge: 2}))
	require.Len(t, x.metrics(), 2)
	require.NoError(t, x.Close())
	require.Empty(t, x.metrics())
	require.NoError(t, x.Close(), "again does no harm")
}

func BenchmarkOperation(b *testing.B) {
	for _, c := range []struct {
		name   string
		traces trace.TracerProvider
	}{{"metrics", tracenoop.NewTracerProvider()}, {"metrics and traces", sdktrace.NewTracerProvider()}} {
		b.Run(c.name, func(b *testing.B) {
			o, err := otelclientele.New(otelclientele.Config{
				MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
				TracerProvider: c.traces,
			})
			if err != nil {
				b.Fatal(err)
			}
			result := observe.Result{
				Outcome: observe.OK, Took: time.Millisecond,
				Labels:  []observe.Label{{Key: observe.LabelMethod, Value: "SECRET"}},
				Details: []slog.Attr{slog.String(observe.DetailClient, "client-7")},
			}
			b.ReportAllocs()
			for b.Loop() {
				ctx, running := observe.Begin(context.Background(), o, observe.TokenRequest)
				running.End(ctx, result)
			}
		})
	}
}
