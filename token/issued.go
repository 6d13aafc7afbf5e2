package token

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// KindToken is the kind of the records that hold issued tokens. They are appended,
// and each has an expiry: that of the token and audit.Retention.Tokens.
const KindToken store.Kind = "token"

// A LogMode says whether an Issuer keeps what it has issued, and how surely. The
// costs are those of an ES256 token by secret on two cores.
type LogMode uint8

const (
	// LogBestEffort, the default, writes tokens in batches, a moment after they
	// were answered: 1.03 to 1.14 times the cost of a token that is not logged, on
	// memstore, and up to 1.5 times with SQLite or PostgreSQL if the two cores do
	// their work as well. While they have time left, as at 1000 tokens a second on
	// SQLite, a caller waits 3 to 4 of a hundred longer. A process that is killed
	// loses those of its last 50 ms and of the batch that was under way; while the
	// store is away, or slower than tokens are issued, those that wait are at most a
	// few thousand, and the others are lost. How many were is logged at Warn, once a
	// minute.
	LogBestEffort LogMode = iota
	// LogDurable writes each token before it is answered, together with those
	// of the requests beside it: 1.8 times the cost of a token that is not
	// logged, on memstore; on SQLite a request waits for a commit that it shares with
	// those that come at the same moment. No token leaves that is not in the
	// store; if the store can't write, the request is answered with 503.
	LogDurable
	// LogOff keeps nothing, and nothing of when credentials were used
	// (client.Registry.LastUsed) either. It costs nothing.
	LogOff
)

// String returns the name of the constant.
func (m LogMode) String() string {
	switch m {
	case LogBestEffort:
		return "LogBestEffort"
	case LogDurable:
		return "LogDurable"
	case LogOff:
		return "LogOff"
	}
	return fmt.Sprintf("LogMode(%d)", uint8(m))
}

// A TokenStatus is whether an issued token is good.
type TokenStatus string

// What a token can be. One that is both expired and revoked is expired.
const (
	TokenActive  TokenStatus = "active"
	TokenRevoked TokenStatus = "revoked" // by itself, or with all of its client
	TokenExpired TokenStatus = "expired"
)

// An Issued is a token that was issued, as the log keeps it: all but its
// signature, so that it can be looked at and not used.
type Issued struct {
	ID       string `json:"id"`       // the jti claim
	ClientID string `json:"clientId"` // the sub and client_id claims
	// Method and Credential are by what the client has proved who it is:
	// credentials.Proof.Method and its ID.
	Method     credentials.Method `json:"method"`
	Credential string             `json:"credential,omitempty"`

	IssuedAt  time.Time `json:"issuedAt"`  // the iat claim, in UTC
	ExpiresAt time.Time `json:"expiresAt"` // the exp claim, in UTC
	// Status is what the token was when it was asked for.
	Status TokenStatus `json:"status"`

	Audience string   `json:"audience"`         // the aud claim
	Scopes   []string `json:"scopes,omitempty"` // of the scope claim

	Address   string `json:"address,omitempty"`   // from where the request came
	RequestID string `json:"requestId,omitempty"` // if the program gave it one

	// Claims are all claims, as JSON: the payload of the token.
	Claims json.RawMessage `json:"claims"`
}
