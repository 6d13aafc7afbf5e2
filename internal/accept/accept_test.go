package accept_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/accept"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []string
		want   bool
	}{
		{"no field", nil, false},
		{"an empty one", []string{""}, false},
		{"it alone", []string{"gzip"}, true},
		{"whatever the case", []string{"GZip"}, true},
		{"in a list", []string{"br , gzip"}, true},
		{"in another field", []string{"br", "gzip"}, true},
		{"with a weight", []string{"gzip;q=0.001"}, true},
		{"with another parameter", []string{"gzip;v=0"}, true},
		{"with the weight 0", []string{"gzip;q=0"}, false},
		{"with the weight 0 in full, and spaces", []string{"gzip ; Q=0.000"}, false},
		{"as a part of another", []string{"xgzip, gzip2"}, false},
		{"by *", []string{"*"}, false},
		{"with what can't be read", []string{"gzip;q"}, false},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, accept.Names(c.fields, "gzip")) })
	}
	require.True(t, accept.Names([]string{"application/json;q=0.5, application/jwt;v=1"}, "application/jwt"))
	require.False(t, accept.Names([]string{"application/*"}, "application/jwt"))
}
