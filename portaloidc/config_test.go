package portaloidc_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/portaloidc"
)

func TestAConfigIsShownWithoutItsSecret(t *testing.T) {
	cfg := portaloidc.Config{Issuer: "https://login.example.com", ClientID: "clientele", ClientSecret: "hidden", Server: "https://auth.example.com"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, shown := range []any{cfg, &cfg} {
			require.Equal(t, `client "clientele" of "https://login.example.com", for "https://auth.example.com"`, fmt.Sprintf(verb, shown))
		}
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "config", cfg, "pointer", &cfg)
	require.Contains(t, log.String(), "login.example.com")
	require.NotContains(t, log.String(), "hidden")
}
