package audit

import (
	"fmt"
	"time"
)

// How long what a tenant gathers is kept unless Retention says otherwise.
const (
	DefaultDenials = 30 * 24 * time.Hour
	DefaultTokens  = 30 * 24 * time.Hour
)

// Retention is how long what a tenant gathers is kept: the one place where a
// program says so. What is older may be dropped by Store.Sweep, which a program
// calls now and then. Changing a field changes nothing about what is written
// already: that keeps the end it was given.
type Retention struct {
	// Events is for the events of the Log. Zero keeps them for ever.
	Events time.Duration
	// Denials is for what is kept of refused token requests (token.Denial).
	// Zero means DefaultDenials.
	Denials time.Duration
	// Tokens is for what is kept of issued tokens (token.Issued), from the
	// expiry of each on, and for when a credential was used
	// (client.Registry.LastUsed), from then on. Zero means DefaultTokens.
	Tokens time.Duration
}

func (r Retention) check() error {
	for _, field := range [...]struct {
		name  string
		value time.Duration
		zero  string
	}{
		{"Events", r.Events, "ever"},
		{"Denials", r.Denials, fmt.Sprint(DefaultDenials)},
		{"Tokens", r.Tokens, fmt.Sprint(DefaultTokens)},
	} {
		if field.value < 0 {
			return fmt.Errorf("audit: Config.Retention.%s is %v, want zero (for %s) or more", field.name, field.value, field.zero)
		}
	}
	return nil
}

func (r Retention) orDefault() Retention {
	if r.Denials == 0 {
		r.Denials = DefaultDenials
	}
	if r.Tokens == 0 {
		r.Tokens = DefaultTokens
	}
	return r
}
