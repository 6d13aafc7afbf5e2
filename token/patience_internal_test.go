package token

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a store derives from the context of a request may outlive that for a moment.
func TestContextsOfARequestEndWithIt(t *testing.T) {
	for name, end := range map[string]func(*storePatience){"when it is answered": (*storePatience).end, "when its time begins anew": (*storePatience).renew} {
		t.Run(name, func(t *testing.T) {
			p := &storePatience{Context: t.Context(), limit: time.Hour}
			defer p.end()
			derived, cancel := context.WithTimeout(p, time.Minute)
			defer cancel()
			below, cancel := context.WithCancel(context.WithValue(p, t, t))
			defer cancel()
			end(p)
			<-derived.Done()
			<-below.Done()
			require.Equal(t, context.Canceled, derived.Err())
			require.Equal(t, context.Canceled, below.Err())
		})
	}
}
