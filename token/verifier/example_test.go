package verifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/token/verifier"
)

// An exampleIssuer stands in for an authorization server.
type exampleIssuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

// startExampleIssuer starts one that has revoked the tokens with those jti.
func startExampleIssuer(revoked ...string) *exampleIssuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	jwk, err := jws.PublicJWK(key.Public(), "2026-1", jws.ES256, "sig")
	if err != nil {
		panic(err)
	}
	i := &exampleIssuer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"clientele_revocations_uri":%q}`, i.URL, i.URL+"/jwks", i.URL+"/revocations")
	})
	mux.HandleFunc("/revocations", func(w http.ResponseWriter, _ *http.Request) {
		var tokens []revlist.Digest
		for _, jti := range revoked {
			tokens = append(tokens, revlist.DigestOf(jti))
		}
		now := time.Now()
		payload, _, err := revlist.Encode(revlist.Head{Issuer: i.URL, IssuedAt: now, Expires: now.Add(time.Hour)}, tokens, nil)
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, i.sign(revlist.Type, payload))
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, jwk)
	})
	i.Server = httptest.NewServer(mux)
	return i
}

// token issues one with that scope.
func (i *exampleIssuer) token(scope string) string {
	now := time.Now().Unix()
	payload := fmt.Sprintf(`{"iss":%q,"sub":"billing","client_id":"billing","aud":"https://api.example.com","scope":%q,"jti":"1","iat":%d,"exp":%d}`,
		i.URL, scope, now, now+3600)
	return i.sign("at+jwt", []byte(payload))
}

func (i *exampleIssuer) sign(typ string, payload []byte) string {
	signed, err := jws.AppendCompact(nil, jws.ES256, i.key, fmt.Appendf(nil, `{"alg":"ES256","typ":%q,"kid":"2026-1"}`, typ), payload)
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// A service protects its handlers, and its handlers ask who calls.
func Example() {
	issuer := startExampleIssuer()
	defer issuer.Close()

	v, err := verifier.New(verifier.Config{
		Issuer:   issuer.URL,
		Audience: "https://api.example.com",
		Resource: "https://api.example.com",
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verifier.FromContext(r.Context())
		fmt.Fprintf(w, "orders for %s", claims.ClientID)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Require("orders.read")(orders))
	mux.Handle("POST /orders", v.Require("orders.write")(orders))
	mux.Handle(v.ProtectedResource())
	api := httptest.NewServer(mux)
	defer api.Close()

	call := func(method, authorization string) {
		req, _ := http.NewRequest(method, api.URL+"/orders", nil)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
	}
	call("GET", "Bearer "+issuer.token("orders.read"))
	call("POST", "Bearer "+issuer.token("orders.read"))
	call("GET", "")
	// Output:
	// 200 orders for billing
	// 403 {"error":"insufficient_scope","error_description":"The access token lacks a scope that this needs."}
	// 401 {"error":"unauthorized","error_description":"An access token is required."}
}

// Whoever gets tokens from a queue, or in the metadata of gRPC, verifies them by
// a plain call.
func ExampleVerifier_Verify() {
	issuer := startExampleIssuer()
	defer issuer.Close()

	v, err := verifier.New(verifier.Config{Issuer: issuer.URL, Audience: "https://api.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	handle := func(ctx context.Context, token string) error {
		claims, err := v.Verify(ctx, token)
		if err != nil {
			return err
		}
		if err := claims.Require("orders.write"); err != nil {
			return err
		}
		fmt.Println("handled for", claims.ClientID)
		return nil
	}
	ctx := context.Background()
	_ = handle(ctx, issuer.token("orders.read orders.write"))

	err = handle(ctx, issuer.token("orders.read"))
	fmt.Println(errors.Is(err, verifier.ErrInsufficientScope), err)

	err = handle(ctx, issuer.token("orders.write")+"x")
	var refusal *verifier.TokenError
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Reason)
	}
	// Output:
	// handled for billing
	// true insufficient scope: orders.write
	// malformed
}

// A service refuses tokens that were revoked before they expired: it fetches the list
// that the issuer publishes, every ten seconds at most.
func ExampleRevocation() {
	issuer := startExampleIssuer("1") // has revoked the token with that jti
	defer issuer.Close()

	v, err := verifier.New(verifier.Config{
		Issuer:     issuer.URL,
		Audience:   "https://api.example.com",
		Revocation: verifier.Revocation{Mode: verifier.ModeList},
		Logger:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(context.Background(), issuer.token("orders.read")) // whose jti is 1
	fmt.Println(err)
	// Output: invalid access token: revoked
}
