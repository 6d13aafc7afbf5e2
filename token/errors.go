package token

import (
	"fmt"
	"net/http"
	"time"
)

// Codes of errors at the token endpoint: RFC 6749 §5.2, RFC 8707 §2 and, for a
// store that can't be reached, temporarily_unavailable.
const (
	CodeInvalidRequest       = "invalid_request"
	CodeInvalidClient        = "invalid_client"
	CodeUnauthorizedClient   = "unauthorized_client"
	CodeUnsupportedGrantType = "unsupported_grant_type"
	CodeInvalidScope         = "invalid_scope"
	CodeInvalidTarget        = "invalid_target"
	CodeAccessDenied         = "access_denied"
	CodeUnavailable          = "temporarily_unavailable"
)

// An Error is a refusal at the token endpoint: what the caller is told, and what
// the log is. OnIssue returns one to refuse.
type Error struct {
	// Code is the error member of the answer: one of the Code constants, or
	// another of the characters that RFC 6749 §5.2 allows.
	Code string
	// Description is told to the caller, so it holds nothing that the caller
	// should not know. Characters that RFC 6749 §5.2 does not allow are
	// replaced.
	Description string
	// Status is the HTTP status: 400…599. 0 means the one that fits Code.
	Status int
	// RetryAfter, if positive, is told to the caller in whole seconds, rounded
	// up (RFC 9110 §10.2.3): how long it should wait.
	RetryAfter time.Duration
	// Reason is for the log only: a short stable word such as
	// "expired_secret". The constants below are the Issuer's own.
	Reason string
	// Err is for the log only: what lies behind, if anything.
	Err error

	found  found // for Denial
	slowed bool  // one of many failed attempts: see Config.FailedPerClient
}

// Reasons of refusals in the log, in the attribute "reason". Those for which an
// assertion proves nothing are the Reason constants of package credentials.
const (
	ReasonMethod            = "method_not_allowed"  // not a POST
	ReasonContentType       = "content_type"        // not a form
	ReasonTooLarge          = "too_large"           // body over 64 KiB
	ReasonMalformed         = "malformed_request"   // the form can't be read
	ReasonRepeated          = "repeated_parameter"  // a parameter twice
	ReasonQuery             = "credential_in_query" // what belongs in the body
	ReasonGrantType         = "grant_type"          // missing or another one
	ReasonTwoCredentials    = "two_credentials"     // more than one way to authenticate
	ReasonNoCredential      = "no_credential"       // none at all
	ReasonAuthorization     = "authorization"       // a header that is no Basic credential
	ReasonClientMismatch    = "client_mismatch"     // two client ids that differ
	ReasonUnknownClient     = "unknown_client"
	ReasonWrongSecret       = "wrong_secret"
	ReasonMistypedSecret    = "mistyped_secret" // like a generated one, but the checksum is wrong
	ReasonExpiredSecret     = "expired_secret"
	ReasonDisabled          = "disabled_client"
	ReasonMethodMismatch    = "method_mismatch" // the client authenticates in another way
	ReasonAssertionType     = "assertion_type"  // client_assertion_type is missing or another one
	ReasonReplay            = "replayed_assertion"
	ReasonJWKSUnavailable   = "jwks_unavailable" // the keys of the client can't be had
	ReasonTarget            = "unknown_target"
	ReasonNoDefault         = "no_default_target"
	ReasonScopeMalformed    = "malformed_scope"
	ReasonScopeNotGranted   = "scope_not_granted"
	ReasonNothingGranted    = "nothing_granted"
	ReasonRefusedByHook     = "refused_by_hook"
	ReasonHookFailed        = "hook_failed"
	ReasonStoreUnavailable  = "store_unavailable"
	ReasonSignerUnavailable = "signer_unavailable"

	// Of requests about a token: revocation and introspection.
	ReasonNoToken        = "no_token"             // the token is missing
	ReasonForeignToken   = "foreign_token"        // it is one of another client
	ReasonNotPermitted   = "not_permitted"        // MayIntrospect says no
	ReasonTooManyRevoked = "too_many_revocations" // so that the list can't grow any more
)

func (e *Error) Error() string {
	s := "token request refused: " + e.Code
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// status returns the HTTP status of the answer.
func (e *Error) status() int {
	if e.Status >= 400 && e.Status <= 599 {
		return e.Status
	}
	switch e.Code {
	case CodeInvalidClient:
		return http.StatusUnauthorized
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeAccessDenied:
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// refuse returns an Error that tells the caller what the log says.
func refuse(code, reason, description string) *Error {
	return &Error{Code: code, Reason: reason, Description: description}
}

// unauthenticated returns the one answer to every failed authentication: neither
// its code nor its text tells what was wrong.
func unauthenticated(reason string) *Error {
	return &Error{Code: CodeInvalidClient, Reason: reason, Description: "Client authentication failed."}
}

// unavailable returns the answer to what the caller can't help.
func unavailable(reason, doing string, err error) *Error {
	return &Error{
		Code: CodeUnavailable, Reason: reason, Description: "The authorization server is unavailable for the moment.",
		Err: fmt.Errorf("%s: %w", doing, err),
	}
}
