package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/golang-jwt/jwt/v5"
)

// Where a URL is saved, what cannot work is refused with a reason.
func ExampleCheckURL() {
	for _, url := range []string{
		"https://keys.example.com/jwks.json",
		"http://keys.example.com/jwks.json",
		"https://keys.example.com:22/",
		"https://0x7f.1/",
	} {
		fmt.Println(jwks.CheckURL(url, jwks.Allow{}))
	}
	// Output:
	// <nil>
	// JWKS URL: must begin with https://, since http lets anybody on the way replace the keys
	// JWKS URL: has the port 22: publish the keys on 443 or 8443
	// JWKS URL: has an IP address in an unusual form: use a host name
}

// A client publishes a second key and signs with it at once.
func ExampleCache_Renew() {
	var published string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, published)
	}))
	defer server.Close()
	cache, err := jwks.New(jwks.Config{Allow: jwks.Allow{Loopback: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	verify := func(raw string) {
		ctx := context.Background()
		assertion, err := credentials.ParseAssertion(raw)
		if err != nil {
			fmt.Println(err)
			return
		}
		set, err := cache.Keys(ctx, server.URL) // the URL of assertion.ClientID
		if err != nil {
			fmt.Println(err)
			return
		}
		profile := credentials.Strict("https://issuer.example")
		verified, err := assertion.Verify(set.Keys(), profile, time.Now())
		var refused *credentials.AssertionError
		if errors.As(err, &refused) && refused.KeyMissing {
			if set = cache.Renew(ctx, server.URL, set); set != nil {
				verified, err = assertion.Verify(set.Keys(), profile, time.Now())
			}
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(verified.ClientID, "by", verified.Key.KeyID())
	}

	first, second := newClientKey("first"), newClientKey("second")
	published = `{"keys":[` + first.jwk + `]}`
	verify(first.sign())
	published = `{"keys":[` + first.jwk + `,` + second.jwk + `]}`
	verify(second.sign())
	// Output:
	// c1 by first
	// c1 by second
}

// A clientKey is what a client signs with.
type clientKey struct {
	kid, jwk string
	private  *ecdsa.PrivateKey
}

func newClientKey(kid string) clientKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	jwk, err := jws.PublicJWK(private.Public(), kid, "ES256", "sig")
	if err != nil {
		panic(err)
	}
	return clientKey{kid, string(jwk), private}
}

func (k clientKey) sign() string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "c1", "sub": "c1", "aud": "https://issuer.example",
		"jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	token.Header["kid"] = k.kid
	raw, err := token.SignedString(k.private)
	if err != nil {
		panic(err)
	}
	return raw
}
