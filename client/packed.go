package client

import (
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// packed is a client as it is cached. In a Client the headers of texts, lists and
// times take more room than what they say; and of all that are cached, few are asked
// for at a time, for which unpacking is little beside the signature of a token.
type packed struct {
	common           *common
	texts            string // one behind the other, with the ids of its secrets at the end
	name             length
	description      length
	jwksURL          length
	id               length
	disabled         bool
	lifetime         time.Duration
	created, updated moment
	version          store.Revision
	secrets          []packedSecret
}

type packedSecret struct {
	digest           credentials.Digest
	created, expires moment
	id               length
	imported         bool
}

// A length is that of a text, in bytes.
type length uint32

// A moment is a time in microseconds since 1970: a store keeps no less (store.Time).
type moment int64

func momentOf(t time.Time) moment { return moment(t.UnixMicro()) }

func (m moment) time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// pack packs c, all but what is in common.
func pack(c *Client, common *common) *packed {
	p := &packed{
		common: common,
		id:     length(len(c.ID)), name: length(len(c.Name)), description: length(len(c.Description)), jwksURL: length(len(c.JWKSURL)),
		disabled: c.Disabled, lifetime: c.TokenLifetime,
		created: momentOf(c.CreatedAt), updated: momentOf(c.UpdatedAt), version: c.Version,
	}
	texts := c.ID + c.Name + c.Description + c.JWKSURL
	if len(c.Secrets) > 0 {
		p.secrets = make([]packedSecret, len(c.Secrets))
	}
	for i, s := range c.Secrets {
		texts += s.ID
		p.secrets[i] = packedSecret{s.Digest, momentOf(s.CreatedAt), momentOf(s.ExpiresAt), length(len(s.ID)), s.Imported}
	}
	p.texts = texts
	return p
}

// nobody is unpacked where there is no client, and aSecret where it has fewer secrets
// than it may have: how long that takes must not tell whether a client exists.
var (
	nobody  = pack(&Client{ID: "nobody", Spec: Spec{Name: "nobody"}, Secrets: []Secret{{ID: "none"}}}, new(common))
	aSecret packedSecret
)

// unpack returns the client, whose lists nobody may change. Its texts are parts of
// p.texts.
func (p *packed) unpack() *Client {
	texts := p.texts
	next := func(n length) string {
		text := texts[:n]
		texts = texts[n:]
		return text
	}
	made := new(struct { // one allocation
		Client
		secrets [MaxSecrets]Secret
	})
	c, secrets, n := &made.Client, made.secrets[:], len(p.secrets)
	*c = Client{
		ID: next(p.id),
		Spec: Spec{
			Name: next(p.name), Description: next(p.description), JWKSURL: next(p.jwksURL),
			Labels: p.common.labels, Disabled: p.disabled, TokenLifetime: p.lifetime,
			Method: p.common.method, Keys: p.common.keys, Grants: p.common.grants,
		},
		CreatedAt: p.created.time(), UpdatedAt: p.updated.time(),
		Version: p.version,
	}
	if n > MaxSecrets { // by another release
		secrets = make([]Secret, n)
	}
	for i := range secrets {
		from := &aSecret
		if i < n {
			from = &p.secrets[i]
		}
		secrets[i] = Secret{
			ID: next(from.id), Digest: from.digest,
			CreatedAt: from.created.time(), ExpiresAt: from.expires.time(), Imported: from.imported,
		}
	}
	if n > 0 {
		c.Secrets = secrets[:n:n]
	}
	return c
}
