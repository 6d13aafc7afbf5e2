package credentials_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-go/clientele/credentials"
)

func Example() {
	secret, err := credentials.NewSecret(rand.Reader)
	if err != nil {
		panic(err)
	}
	kept := secret.Digest()      // what is saved
	presented := secret.Reveal() // what its owner saw once, and sends

	fmt.Println(credentials.DigestOf(presented).Equal(kept))
	fmt.Println(credentials.DigestOf("a guess").Equal(kept))
	_, err = credentials.ParseSecret(presented[:len(presented)-1])
	fmt.Println(err)
	// Output:
	// true
	// false
	// malformed secret
}

// uploaded is what a client's owner uploads: the public key of RFC 8037.
const uploaded = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
`

func ExampleParsePEM() {
	keys, _, err := credentials.ParsePEM([]byte(uploaded), time.Now())
	if err != nil {
		panic(err)
	}
	for _, key := range keys {
		fmt.Println(key.Type(), key.Algorithms(), key.Thumbprint())
	}

	// The wrong half of the pair.
	_, _, err = credentials.ParsePEM([]byte("-----BEGIN PRIVATE KEY-----\n…"), time.Now())
	var fault *credentials.PEMError
	fmt.Println(errors.As(err, &fault), fault.PrivateKey)
	// Output:
	// Ed25519 [EdDSA Ed25519] kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
	// true true
}

func ExampleParseJWKSet() {
	published := `{"keys":[
		{"kid":"2026","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kid":"old","kty":"RSA","n":"AQAB","e":"AQAB"}]}`
	keys, warnings, err := credentials.ParseJWKSet([]byte(published))
	if err != nil {
		panic(err)
	}
	fmt.Println(keys)
	fmt.Println(warnings)
	// Output:
	// [Ed25519 "2026" kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k]
	// [key 2 ("old"): ignored: unfit key: RSA of 17 bits, want 2048 to 8192]
}

func ExampleAssertion_Verify() {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

	// What a client does for each token request.
	seed, _ := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	signed, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "c_nightly", "sub": "c_nightly", "aud": "https://auth.example.com",
		"exp": now.Add(time.Minute).Unix(), "jti": "1",
	}).SignedString(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		panic(err)
	}

	// What is kept of the client.
	keys, _, err := credentials.ParsePEM([]byte(uploaded), now)
	if err != nil {
		panic(err)
	}

	a, err := credentials.ParseAssertion(signed)
	if err != nil {
		panic(err)
	}
	fmt.Println("it claims to be", a.ClientID()) // whose keys are looked up now
	verified, err := a.Verify(keys, credentials.Strict("https://auth.example.com"), now)
	if err != nil {
		panic(err)
	}
	fmt.Println("it is", verified.ClientID, "by", verified.Key)
	fmt.Println("to be spent:", verified.ReplayID)

	_, err = a.Verify(keys, credentials.Strict("https://another.example.com"), now)
	fmt.Println(err)
	_, err = a.Verify(keys, credentials.Strict("https://auth.example.com"), now.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// it claims to be c_nightly
	// it is c_nightly by Ed25519 kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k
	// to be spent: Dzp1dXkO7rFIPOyHzkZdZvwP_Q2rVvZopwqL9TG3wLM
	// client assertion refused: wrong_audience: aud is ["https://auth.example.com"], want ["https://another.example.com"]
	// client assertion refused: expired_assertion: exp was 59m0s ago
}
