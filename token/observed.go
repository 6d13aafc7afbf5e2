package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/observe"
)

// tokenResult returns what an Observer is told of a token request: token is nil if
// err is not.
func tokenResult(req *Request, token *Token, err error) observe.Result {
	if err != nil {
		return refusedResult(req, err)
	}
	return observe.Result{
		Outcome: observe.OK,
		Labels:  methodLabel(token.Credential.Method),
		Details: requestDetails(req, slog.String(observe.DetailClient, token.ClientID),
			slog.String(observe.DetailToken, token.ID), slog.String(observe.DetailTarget, token.Audience)),
	}
}

// aboutResult returns what an Observer is told of a request about a token, which c
// has made; c is nil if err is not.
func aboutResult(req *Request, c *client.Client, err error) observe.Result {
	if err != nil {
		return refusedResult(req, err)
	}
	return observe.Result{
		Outcome: observe.OK,
		Labels:  methodLabel(c.Method),
		Details: requestDetails(req, slog.String(observe.DetailClient, c.ID)),
	}
}

// refusedResult tells of a request that err has ended. Of the client it tells only
// if there is such a one: what is no client's id may be anything, a secret in the
// wrong place too.
func refusedResult(req *Request, err error) observe.Result {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return observe.Result{Outcome: observe.Left, Reason: "caller_left", Err: err, Details: requestDetails(req)}
	}
	result := observe.Result{Outcome: observe.Refused, Reason: refusal.Reason, Err: refusal}
	if refusal.status() >= http.StatusInternalServerError {
		result.Outcome = observe.Failed
	}
	if refusal.found.byHook {
		result.Reason = ReasonRefusedByHook // its own words may be many
	}
	if c := refusal.found.client; c != nil {
		result.Labels = methodLabel(c.Method)
		result.Details = append(result.Details, slog.String(observe.DetailClient, c.ID))
	}
	result.Details = requestDetails(req, result.Details...)
	return result
}

func methodLabel(method credentials.Method) []observe.Label {
	return []observe.Label{{Key: observe.LabelMethod, Value: string(method)}}
}

func activeLabel(active bool) observe.Label {
	return observe.Label{Key: observe.LabelActive, Value: strconv.FormatBool(active)}
}

func requestDetails(req *Request, details ...slog.Attr) []slog.Attr {
	if req.RequestID == "" {
		return details
	}
	return append(details, slog.String(observe.DetailRequest, req.RequestID))
}

// Values of the label of observe.LogLost.
const (
	lostToken  = "token"
	lostDenial = "denial"
	lostUse    = "use"
)

// countLost tells o, which may be nil, of an entry of a log that was lost. There is
// no request any more that it would belong to.
func countLost(o observe.Observer, log string) {
	if o != nil {
		o.Count(context.Background(), observe.LogLost, log, 1)
	}
}

// Gauges tells how old the signing keys are (observe.SigningKeyAge), by their
// KeyState, unless they are the program's own, and with Config.StoreAway for how long
// the store has been away (observe.StoreAway). An Issuer is an observe.Source.
func (i *Issuer) Gauges(tell func(observe.Gauge, string, float64)) {
	if i.away != nil {
		var ago time.Duration
		if since := i.away.Since(); !since.IsZero() {
			ago = time.Since(since)
		}
		tell(observe.StoreAway, i.issuer, ago.Seconds())
	}
	ring, ok := i.keys.(*keyring)
	if !ok {
		return
	}
	set := ring.current.Load()
	if set == nil {
		return
	}
	now := i.now()
	oldest := map[KeyState]time.Time{}
	for _, key := range set.infos(now) {
		if made, ok := oldest[key.State]; !ok || key.CreatedAt.Before(made) {
			oldest[key.State] = key.CreatedAt
		}
	}
	for state, made := range oldest {
		tell(observe.SigningKeyAge, string(state), now.Sub(made).Seconds())
	}
}
