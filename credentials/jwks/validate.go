package jwks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/fetch"
)

// A Report is what is under a JWKS URL.
type Report struct {
	// Keys are those that can be used, in the order of the JWK Set. Each tells
	// its Type, KeyID, Thumbprint and Algorithms.
	Keys []credentials.Key
	// Warnings say which keys are left out and why, and what else should be
	// known of them.
	Warnings []credentials.Warning
	// MaxAge is how long the set is used before it is fetched again.
	MaxAge time.Duration
}

// An InvalidError says what is wrong with what is under a JWKS URL.
type InvalidError struct {
	// Reason is a stable word: one of the Reason constants.
	Reason string
	// Message says what is wrong and what to do, in lower case, for the person
	// who administers the client.
	Message string
}

// Error returns the message.
func (e *InvalidError) Error() string { return "JWKS URL: " + e.Message }

// Validate fetches a JWKS URL and says which keys are found there, or exactly
// what is wrong. It neither uses nor changes what Keys and Renew know, and counts
// among their fetches. How often somebody may call it is for the caller to bound.
//
// The error is a *URLError for a URL that CheckURL refuses, an *InvalidError, an
// *UnavailableError with ErrBusy, or that of ctx. A set without a usable key is
// an *InvalidError beside the warnings of the report. A host that does not
// exist, that is not allowed, where nobody listens, and one that never answers
// are told apart neither by the error nor by the time it takes, 5 seconds: so
// nobody finds out by Validate what is in the networks here.
func (c *Cache) Validate(ctx context.Context, url string) (Report, error) {
	host, err := checkURL(url, c.allow)
	if err != nil {
		return Report{}, err
	}
	end := time.NewTimer(fetchTimeout)
	defer end.Stop()
	answer, err := c.getLimited(ctx, url, host)
	if errors.Is(err, ErrBusy) {
		return Report{}, &UnavailableError{URL: withoutQuery(url), RetryAfter: fetch.FirstPause, Err: ErrBusy}
	}
	if err != nil && reasonOf(err) == ReasonUnreachable {
		select {
		case <-end.C:
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return Report{}, fmt.Errorf("jwks: validating %s: %w", withoutQuery(url), ctx.Err())
	case err != nil:
		return Report{}, invalid(err, answer)
	}
	keys, warnings, err := credentials.ParseJWKSet(answer.Body)
	if err != nil {
		return Report{}, invalid(err, answer)
	}
	report := Report{Keys: keys, Warnings: warnings, MaxAge: freshness(answer)}
	if len(keys) == 0 {
		return report, &InvalidError{Reason: ReasonNoKeys, Message: "the JWK Set has no key that can be used"}
	}
	return report, nil
}

// getLimited is get within the limits. Its error is ErrBusy if they are reached.
func (c *Cache) getLimited(ctx context.Context, url, host string) (fetch.Answer, error) {
	if !c.limits.acquire(host) {
		return fetch.Answer{}, ErrBusy
	}
	defer c.limits.release(host)
	return c.get(ctx, url)
}

// invalid returns the InvalidError for the error of a fetch or of its answer.
func invalid(err error, answer fetch.Answer) *InvalidError {
	reason := reasonOf(err)
	return &InvalidError{Reason: reason, Message: message(reason, err, answer)}
}

func message(reason string, err error, answer fetch.Answer) string {
	switch reason {
	case ReasonCertificate:
		return certificateMessage(err)
	case ReasonRedirect:
		return "the answer is a redirect to another host, port or scheme, or one of too many: enter the URL where the JWK Set itself is"
	case ReasonStatus:
		return fmt.Sprintf("the answer has the %s, not 200: the JWK Set must be readable by everybody", err)
	case ReasonEncoding:
		return "the answer is compressed though that was not asked for"
	case ReasonTooLarge:
		return fmt.Sprintf("the answer is longer than %d bytes", credentials.MaxJWKSetSize)
	case ReasonIncomplete:
		return fmt.Sprintf("the answer did not come whole within %s", fetchTimeout)
	case ReasonNotJWKS:
		if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			return "the answer is a web page, not the JSON of a JWK Set"
		}
		return "the answer is " + brief(err)
	}
	return fmt.Sprintf("no answer that could be used within %s: check the host, that it is reachable from the internet, and that it serves https", fetchTimeout)
}

// certificateMessage says what is wrong with a certificate, without what stands
// in it.
func certificateMessage(err error) string {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var other x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return "the certificate of the server is for other host names"
	case errors.As(err, &authority):
		return "the certificate of the server is not from an authority that is known here, or the server does not send the chain to it"
	case errors.As(err, &other) && other.Reason == x509.Expired:
		return "the certificate of the server has expired, or is not valid yet"
	}
	return "the certificate of the server is not valid"
}
