package client

import (
	"encoding/binary"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// packed is a client as it is cached. In a Client the headers of texts, lists and
// times take more room than what they say; and of all that are cached, few are asked
// for at a time, for which unpacking is little beside the signature of a token.
type packed struct {
	own    string // what is not in common, as pack has put it together
	common *common
}

// pack packs c, all but what is in common.
func pack(c *Client, common *common) packed {
	p := make(packer, 0, 512)
	p.text(c.ID)
	p.text(c.Name)
	p.text(c.Description)
	p.text(c.JWKSURL)
	p.flag(c.Disabled)
	p.number(int64(c.TokenLifetime))
	p.moment(c.CreatedAt)
	p.moment(c.UpdatedAt)
	p.number(int64(c.Version))
	p.number(int64(len(c.Secrets)))
	for _, s := range c.Secrets {
		p.text(s.ID)
		p = append(p, s.Digest[:]...)
		p.moment(s.CreatedAt)
		p.moment(s.ExpiresAt)
		p.flag(s.Imported)
	}
	return packed{string(p), common}
}

// unpack returns the client, whose lists nobody may change. Its texts are parts of
// p.own.
func (p packed) unpack() *Client {
	u := unpacker(p.own)
	c := &Client{ID: u.text()}
	c.Name = u.text()
	c.Description = u.text()
	c.JWKSURL = u.text()
	c.Disabled = u.flag()
	c.TokenLifetime = time.Duration(u.number())
	c.CreatedAt = u.moment()
	c.UpdatedAt = u.moment()
	c.Version = store.Revision(u.number())
	if n := u.number(); n > 0 {
		c.Secrets = make([]Secret, n)
	}
	for i := range c.Secrets {
		s := &c.Secrets[i]
		s.ID = u.text()
		copy(s.Digest[:], u.next(len(credentials.Digest{})))
		s.CreatedAt = u.moment()
		s.ExpiresAt = u.moment()
		s.Imported = u.flag()
	}
	c.Method, c.Labels, c.Grants, c.Keys = p.common.method, p.common.labels, p.common.grants, p.common.keys
	return c
}

// A packer is what has been packed so far.
type packer []byte

func (p *packer) text(s string) {
	p.number(int64(len(s)))
	*p = append(*p, s...)
}

func (p *packer) number(n int64) { *p = binary.AppendVarint(*p, n) }

func (p *packer) flag(b bool) {
	if b {
		p.number(1)
		return
	}
	p.number(0)
}

// moment packs a time, which decode has read as UTC.
func (p *packer) moment(t time.Time) {
	p.number(t.Unix())
	p.number(int64(t.Nanosecond()))
}

// An unpacker is what is left to unpack. It never left the process, and so is as pack
// has made it.
type unpacker string

func (u *unpacker) next(n int) string {
	s := (*u)[:n]
	*u = (*u)[n:]
	return string(s)
}

func (u *unpacker) text() string { return u.next(int(u.number())) }

// number is binary.Varint for a string.
func (u *unpacker) number() int64 {
	var n uint64
	for i := 0; ; i++ {
		b := (*u)[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			*u = (*u)[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
}

func (u *unpacker) flag() bool { return u.number() == 1 }

func (u *unpacker) moment() time.Time {
	seconds := u.number()
	return time.Unix(seconds, u.number()).UTC()
}
