package tokensource

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/randid"
)

// assertionLife is how long the assertions live that are signed here: they are
// used at once. The strict profile allows five minutes.
const assertionLife = 2 * time.Minute

// sign makes an assertion (RFC 7523 section 3) of the client at now.
func (m *material) sign(clientID string, now time.Time) (string, error) {
	id, err := randid.New(rand.Reader)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(struct {
		Algorithm jws.Algorithm `json:"alg"`
		KeyID     string        `json:"kid,omitempty"`
		Type      string        `json:"typ"`
	}{m.algorithm, m.key.ID, m.typ})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		IssuedAt int64  `json:"iat"`
		ID       string `json:"jti"`
	}{clientID, clientID, m.audience, now.Add(assertionLife).Unix(), now.Unix(), id})
	if err != nil {
		return "", err
	}
	token, err := jws.AppendCompact(make([]byte, 0, base64.RawURLEncoding.EncodedLen(len(header)+len(claims)+1024)),
		m.algorithm, m.key.Signer, header, claims)
	return string(token), err
}
