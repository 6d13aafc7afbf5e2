// Package observe is how the packages of this module tell a program what it would
// watch: how many tokens are issued and refused, how long that takes, what the
// store and the network do meanwhile.
//
// A program sets an [Observer] where a Config has one; package otelclientele, a
// module of its own, brings all of it to OpenTelemetry, and so to Prometheus:
//
//	telemetry, err := otelclientele.New(otelclientele.Config{})
//	st = store.Observe(st, telemetry)
//	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog, Observer: telemetry})
//	keys, err := jwks.New(jwks.Config{Observer: telemetry})
//	issuer, err := token.NewIssuer(ctx, token.Config{Clients: registry, JWKS: keys, Observer: telemetry, …})
//	err = telemetry.Watch(registry, issuer, keys)
//
// What takes time is an [Operation], with a beginning and an end; what merely
// happens is a [Counter]; and what is the case at a moment is a [Gauge], which
// nobody is told of but who asks a [Source]. Which there are, and what each of
// them means, their constants say; later releases may have more, and no method
// of Observer changes for that.
//
// A [Label] is one of a few values, fit to tell the series of a metric apart:
// never the id of a client, of a token or of a request. Those are among
// [Result.Details], for traces and logs. Neither ever holds a secret, an assertion
// or a token.
package observe

import (
	"context"
	"log/slog"
	"time"
)

// An Observer is told what goes on. Its methods may be called concurrently, and
// somebody waits for each of them: so they are quick. No package calls them while it
// holds a lock of its own; but who calls a store may hold one, so that they leave
// alone what is observed, apart from [Source.Gauges]. What they panic with is the
// program's to catch. A nil Observer in a Config costs nothing.
type Observer interface {
	// Start is told that an operation begins. The operation goes on in the
	// context that is returned: ctx, or one derived from it, with a span in it
	// perhaps, which is then the parent of what begins within.
	Start(ctx context.Context, op Operation) context.Context
	// End is told what came of an operation: once for each Start, with the
	// context that it returned, unless code of the program has panicked in
	// between.
	End(ctx context.Context, op Operation, result Result)
	// Count is told that something happened n times, at least once. What the
	// label means, Counter.Info says.
	Count(ctx context.Context, counter Counter, label string, n int)
}

// A Result is what came of an operation. Who keeps the slices copies them.
type Result struct {
	Took    time.Duration // by the monotonic clock
	Outcome Outcome
	// Reason is why the outcome is not OK: one word of a few. Else it is empty.
	Reason string
	// Err is what lies behind the outcome, if there is more to tell. Its text is
	// for logs and traces: it is not one of a few.
	Err error
	// Labels tell of what kind the operation was; their keys are the Label
	// constants. Each operation has those that its constant names, without those
	// that are not known.
	Labels []Label
	// Details are for traces and logs; their keys are the Detail constants.
	Details []slog.Attr
}

// An Outcome is how an operation ended.
type Outcome string

// How an operation may end.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused" // by a rule: the fault of who asked, if it is one
	Failed  Outcome = "failed"  // by what should have worked
	Left    Outcome = "left"    // by who asked: the context was cancelled
)

// A Label is a key with one of a few values.
type Label struct{ Key, Value string }

// Keys of labels.
const (
	LabelMethod   = "credential.method" // how a client authenticates: a credentials.Method
	LabelActive   = "token.active"      // "true" or "false": the answer to an introspection
	LabelKind     = "store.kind"        // a store.Kind
	LabelIssuer   = "issuer"            // an issuer identifier of the Config
	LabelRemember = "token.remembered"  // "true" or "false": whether the token was verified before
)

// Keys of details.
const (
	DetailClient  = "client.id"      // of an API client that exists
	DetailToken   = "token.id"       // the jti of an access token
	DetailTarget  = "token.audience" // of the access token
	DetailRequest = "request.id"     // see token.Request.RequestID
	DetailHost    = "server.address" // where a request went
	DetailRecords = "store.records"  // how many were read, written or swept
)

// A Source knows how something stands now: client.Registry, token.Issuer,
// jwks.Cache and verifier.Verifier are Sources.
type Source interface {
	// Gauges calls tell for each value that is known. It asks neither the store
	// nor the network, and holds no lock meanwhile. It may be called concurrently.
	Gauges(tell func(gauge Gauge, label string, value float64))
}

// A Running is an operation that has begun. Its zero value is one that nobody
// observes.
type Running struct {
	observer Observer
	op       Operation
	began    time.Time
}

// Begin tells o, which may be nil, that an operation begins, and returns the
// context in which it goes on. It is for who has something to observe: a store, a
// decorator of one.
func Begin(ctx context.Context, o Observer, op Operation) (context.Context, Running) {
	if o == nil {
		return ctx, Running{}
	}
	r := Running{observer: o, op: op, began: time.Now()}
	return o.Start(ctx, op), r
}

// Observed reports whether anybody wants to know what comes of r.
func (r Running) Observed() bool { return r.observer != nil }

// End tells what came of r, which began with ctx, and how long it took.
func (r Running) End(ctx context.Context, result Result) {
	if r.observer == nil {
		return
	}
	result.Took = time.Since(r.began)
	r.observer.End(ctx, r.op, result)
}
