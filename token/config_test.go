package token_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/token"
)

// The numbers of a Config at each of their edges. What else can be wrong with one is
// in TestNewIssuerRefusesABadConfig.
func TestBoundsOfConfig(t *testing.T) {
	a := newAuthority(t)
	statusLists := func(ttl time.Duration, log token.LogMode) func(*token.Config) {
		return func(c *token.Config) { c.StatusListTTL, c.Log = ttl, log }
	}
	const longEnough = 2*time.Hour + 10*time.Minute // for verifiers to notice the next key
	for _, tt := range []struct {
		name string
		edit func(*token.Config)
		text string // of the error; empty: there is none
	}{
		{"a lead that verifiers may not notice", func(c *token.Config) { c.KeyLead = longEnough - 1 }, "KeyLead"},
		{"the shortest lead", func(c *token.Config) { c.KeyLead = longEnough }, ""},
		{"a period as short as the lead", func(c *token.Config) { c.KeyPeriod = 24 * time.Hour }, "KeyPeriod"},
		{"a period a little longer", func(c *token.Config) { c.KeyPeriod = 24*time.Hour + 1 }, ""},
		{"keys that do not rotate", func(c *token.Config) { c.KeyPeriod = -1 }, ""},

		{"a negative time for the store", func(c *token.Config) { c.StoreTimeout = -1 }, "Config.StoreTimeout"},
		{"too short a time for it", func(c *token.Config) { c.StoreTimeout = 10*time.Millisecond - 1 }, "Config.StoreTimeout"},
		{"the shortest", func(c *token.Config) { c.StoreTimeout = 10 * time.Millisecond }, ""},
		{"the longest", func(c *token.Config) { c.StoreTimeout = time.Minute }, ""},
		{"too long a time for it", func(c *token.Config) { c.StoreTimeout = time.Minute + 1 }, "Config.StoreTimeout"},

		{"the most failed attempts", func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 1_000_000, 1_000_000 }, ""},
		{"more of a client", func(c *token.Config) { c.FailedPerClient = 1_000_001 }, "FailedPerClient"},
		{"more from an address", func(c *token.Config) { c.FailedPerAddress = 1_000_001 }, "FailedPerAddress"},

		{"the last mode of the log", func(c *token.Config) { c.Log = token.LogOff }, ""},
		{"a mode that there is not", func(c *token.Config) { c.Log = token.LogOff + 1 }, "Config.Log"},

		{"no status lists, without a log", statusLists(0, token.LogOff), ""},
		{"the shortest ttl of status lists", statusLists(10*time.Second, token.LogDurable), ""},
		{"the longest", statusLists(15*time.Minute, token.LogBestEffort), ""},
		{"a shorter one", statusLists(9*time.Second, token.LogDurable), "StatusListTTL"},
		{"a longer one", statusLists(15*time.Minute+time.Second, token.LogDurable), "StatusListTTL"},
		{"one with parts of a second", statusLists(10*time.Second+1, token.LogDurable), "StatusListTTL"},
		{"a negative one", statusLists(-time.Minute, token.LogDurable), "StatusListTTL"},
		{"status lists without a log", statusLists(time.Minute, token.LogOff), "needs a log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := a.config()
			tt.edit(&cfg)
			_, err := token.NewIssuer(a.ctx, cfg)
			if tt.text == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestLogModesAreShownByTheirNames(t *testing.T) {
	require.Equal(t, "LogBestEffort LogDurable LogOff LogMode(3)",
		fmt.Sprint(token.LogBestEffort, " ", token.LogDurable, " ", token.LogOff, " ", token.LogOff+1))
}
