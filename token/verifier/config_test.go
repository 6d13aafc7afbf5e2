package verifier_test

import (
	"testing"
	"time"

	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	keys := &source{}
	for name, c := range map[string]struct {
		cfg  verifier.Config
		text string
	}{
		"no issuer":                       {verifier.Config{Audience: "a"}, "Issuer is required"},
		"no issuer, with keys":            {verifier.Config{Audience: "a", Keys: keys}, "Issuer is required"},
		"further issuers, with keys":      {verifier.Config{Audience: "a", Keys: keys, Issuer: "a", Issuers: []string{"b"}}, "Issuers are not allowed"},
		"an empty further issuer":         {verifier.Config{Audience: "a", Issuer: issuerID, Issuers: []string{issuerID + "/a", ""}}, "Issuers[1] is required"},
		"an issuer twice":                 {verifier.Config{Audience: "a", Issuer: issuerID, Issuers: []string{issuerID}}, "twice"},
		"an issuer that is no URL":        {verifier.Config{Audience: "a", Issuer: "https://%zz"}, "config: Issuer: not a URL"},
		"an issuer by http":               {verifier.Config{Audience: "a", Issuer: "http://auth.example.com"}, "not https"},
		"a host that looks like loopback": {verifier.Config{Audience: "a", Issuer: "http://127.0.0.1.example.com"}, "not https"},
		"an issuer without a scheme":      {verifier.Config{Audience: "a", Issuer: "auth.example.com"}, "not an https URL"},
		"an issuer without a host":        {verifier.Config{Audience: "a", Issuer: "https://"}, "no host"},
		"an opaque issuer":                {verifier.Config{Audience: "a", Issuer: "https:auth.example.com"}, "no host"},
		"an issuer with a user":           {verifier.Config{Audience: "a", Issuer: "https://user@auth.example.com"}, "user information"},
		"an issuer with a query":          {verifier.Config{Audience: "a", Issuer: "https://auth.example.com?x"}, "Issuer: a query"},
		"a further issuer with a query":   {verifier.Config{Audience: "a", Issuer: issuerID, Issuers: []string{"https://auth.example.com?"}}, "Issuers[0]: a query"},
		"an issuer with a fragment":       {verifier.Config{Audience: "a", Issuer: "https://auth.example.com#x"}, "a fragment"},
		"no audience":                     {verifier.Config{Issuer: issuerID}, "Audience is required"},
		"an empty further audience":       {verifier.Config{Issuer: issuerID, Audience: "a", Audiences: []string{""}}, "none of Audiences is empty"},
		"a leeway of 61 s":                {verifier.Config{Issuer: issuerID, Audience: "a", Leeway: 61 * time.Second}, "Leeway is 1m1s, at most 1m0s"},
		"a MaxKeyAge of 59 s":             {verifier.Config{Issuer: issuerID, Audience: "a", MaxKeyAge: 59 * time.Second}, "MaxKeyAge is 59s, want a minute or more"},
		"a negative MaxKeyAge":            {verifier.Config{Issuer: issuerID, Audience: "a", MaxKeyAge: -1}, "MaxKeyAge"},
		"a CacheSize of millions":         {verifier.Config{Issuer: issuerID, Audience: "a", CacheSize: 1<<20 + 1}, "CacheSize"},
		"a realm with a quote":            {verifier.Config{Issuer: issuerID, Audience: "a", Realm: `a"b`}, "Realm"},
		"a realm with a line break":       {verifier.Config{Issuer: issuerID, Audience: "a", Realm: "a\nb"}, "Realm"},
		"a resource by http":              {verifier.Config{Issuer: issuerID, Audience: "a", Resource: "http://api.example.com"}, "Resource"},
		"a resource with a query":         {verifier.Config{Issuer: issuerID, Audience: "a", Resource: "https://api.example.com?x"}, "Resource"},
		"a resource with a quote":         {verifier.Config{Issuer: issuerID, Audience: "a", Resource: `https://a"b.example.com`}, "Resource"},
		"a scope with a space":            {verifier.Config{Issuer: issuerID, Audience: "a", Scopes: []string{"a b"}}, "Scopes"},
		"an empty scope":                  {verifier.Config{Issuer: issuerID, Audience: "a", Scopes: []string{""}}, "Scopes"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := verifier.New(c.cfg)
			require.ErrorContains(t, err, c.text)
			require.ErrorContains(t, err, "verifier: ")
			require.Nil(t, v)
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for name, cfg := range map[string]verifier.Config{
		"the least":                   {Issuer: issuerID, Audience: "a"},
		"a path":                      {Issuer: "https://auth.example.com/tenant/a", Audience: "a"},
		"http to 127.0.0.1":           {Issuer: "http://127.0.0.1:8080", Audience: "a"},
		"http to another loopback":    {Issuer: "http://127.8.8.8", Audience: "a"},
		"http to ::1":                 {Issuer: "http://[::1]:8080", Audience: "a"},
		"http to localhost":           {Issuer: "http://localhost:8080", Audience: "a"},
		"http to a name in localhost": {Issuer: "http://auth.localhost:8080", Audience: "a"},
		"any text with keys":          {Issuer: "the issuer", Audience: "a", Keys: &source{}},
		"the bounds":                  {Issuer: issuerID, Audience: "a", Leeway: 60 * time.Second, MaxKeyAge: time.Minute, CacheSize: 1},
		"nothing":                     {Issuer: issuerID, Audience: "a", Leeway: -1, CacheSize: -1},
		"a resource on this machine":  {Issuer: issuerID, Audience: "a", Resource: "http://127.0.0.1:9090"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifier.New(cfg)
			require.NoError(t, err)
		})
	}
}
