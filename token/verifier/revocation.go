package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/clientele-go/clientele/internal/revlist"
)

// A Revocation says how a Verifier hears of tokens that were revoked before they
// expired. The zero value is that it does not: then a token is good until its
// exp. Remembered tokens are looked at like others, and in no mode is anything
// asked about a token that is not otherwise good.
//
// With ModeList it fetches one signed list from the issuer, which package token
// publishes, and looks up every token in that: no request waits for the issuer
// while all is well. A revoked token is refused within 12 seconds as a rule: one
// until all instances of the issuer have heard of it, one until it is in the
// list, and ten for which the list is fresh (its Cache-Control says so; 1 second
// to MaxStale count); a Verifier that nobody asked meanwhile fetches it first. If
// it can't be fetched, the last one counts for MaxStale, and then WhenStale
// decides; so it is if an older list comes in its place, by way of a cache perhaps,
// that does not have all that is revoked. The list is asked for by its ETag, so that one that has not changed
// costs a request without a body; 100 000 revoked tokens make 2.2 MB.
//
// With ModeStatusList it reads the status lists that tokens name in their status claim
// (draft-ietf-oauth-status-list-20), of whichever issuer has them: package token, if
// token.Config.StatusListTTL is set, or another one. A list is signed by a key of the
// issuer, and published at its host, or at one of StatusListHosts. Any status but
// VALID refuses a token: also one that is suspended. A list is fetched when a token
// names it first, which waits for it, and is fresh for its ttl, or by its
// Cache-Control if it has none; 1 second to MaxStale count. So a token that is revoked
// is refused after the ttl at the latest and what the issuer needs for its list; one of
// package token, 2 seconds later. A list counts until its exp, and never longer than
// MaxStale if it can't be fetched; then WhenStale decides. A token that names no list
// is refused with StaleRefuse, accepted with StaleAccept, and asked about with
// StaleIntrospect: some issuers put only some tokens into lists. Lists have up to 2 MiB
// when they are unpacked, 16 million tokens with a bit each; up to 32 MiB of each issuer
// are remembered, those that were used last.
//
// With ModeIntrospection it asks the issuer about each token (RFC 7662), as the
// API client ClientID, and remembers the answer for MaxStale: a revoked token is
// refused then, and one whose client was disabled too. Who comes with a token
// that was not asked about yet waits for the answer; one request is under way for
// a token however many do. Config.CacheSize bounds what is remembered.
type Revocation struct {
	// Mode is ModeOff, ModeList, ModeStatusList or ModeIntrospection.
	Mode RevocationMode
	// MaxStale is for how long a list counts after it was last known to be
	// the issuer's, if the issuer is away; 0 means 5 minutes. A list says
	// itself until when it counts, those of package token half an hour to an
	// hour after they were signed, and never does so longer. With
	// ModeIntrospection it is for how long an answer counts; 0 means 10
	// seconds. It is 1 second or more.
	MaxStale time.Duration
	// WhenStale is what becomes of tokens when there is no list that counts,
	// or no answer.
	WhenStale StalePolicy
	// StatusListHosts are hosts besides that of an issuer where its status lists
	// may be, with a port if it is not 443: "status.example.com". Nothing is
	// fetched from any other, whatever a token names.
	StatusListHosts []string
	// ClientID and ClientSecret are what the issuer knows this service by, for
	// ModeIntrospection and StaleIntrospect. They go to Config.Issuer alone,
	// so that Config.Issuers are empty. The issuer has to allow that client to
	// ask about tokens for Audience (token.Config.MayIntrospect): else every
	// token is refused.
	ClientID     string
	ClientSecret string `json:"-"`
}

// Format implements fmt.Formatter: no verb shows the secret.
func (r Revocation) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "revocation by %s, MaxStale %s, then %s, as client %.64q", r.Mode, r.MaxStale, r.WhenStale, r.ClientID)
}

// LogValue implements slog.LogValuer: without the secret.
func (r Revocation) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// A RevocationMode is how a Verifier hears of revocations.
type RevocationMode uint8

// The ways to hear of revocations.
const (
	ModeOff           RevocationMode = iota // not at all
	ModeList                                // by the list of the issuer; each of Config.Issuers must publish one
	ModeIntrospection                       // by asking the issuer about each token
	ModeStatusList                          // by the status lists that tokens name
)

// String returns the name of the constant.
func (m RevocationMode) String() string {
	return name(m, "RevocationMode", "ModeOff", "ModeList", "ModeIntrospection", "ModeStatusList")
}

// A StalePolicy is what becomes of tokens that may have been revoked.
type StalePolicy uint8

// What may become of them.
const (
	// StaleRefuse says nothing of them (ErrUnavailable, 503): who revokes a
	// token can rely on it.
	StaleRefuse StalePolicy = iota
	// StaleAccept accepts them: whoever keeps the issuer away from the
	// Verifier keeps revoked tokens good until they expire.
	StaleAccept
	// StaleIntrospect, with ModeList or ModeStatusList, asks the issuer about them
	// one by one, and says nothing of them if that fails too. An answer counts for
	// 10 seconds.
	StaleIntrospect
)

// String returns the name of the constant.
func (p StalePolicy) String() string {
	return name(p, "StalePolicy", "StaleRefuse", "StaleAccept", "StaleIntrospect")
}

// name returns the one of names that n counts, or the number behind the type.
func name[N ~uint8](n N, kind string, names ...string) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%s(%d)", kind, uint8(n))
}

// listMember is where the metadata says where the list is.
const listMember = "clientele_revocations_uri"

const defaultMaxStale = 5 * time.Minute

// A revocable is what a token is looked up by.
type revocable struct{ token, client revlist.Digest }

func (v *Verifier) setRevocation(cfg *Config) error {
	r := &cfg.Revocation
	asks := r.Mode == ModeIntrospection || r.WhenStale == StaleIntrospect
	switch {
	case r.isZero():
		return nil
	case r.Mode == ModeOff:
		return errors.New("config: Revocation has no Mode, and its other fields are of no use without")
	case r.Mode > ModeStatusList:
		return fmt.Errorf("config: Revocation.Mode is %d, which is none", r.Mode)
	case r.WhenStale > StaleIntrospect:
		return fmt.Errorf("config: Revocation.WhenStale is %d, which is none", r.WhenStale)
	case r.Mode == ModeIntrospection && r.WhenStale == StaleIntrospect:
		return errors.New("config: Revocation.WhenStale is StaleIntrospect, which is what ModeIntrospection does first")
	case r.MaxStale != 0 && r.MaxStale < time.Second:
		return fmt.Errorf("config: Revocation.MaxStale is %s, want a second or more", r.MaxStale)
	case len(r.StatusListHosts) > 0 && r.Mode != ModeStatusList:
		return errors.New("config: Revocation.StatusListHosts are for ModeStatusList")
	case cfg.Keys != nil:
		return errors.New("config: Revocation is for issuers on the network: with Keys, use Check")
	case asks && (r.ClientID == "" || r.ClientSecret == ""):
		return errors.New("config: Revocation needs a ClientID and a ClientSecret to ask with")
	case asks && len(cfg.Issuers) > 0:
		return errors.New("config: Revocation has a credential, which is for one issuer: Issuers are not allowed")
	}
	if asks {
		v.introspector = newIntrospector(cfg, v.network)
	}
	if r.Mode == ModeIntrospection {
		return nil
	}
	if r.MaxStale == 0 {
		r.MaxStale = defaultMaxStale
	}
	if r.Mode == ModeStatusList {
		return v.setStatusLists(cfg)
	}
	v.lists = make(map[string]*list[*revlist.List])
	for issuer, ring := range v.rings {
		v.lists[issuer] = &list[*revlist.List]{
			form:   form{"revocations", revlist.Type, revlist.MediaType, revlist.MaxSize},
			parse:  parseRevocations,
			behind: (*revlist.List).Behind,
			issuer: issuer, ring: ring, config: r, now: cfg.Now, log: cfg.Logger, observer: cfg.Observer,
			source: &listSource{
				location: newFinder(issuer, v.network.urls[issuer], listMember, v.network.client, cfg.Now),
				client:   v.network.client,
			},
		}
	}
	return nil
}

func (r *Revocation) isZero() bool {
	return r.Mode == ModeOff && r.MaxStale == 0 && r.WhenStale == StaleRefuse && len(r.StatusListHosts) == 0 &&
		r.ClientID == "" && r.ClientSecret == ""
}

func parseRevocations(payload []byte) (said statement[*revlist.List], err error) {
	l, err := revlist.Parse(payload)
	switch {
	case err != nil:
		return said, err
	case l.Issuer == "":
		return said, errors.New("it is the list of nobody")
	}
	return statement[*revlist.List]{content: l, issuer: l.Issuer, expires: l.Expires}, nil
}

// checkRevoked returns an error unless the token, which has those claims, is not
// revoked, as far as Config.Revocation asks for it.
func (v *Verifier) checkRevoked(ctx context.Context, token string, c *Claims, now time.Time) error {
	if lists, ok := v.statusLists[c.Issuer]; ok {
		return v.checkStatus(ctx, lists, token, c, now)
	}
	l, ok := v.lists[c.Issuer]
	if !ok {
		return v.introspector.check(ctx, token, c, now)
	}
	known, err := l.get(ctx, now)
	switch {
	case err != nil:
		return v.unknown(ctx, l.config, token, c, now, err)
	case known.content.Revoked(c.revocable.token, c.revocable.client, c.IssuedAt.Unix()):
		return refuse(ReasonRevoked, nil)
	}
	return nil
}

// unknown returns what becomes of a token of which no list tells whether it was
// revoked, because of err.
func (v *Verifier) unknown(ctx context.Context, r *Revocation, token string, c *Claims, now time.Time, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case r.WhenStale == StaleAccept:
		return nil // a list that can't be had says so in the log
	case r.WhenStale == StaleIntrospect:
		return v.introspector.check(ctx, token, c, now)
	}
	return err
}

// A network is what the issuers are reached by.
type network struct {
	client *http.Client
	urls   map[string]*url.URL // by issuer
}
