package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token/verifier"
)

// Actions of audit events.
const (
	actionRevokeToken  = "token.revoke"
	actionRevokeClient = "client.revoke_tokens"
)

// subjectToken is the kind of an audit.Subject that is an issued token.
const subjectToken = "token"

// stragglers is how much longer than up to now the tokens of a client that gets no
// more are revoked: an instance that has not heard yet that the client is disabled
// or deleted may have issued one a moment later.
const stragglers = time.Minute

// maxTokenID is the length in bytes of the longest jti that is revoked.
const maxTokenID = 256

// ErrNotOurs: what should be revoked is no access token of this Issuer, or none
// that it can still tell from a forged one.
var ErrNotOurs = errors.New("not an access token of this issuer")

// RevokeToken revokes an access token of this Issuer until it expires, and returns
// what it was. One that has expired, or that is revoked already, is left as it is.
// What is no token of this Issuer gets an error that wraps ErrNotOurs.
//
// See Revoke for what revoking takes and when it shows.
func (i *Issuer) RevokeToken(ctx context.Context, accessToken string) (Revoked, error) {
	own, err := i.own(ctx, accessToken)
	if err != nil {
		return Revoked{}, fmt.Errorf("token: revoking a token: %w", err)
	}
	r := Revoked{ID: own.jti, ClientID: own.clientID, ExpiresAt: own.expires}
	if _, err := audit.ActorFrom(ctx); err != nil {
		return Revoked{}, err
	}
	if own.expired(i.now()) {
		return r, nil
	}
	return r, i.revoke(ctx, &revocation{
		TokenID: own.jti, ClientID: own.clientID, ExpiresAt: own.expires, Status: i.statusOf(own.payload),
	})
}

// A Revoked is a token that RevokeToken has revoked.
type Revoked struct {
	ID        string    // the jti
	ClientID  string    // whose it is
	ExpiresAt time.Time // in whole seconds
}

// Revoke revokes the token with that jti, which expires at expiresAt; zero means
// what Tokens tells of it. If nothing is known of the token (it need not exist),
// that is the longest that one can live from now on, and so is what is further
// away. A token that has expired, or that is revoked
// already, is left as it is. The jti has 1 to 256 bytes of UTF-8 without NUL, or
// the error wraps store.ErrInvalid.
//
// It needs an audit.Actor in ctx (audit.ErrNoActor), and is durable when it
// returns nil where the store is. The Verifiers of this Issuer refuse the token at
// once, those of other instances over the same store within store.DefaultFresh,
// and those that fetch the list of revocations when they have fetched it again:
// see verifier.Config.
func (i *Issuer) Revoke(ctx context.Context, jti string, expiresAt time.Time) error {
	if jti == "" || len(jti) > maxTokenID || !utf8.ValidString(jti) || strings.Contains(jti, "\x00") {
		return fmt.Errorf("token: revoking a token: %w: a jti has 1 to %d bytes of UTF-8 without NUL", store.ErrInvalid, maxTokenID)
	}
	if _, err := audit.ActorFrom(ctx); err != nil {
		return err
	}
	r := &revocation{TokenID: jti}
	switch issued, err := i.tokenByID(ctx, jti); {
	case err == nil:
		r.ClientID, r.Status = issued.ClientID, i.statusOf(issued.Claims)
		if expiresAt.IsZero() {
			expiresAt = issued.ExpiresAt
		}
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("token: revoking a token: %w", err)
	}
	now := i.now()
	if latest := now.Add(client.MaxTokenLifetime); expiresAt.IsZero() || expiresAt.After(latest) {
		expiresAt = latest
	}
	if !now.Before(expiresAt.Add(leeway)) {
		return nil
	}
	r.ExpiresAt = store.Time(expiresAt)
	return i.revoke(ctx, r)
}

// RevokeClient revokes all tokens that were issued to a client up to now, and
// returns up to when that is: those whose iat is not later than that, in whole
// seconds. The client need not exist any more.
//
// Those that it gets from now on are good: an Issuer that has heard of it gives
// them an iat of a second later, if it must, which another call then revokes too. If the client is disabled or deleted,
// the tokens of the coming minute are revoked too, since another instance may
// issue one before it hears of that; should the client be enabled again within
// it, its tokens have an iat that is up to a minute ahead. A client that goes on
// (whose secret has leaked, say) should lose the credential first.
//
// See Revoke for what revoking takes and when it shows.
func (i *Issuer) RevokeClient(ctx context.Context, clientID string) (issuedUntil time.Time, err error) {
	if clientID == "" || len(clientID) > maxTokenID || !utf8.ValidString(clientID) || strings.Contains(clientID, "\x00") {
		return time.Time{}, fmt.Errorf("token: revoking the tokens of a client: %w: a client id has 1 to %d bytes of UTF-8 without NUL", store.ErrInvalid, maxTokenID)
	}
	subject := audit.Subject{Kind: string(client.Kind), ID: clientID}
	c, err := i.clients.Get(ctx, clientID)
	now := i.now()
	until := now
	switch {
	case errors.Is(err, client.ErrNotFound):
		until = until.Add(stragglers)
	case err != nil:
		return time.Time{}, fmt.Errorf("token: revoking the tokens of a client: %w", err)
	default:
		subject.Name = c.Name
		if c.Disabled {
			until = until.Add(stragglers)
		}
	}
	r := &revocation{ClientID: clientID, IssuedUntil: time.Unix(until.Unix(), 0).UTC()}
	if err := i.saveRevocation(ctx, actionRevokeClient, subject, r, now); err != nil {
		return time.Time{}, fmt.Errorf("token: revoking the tokens of a client: %w", err)
	}
	return r.IssuedUntil, nil
}

func (i *Issuer) revoke(ctx context.Context, r *revocation) error {
	if err := i.saveRevocation(ctx, actionRevokeToken, audit.Subject{Kind: subjectToken, ID: r.TokenID}, r, i.now()); err != nil {
		return fmt.Errorf("token: revoking a token: %w", err)
	}
	return nil
}

// saveAttempts bounds how often a revocation is tried while others of the same
// come in between.
const saveAttempts = 16

// saveRevocation writes r, as of now, with its audit event, unless what is there revokes as
// much already: then r becomes that.
func (i *Issuer) saveRevocation(ctx context.Context, action string, subject audit.Subject, r *revocation, now time.Time) error {
	s := i.clients.Store()
	for attempt := 1; ; attempt++ {
		version, before, err := i.readRevocation(ctx, r)
		if err != nil {
			return err
		}
		r.join(before)
		if attempt == 1 { // what has come in between covers as much
			r.outlast(before, now)
		}
		if before != nil && !before.expires().Before(r.expires()) && (r.Status == nil || before.Status != nil) {
			// Maybe it came from elsewhere a moment ago: the caller relies on
			// it that this instance has heard of it.
			i.revocations.kept.Drop()
			*r = *before
			return nil
		}
		record, err := r.record(version)
		if err != nil {
			return err
		}
		entry := audit.Entry{Action: action, Subject: subject, After: r}
		if before != nil {
			entry.Before = before
		}
		event, err := i.clients.Audit().Change(ctx, entry)
		if err != nil {
			return err
		}
		_, err = s.Apply(ctx, store.Put(record), event.Change)
		i.revocations.kept.Drop() // also after an error: the outcome may be unknown
		switch {
		case err == nil:
			event.Done(ctx)
			return nil
		case attempt >= saveAttempts || !raced(err):
			return err
		}
	}
}

// readRevocation returns the revocation in the store that r would replace, or nil.
func (i *Issuer) readRevocation(ctx context.Context, r *revocation) (store.Revision, *revocation, error) {
	record, err := i.clients.Store().Get(ctx, KindRevocation, r.id())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil, nil
	case err != nil:
		return 0, nil, err
	}
	if err := store.CheckFormat(record, revocationFormat); err != nil {
		return 0, nil, err
	}
	before, err := revocationOf(record)
	return record.Version, &before, err
}

// revocation reports whether a token is revoked, as was known a second ago at the
// latest.
func (i *Issuer) revocation(ctx context.Context, jti, clientID string, iat time.Time) (revoked bool, err error) {
	known, err := i.revocations.get(ctx)
	if err != nil {
		return false, err
	}
	return known.has(jti, clientID, iat.Unix()), nil
}

// CheckRevoked returns an error that matches verifier.ErrInvalidToken if the token
// with those claims is revoked, and one that matches verifier.ErrUnavailable if
// the store can't be asked. It is the verifier.Config.Check of a Verifier in the
// same process; Issuer.Verifier has it.
func (i *Issuer) CheckRevoked(ctx context.Context, claims *verifier.Claims) error {
	switch revoked, err := i.revocation(ctx, claims.ID, claims.ClientID, claims.IssuedAt); {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &verifier.UnavailableError{Issuer: i.issuer, RetryAfter: time.Second, Err: err}
	case revoked:
		return &verifier.TokenError{Reason: verifier.ReasonRevoked}
	}
	return nil
}

// issueTime returns the iat of a token that a client gets at now: one that is
// later than that of all tokens of the client that were revoked together.
func (i *Issuer) issueTime(ctx context.Context, clientID string, now time.Time) (time.Time, error) {
	iat := now.Unix()
	known, err := i.revocations.get(ctx)
	if err != nil {
		return time.Time{}, i.storeError(ctx, "reading revocations", err)
	}
	if until, ok := known.clients[clientID]; ok && isAhead(until, iat) {
		iat = until + 1
	}
	return time.Unix(iat, 0), nil
}

// isAhead reports whether tokens that a client gets at now have an iat of a second
// more than until, the last one that is refused; both in seconds since 1970. It is
// not further ahead than a Verifier may be behind: then a clock is wrong, and a
// token that is refused is the better sign of it.
func isAhead(until, now int64) bool {
	return now <= until && until < now+int64(stragglers/time.Second)+2
}

// outlast makes r, if it is about all tokens of a client, later than those that the
// client has got since before.
func (r *revocation) outlast(before *revocation, now time.Time) {
	if before == nil || r.TokenID != "" || r.IssuedUntil.After(before.IssuedUntil) {
		return
	}
	if isAhead(before.IssuedUntil.Unix(), now.Unix()) {
		r.IssuedUntil = before.IssuedUntil.Add(time.Second)
	}
}
