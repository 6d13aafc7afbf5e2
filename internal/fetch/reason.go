package fetch

import (
	"crypto/tls"
	"errors"
)

// Reasons why there is no answer that could be used: for logs and counters.
const (
	ReasonUnreachable = "unreachable" // no answer, or one that is not HTTP, or not allowed to be asked for
	ReasonCertificate = "certificate" // the certificate of the server is not valid
	ReasonRedirect    = "redirect"    // a redirect to elsewhere, or too many
	ReasonStatus      = "status"      // an answer that is not 200
	ReasonEncoding    = "encoding"    // a compressed answer
	ReasonTooLarge    = "too_large"   // an answer of more than the limit
	ReasonIncomplete  = "incomplete"  // an answer that did not come whole in time
)

// Reason returns the reason that stands for an error of Get.
func Reason(err error) string {
	var status *StatusError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &status):
		return ReasonStatus
	case errors.As(err, &certificate):
		return ReasonCertificate
	case errors.Is(err, ErrRedirect):
		return ReasonRedirect
	case errors.Is(err, ErrEncoded):
		return ReasonEncoding
	case errors.Is(err, ErrTooLarge):
		return ReasonTooLarge
	case errors.Is(err, ErrCut):
		return ReasonIncomplete
	}
	return ReasonUnreachable
}
