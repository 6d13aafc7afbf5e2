package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// The kinds of the records that a Registry writes.
const (
	// Kind has one record for each client, by client id, in the order of the
	// folded names.
	Kind store.Kind = "client"
	// KindID has an appended record for each client id that was ever given,
	// so that none is given again.
	KindID store.Kind = "client.id"
	// KindExpiry has one record for each secret and certificate, in the order
	// of their ends.
	// They are written with every change of their client and have its version.
	KindExpiry store.Kind = "client.expiry"
	// KindCreated and KindEnd have one record for each client, by client id and
	// with its labels and text, in the orders OrderCreated and OrderExpiry.
	// They are written with every change of their client and have its version.
	KindCreated store.Kind = "client.created"
	KindEnd     store.Kind = "client.end"
	// KindKeep has one record at most, without data, which is put with every
	// change that takes one of Config.KeepOne out of use.
	KindKeep store.Kind = "client.keep"
)

// format is the number of the format of clientData.
const format = 2

// formatOrders is the format from which on a client has records of KindCreated and
// KindEnd.
const formatOrders = 2

// The keys of labels on the records of clients.
const (
	labelUser   = "label:" // and the key of the client's own label
	labelScope  = "scope"  // value: server id, space, scope id
	labelServer = "server" // value: server id
	labelStatus = "status" // value: statusEnabled or statusDisabled
	labelMethod = "method" // value: the credentials.Method
	labelKey    = "key"    // value: the thumbprint of a key
)

// The values of labelStatus.
const (
	statusEnabled  = "enabled"
	statusDisabled = "disabled"
)

// clientData is a client as it is kept.
type clientData struct {
	Name          string             `json:"name"`
	Description   string             `json:"description,omitempty"`
	Labels        map[string]string  `json:"labels,omitempty"`
	Disabled      bool               `json:"disabled,omitempty"`
	TokenLifetime int64              `json:"token_lifetime"` // seconds
	Method        credentials.Method `json:"method"`
	JWKSURL       string             `json:"jwks_url,omitempty"`
	Keys          []keyData          `json:"keys,omitempty"`
	Grants        []grantData        `json:"grants,omitempty"`
	Secrets       []secretData       `json:"secrets,omitempty"`
	CreatedAt     time.Time          `json:"created_at"`
	UpdatedAt     time.Time          `json:"updated_at"`
}

type grantData struct {
	ServerID  string `json:"server_id"`
	ScopeID   string `json:"scope_id"`
	ServiceID string `json:"service_id"`
	Service   string `json:"service"`
	Scope     string `json:"scope"`
}

type keyData struct {
	Name string `json:"name,omitempty"`
	PEM  string `json:"pem,omitempty"` // absent in views

	// For people, and for views.
	Thumbprint string `json:"thumbprint"`
	Type       string `json:"type"`
}

type secretData struct {
	ID        string              `json:"id"`
	Digest    *credentials.Digest `json:"sha256,omitempty"` // absent in views
	CreatedAt time.Time           `json:"created_at"`
	ExpiresAt time.Time           `json:"expires_at"`
	Imported  bool                `json:"imported,omitempty"`
}

func dataOf(c *Client, whole bool) clientData {
	d := clientData{
		Name: c.Name, Description: c.Description, Labels: c.Labels, Disabled: c.Disabled,
		TokenLifetime: int64(c.TokenLifetime / time.Second), Method: c.Method, JWKSURL: c.JWKSURL,
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	for _, g := range c.Grants {
		d.Grants = append(d.Grants, grantData(g))
	}
	for _, k := range c.Keys {
		kept := keyData{Name: k.Name(), Thumbprint: k.Thumbprint(), Type: k.Type()}
		if whole {
			kept.PEM = string(k.MarshalPEM())
		}
		d.Keys = append(d.Keys, kept)
	}
	for _, s := range c.Secrets {
		kept := secretData{ID: s.ID, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, Imported: s.Imported}
		if whole {
			kept.Digest = &s.Digest
		}
		d.Secrets = append(d.Secrets, kept)
	}
	return d
}

// viewOf returns the client as the audit log shows it: without digests, and keys
// by their thumbprints.
func viewOf(c *Client) clientData { return dataOf(c, false) }

// decode returns the client in a record. It is also how a newer release's
// client is read; only rewriting one is refused.
func decode(record store.Record) (*Client, error) {
	var d clientData
	if err := json.Unmarshal(record.Data, &d); err != nil {
		return nil, fmt.Errorf("decoding client %q: %w", record.ID, err)
	}
	c := &Client{
		ID: record.ID,
		Spec: Spec{
			Name: d.Name, Description: d.Description, Labels: d.Labels, Disabled: d.Disabled,
			TokenLifetime: time.Duration(d.TokenLifetime) * time.Second, Method: d.Method, JWKSURL: d.JWKSURL,
		},
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		Version: record.Version,
	}
	c.Grants = slices.Grow(c.Grants, len(d.Grants))
	for _, g := range d.Grants {
		c.Grants = append(c.Grants, Grant(g))
	}
	for _, k := range d.Keys {
		key, err := decodeKey(k)
		if err != nil {
			return nil, fmt.Errorf("decoding client %q: key %s: %w", record.ID, k.Thumbprint, err)
		}
		c.Keys = append(c.Keys, key)
	}
	c.Secrets = slices.Grow(c.Secrets, len(d.Secrets))
	for _, s := range d.Secrets {
		kept := Secret{ID: s.ID, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt, Imported: s.Imported}
		if s.Digest == nil {
			return nil, fmt.Errorf("decoding client %q: secret %q without a digest", record.ID, s.ID)
		}
		kept.Digest = *s.Digest
		c.Secrets = append(c.Secrets, kept)
	}
	return c, nil
}

func decodeKey(d keyData) (credentials.Key, error) {
	// Whether a certificate is valid now is looked at when it is used.
	keys, _, err := credentials.ParsePEM([]byte(d.PEM), time.Time{})
	if err != nil {
		return credentials.Key{}, err
	}
	if len(keys) != 1 {
		return credentials.Key{}, fmt.Errorf("%d keys in the place of one", len(keys))
	}
	return keys[0].WithName(d.Name)
}

// recordOf returns c as it is kept, as if it were new.
func recordOf(c *Client) (store.Record, error) {
	data, err := json.Marshal(dataOf(c, true))
	if err != nil {
		return store.Record{}, fmt.Errorf("encoding client %q: %w", c.ID, err)
	}
	if len(data) > store.MaxData {
		// Certificates have no bound of their own; all else that has one fits.
		return store.Record{}, invalid("Keys", nil, "make %d bytes of the client, at most %d; choose smaller certificates, or their bare keys", len(data), store.MaxData)
	}
	folded := store.Fold(c.Name)
	return store.Record{
		Kind:   Kind,
		ID:     c.ID,
		Names:  []string{uniqueName(folded)},
		Labels: labelsOf(c),
		Text:   cut(folded, store.MaxText),
		Sort:   sortKey(folded),
		Format: format,
		Data:   data,
	}, nil
}

func labelsOf(c *Client) []store.Label {
	status := statusEnabled
	if c.Disabled {
		status = statusDisabled
	}
	labels := []store.Label{{Key: labelStatus, Value: status}, {Key: labelMethod, Value: string(c.Method)}}
	for key, value := range c.Labels {
		labels = append(labels, store.Label{Key: labelUser + key, Value: value})
	}
	for _, key := range c.Keys {
		labels = append(labels, keyLabel(key))
	}
	servers := map[string]bool{}
	for _, g := range c.Grants {
		labels = append(labels, scopeLabel(g.ServerID, g.ScopeID))
		if !servers[g.ServerID] {
			servers[g.ServerID] = true
			labels = append(labels, store.Label{Key: labelServer, Value: g.ServerID})
		}
	}
	return labels
}

func scopeLabel(serverID, scopeID string) store.Label {
	return store.Label{Key: labelScope, Value: serverID + " " + scopeID}
}

// uniqueName returns the unique name for a folded name: itself, or where
// folding has made it longer than a store takes, what stands for it.
func uniqueName(folded string) string {
	if len(folded) <= store.MaxString {
		return folded
	}
	sum := sha256.Sum256([]byte(folded))
	return cut(folded, store.MaxString-1-hex.EncodedLen(len(sum))) + "\n" + hex.EncodeToString(sum[:])
}

// sortKey returns the sort key for a folded name.
func sortKey(folded string) string { return cut(folded, store.MaxString) }

// cut returns the beginning of s that has at most n bytes, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
