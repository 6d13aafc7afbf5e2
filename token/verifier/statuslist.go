package verifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/statuslist"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/internal/weburl"
)

const (
	// maxStatusBytes bounds what is remembered of the status lists of one issuer, and
	// each counts for leastStatusBytes at least: so there are 2048 at most.
	maxStatusBytes   = 32 << 20
	leastStatusBytes = 16 << 10
	// maxStatusURI bounds where a status list is, in bytes.
	maxStatusURI = 2048
	// inUse is how long ago a list was last looked at that counts for Gauges.
	inUse = time.Minute
)

// A statusRef is what the status claim of a token says (section 6.2 of
// draft-ietf-oauth-status-list-20).
type statusRef struct {
	uri       string // of the list; empty: the token names none
	index     int64
	malformed bool // it says something else
}

// statusRef reads the status claim, a value of the payload. What is malformed matters
// only to who asks for it. Other members than status_list are other ways to tell of
// the status.
func (c *Claims) statusRef(v strictjson.Value) (ref statusRef) {
	malformed := statusRef{malformed: true}
	var status, list strictjson.Object
	if !v.Members(&status) {
		return malformed
	}
	for status.Next() {
		if string(status.Key()) != "status_list" {
			continue
		}
		if !status.Value().Members(&list) {
			return malformed
		}
		named, numbered := false, false
		for list.Next() {
			switch string(list.Key()) {
			case "uri":
				ref.uri, named = c.text(list.Value())
			case "idx":
				ref.index, numbered = list.Value().Int()
			}
		}
		if !named || ref.uri == "" || !numbered || ref.index < 0 {
			return malformed
		}
	}
	return ref
}

var (
	errNoStatus   = errors.New("it names no status list")
	errStatus     = errors.New("a status claim that says nothing")
	errBeyondList = errors.New("an index that its status list does not have")
)

// statusNames are what statuses mean, as far as the draft says (section 7.1).
var statusNames = map[byte]string{1: ", INVALID", 2: ", SUSPENDED"}

// checkStatus returns an error unless the token, which has those claims, is VALID in
// the status list that it names.
func (v *Verifier) checkStatus(ctx context.Context, lists *statusLists, token string, c *Claims, now time.Time) error {
	ref := &c.status
	switch {
	case ref.malformed:
		return refuse(ReasonStatus, errStatus)
	case ref.uri == "":
		return v.unknown(ctx, lists.config, token, c, now, refuse(ReasonStatus, errNoStatus))
	}
	l, err := lists.find(ref.uri, now)
	if err != nil {
		return refuse(ReasonStatus, err)
	}
	known, err := l.get(ctx, now)
	if err != nil {
		return v.unknown(ctx, lists.config, token, c, now, err)
	}
	switch status, ok := known.content.Status(ref.index); {
	case !ok:
		return refuse(ReasonStatus, errBeyondList)
	case status != statuslist.Valid:
		return refuse(ReasonRevoked, fmt.Errorf("its status is %d%s", status, statusNames[status]))
	}
	return nil
}

// statusLists are those of one issuer that tokens have named.
type statusLists struct {
	config *Revocation
	hosts  []string // where they may be, as hostOf has it
	new    func(uri string, landed func()) *list[*statuslist.List]

	known atomic.Pointer[map[string]*statusList] // by URI; nobody changes the map
	mu    sync.Mutex                             // held to put another one there
}

// A statusList is one that is remembered.
type statusList struct {
	*list[*statuslist.List]
	used atomic.Int64 // when it was last looked at, in seconds since 1970
}

func (v *Verifier) setStatusLists(cfg *Config) error {
	r := &cfg.Revocation
	var further []string
	for n, host := range r.StatusListHosts {
		u, err := weburl.Parse("https://" + host)
		if err != nil || u.Host != host || u.Path != "" || u.RawQuery != "" {
			return fmt.Errorf("config: Revocation.StatusListHosts[%d] is %.64q, want a host, and a port if it is not 443", n, host)
		}
		further = append(further, hostOf(u))
	}
	v.statusLists = make(map[string]*statusLists)
	gate := newGate()
	for issuer, ring := range v.rings {
		lists := &statusLists{config: r, hosts: append([]string{hostOf(v.network.urls[issuer])}, further...)}
		lists.known.Store(&map[string]*statusList{})
		lists.new = func(uri string, landed func()) *list[*statuslist.List] {
			return &list[*statuslist.List]{
				form:   form{"status list", statuslist.Type, statuslist.MediaType, statuslist.MaxSize},
				parse:  func(payload []byte) (statement[*statuslist.List], error) { return parseStatusList(payload, uri) },
				issuer: issuer, ring: ring, config: r, leeway: v.leeway, now: cfg.Now, log: cfg.Logger, observer: cfg.Observer,
				source: &listSource{location: fixedLocation(uri), client: v.network.client},
				gate:   gate, landed: landed,
			}
		}
		v.statusLists[issuer] = lists
	}
	return nil
}

// hostOf returns the scheme, the host and the port of u, in one form.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// parseStatusList reads the list that is published at uri.
func parseStatusList(payload []byte, uri string) (said statement[*statuslist.List], err error) {
	l, err := statuslist.Parse(payload)
	switch {
	case err != nil:
		return said, err
	case l.URI != uri:
		return said, errors.New("it is the list of another place")
	}
	return statement[*statuslist.List]{content: l, issuer: l.Issuer, notBefore: l.NotBefore, expires: l.Expires, fresh: l.TTL}, nil
}

// find returns the list at uri, and notes that it is used. Its error is that there
// must not be one.
func (s *statusLists) find(uri string, now time.Time) (*statusList, error) {
	l, ok := (*s.known.Load())[uri]
	if !ok {
		var err error
		if l, err = s.add(uri, now); err != nil {
			return nil, err
		}
	}
	if seconds := now.Unix(); l.used.Load() != seconds {
		l.used.Store(seconds)
	}
	return l, nil
}

// add returns the list at uri, which is remembered from now on.
func (s *statusLists) add(uri string, now time.Time) (*statusList, error) {
	if len(uri) > maxStatusURI {
		return nil, fmt.Errorf("the URI of its status list is longer than %d bytes", maxStatusURI)
	}
	u, err := weburl.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("the URI of its status list: %w", err)
	}
	if !slices.Contains(s.hosts, hostOf(u)) {
		return nil, fmt.Errorf("its status list is at %.64q, which is neither the issuer nor among Revocation.StatusListHosts", u.Host)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if l, ok := known[uri]; ok {
		return l, nil
	}
	uri = strings.Clone(uri) // which is a part of the token
	l := &statusList{list: s.new(uri, s.trim)}
	l.used.Store(now.Unix())
	known = s.without(leastStatusBytes)
	known[uri] = l
	s.known.Store(&known)
	return l, nil
}

// trim forgets lists of which there are too many, since one of them has grown.
func (s *statusLists) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := *s.known.Load(); size(known) > maxStatusBytes {
		known = s.without(0)
		s.known.Store(&known)
	}
}

// without returns a copy of what is known, in which there is room for so many bytes
// more: without those lists that were not used for the longest time. The caller holds
// s.mu.
func (s *statusLists) without(more int) map[string]*statusList {
	known := maps.Clone(*s.known.Load())
	total := size(known) + more
	if total <= maxStatusBytes {
		return known
	}
	type aged struct {
		uri  string
		used int64
	}
	all := make([]aged, 0, len(known))
	for uri, l := range known {
		all = append(all, aged{uri, l.used.Load()})
	}
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.used, b.used) })
	for _, one := range all {
		if total <= maxStatusBytes {
			break
		}
		total -= known[one.uri].bytes()
		delete(known, one.uri)
	}
	return known
}

// size returns what all of known count for.
func size(known map[string]*statusList) (bytes int) {
	for _, l := range known {
		bytes += l.bytes()
	}
	return bytes
}

// bytes returns what l counts for.
func (l *statusList) bytes() int {
	if known := l.current.Load(); known != nil {
		return max(leastStatusBytes, known.content.Bytes())
	}
	return leastStatusBytes
}

// oldest returns when the oldest list was fetched of those that are in use.
func (s *statusLists) oldest(now time.Time) (fetched time.Time, ok bool) {
	for _, l := range *s.known.Load() {
		known := l.current.Load()
		if known == nil || now.Sub(time.Unix(l.used.Load(), 0)) > inUse {
			continue
		}
		if !ok || known.fetched.Before(fetched) {
			fetched, ok = known.fetched, true
		}
	}
	return fetched, ok
}
