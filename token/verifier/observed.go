package verifier

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strconv"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/observe"
)

// verifyObserved is decide, with an Observer told of it.
func (v *Verifier) verifyObserved(ctx context.Context, token string) (*Claims, error) {
	ctx, running := observe.Begin(ctx, v.observer, observe.Verification)
	claims, remembered, err := v.decide(ctx, token)
	result := observe.Result{
		Outcome: observe.OK, Err: err,
		Labels: []observe.Label{{Key: observe.LabelRemember, Value: strconv.FormatBool(remembered)}},
	}
	if err == nil {
		result.Details = []slog.Attr{
			slog.String(observe.DetailClient, claims.ClientID), slog.String(observe.DetailToken, claims.ID),
		}
	} else {
		result.Outcome, result.Reason = outcomeOf(err)
	}
	running.End(ctx, result)
	return claims, err
}

// reasonCancelled is that of who did not wait for the end.
const reasonCancelled = "cancelled"

// outcomeOf returns what an error of Verify comes down to.
func outcomeOf(err error) (observe.Outcome, string) {
	a := answerTo(err)
	switch {
	case errors.Is(err, context.Canceled):
		return observe.Left, reasonCancelled
	case a.reason == ReasonUnavailable:
		return observe.Failed, a.reason
	}
	return observe.Refused, oneOf(a.reason)
}

// reasons are all that there are.
var reasons = []string{
	ReasonMalformed, ReasonType, ReasonAlgorithm, ReasonIssuer, ReasonUnknownKey, ReasonSignature, ReasonAudience,
	ReasonExpired, ReasonNotYetValid, ReasonClaims, ReasonRevoked, ReasonStatus, ReasonRefused,
	ReasonNoToken, ReasonRepeatedHeader, ReasonInsufficientScope, ReasonUnavailable,
}

// oneOf returns a reason that is one of a few: those that a program makes up in the
// TokenErrors of its Config.Check may be many.
func oneOf(reason string) string {
	if slices.Contains(reasons, reason) {
		return reason
	}
	return ReasonRefused
}

// reasonContent is that of an answer that came, and can't be used.
const reasonContent = "content"

// A contentError says that what was fetched can't be used.
type contentError struct{ error }

func (e *contentError) Unwrap() error { return e.error }

// fetchResult returns what an Observer is told of something that was fetched from
// an issuer.
func fetchResult(issuer string, err error) observe.Result {
	result := observe.Result{
		Outcome: observe.OK, Err: err,
		Labels: []observe.Label{{Key: observe.LabelIssuer, Value: issuer}},
	}
	if u, err := url.Parse(issuer); err == nil {
		result.Details = []slog.Attr{slog.String(observe.DetailHost, u.Hostname())}
	}
	var content *contentError
	switch {
	case err == nil:
	case errors.As(err, &content):
		result.Outcome, result.Reason = observe.Failed, reasonContent
	default:
		result.Outcome, result.Reason = observe.Failed, fetch.Reason(err)
	}
	return result
}

// askResult returns what an Observer is told of a question about a token; ctx is
// the one that it was asked in.
func askResult(ctx context.Context, issuer string, active bool, err error) observe.Result {
	result := fetchResult(issuer, err)
	switch {
	case err == nil:
		result.Labels = append(result.Labels, observe.Label{Key: observe.LabelActive, Value: strconv.FormatBool(active)})
	case errors.Is(ctx.Err(), context.Canceled):
		result.Outcome, result.Reason = observe.Left, reasonCancelled
	}
	return result
}

// Gauges tells how old the keys and the revocations of each issuer are
// (observe.KeysAge, observe.RevocationsAge), once there are some. A Verifier is an
// observe.Source.
func (v *Verifier) Gauges(tell func(observe.Gauge, string, float64)) {
	now := v.now()
	for issuer, ring := range v.rings {
		if snap := ring.current.Load(); snap != nil {
			tell(observe.KeysAge, issuer, now.Sub(snap.fetched).Seconds())
		}
	}
	for issuer, list := range v.lists {
		if known := list.current.Load(); known != nil {
			tell(observe.RevocationsAge, issuer, now.Sub(known.fetched).Seconds())
		}
	}
	for issuer, lists := range v.statusLists {
		if fetched, ok := lists.oldest(now); ok {
			tell(observe.RevocationsAge, issuer, now.Sub(fetched).Seconds())
		}
	}
}
