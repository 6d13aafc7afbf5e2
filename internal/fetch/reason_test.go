package fetch_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"testing"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		fetch.ReasonStatus:      &fetch.StatusError{Status: 500},
		fetch.ReasonCertificate: &tls.CertificateVerificationError{},
		fetch.ReasonRedirect:    fetch.ErrRedirect,
		fetch.ReasonEncoding:    fetch.ErrEncoded,
		fetch.ReasonTooLarge:    fetch.ErrTooLarge,
		fetch.ReasonIncomplete:  fetch.ErrCut,
		fetch.ReasonUnreachable: errors.New("no route"),
	} {
		require.Equal(t, want, fetch.Reason(fmt.Errorf("keys: %w", err)))
	}
}
