package portaloidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// An idp is an OpenID provider: whoever comes is signed in as person. A test may
// change what it does.
type idp struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey
	now func() time.Time

	mu        sync.Mutex
	codes     map[string]url.Values // and the authorization requests that they are from
	asked     map[string]url.Values // the same, for ever
	exchanges []url.Values
	basic     []string // user names
	discovers int

	person   map[string]any
	edit     func(claims jwt.MapClaims)              // of the ID token
	sign     func(claims jwt.MapClaims) string       // in its place
	metadata func(m map[string]any)                  // changes the metadata
	answer   func(w http.ResponseWriter) (done bool) // in the place of the token endpoint
	down     bool
}

func newIDP(t *testing.T, now func() time.Time) *idp {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &idp{t: t, key: key, now: now, codes: map[string]url.Values{}, asked: map[string]url.Values{}, person: map[string]any{
		"sub": "248289", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true, "groups": []string{"staff", "api-admins"},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discover)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /elsewhere", p.token) // where no code should ever go
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) discover(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discovers++
	if p.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	m := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"end_session_endpoint": p.URL + "/end", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		"authorization_response_iss_parameter_supported": true,
	}
	if p.metadata != nil {
		p.metadata(m)
	}
	_ = json.NewEncoder(w).Encode(m)
}

func (p *idp) keys(w http.ResponseWriter, _ *http.Request) {
	public, err := p.key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig", "x": b64(public[1:33]), "y": b64(public[33:]),
	}}})
}

func (p *idp) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := rand.Text()
	p.mu.Lock()
	p.codes[code], p.asked[code] = q, q
	p.mu.Unlock()
	back := url.Values{"state": {q.Get("state")}, "code": {code}, "iss": {p.URL}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

// token is strict: a code counts once, for who asked for it.
func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	p.exchanges = append(p.exchanges, r.PostForm)
	user, _, _ := r.BasicAuth()
	p.basic = append(p.basic, user)
	if p.answer != nil && p.answer(w) {
		return
	}
	asked, ok := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if !ok || asked.Get("code_challenge_method") != "S256" || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") ||
		r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_grant", "error_description": "leak-me-not"})
		return
	}
	claims := jwt.MapClaims{"iss": p.URL, "aud": asked.Get("client_id"), "nonce": asked.Get("nonce"), "iat": p.now().Unix(), "exp": p.now().Add(time.Minute).Unix()}
	for name, value := range p.person {
		claims[name] = value
	}
	if p.edit != nil {
		p.edit(claims)
	}
	sign := p.sign
	if sign == nil {
		sign = p.signed
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": sign(claims)})
}

func (p *idp) signed(claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = "1"
	text, err := token.SignedString(p.key)
	require.NoError(p.t, err)
	return text
}
