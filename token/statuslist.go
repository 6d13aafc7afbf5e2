package token

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/internal/statuslist"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// KindStatusList is the kind of the records that say which status lists there are,
// one for each: see Config.StatusListTTL. They are appended and have an expiry, when
// no token is left that names the list.
const KindStatusList store.Kind = "status_list"

// The status lists are those of draft-ietf-oauth-status-list-20. An Issuer leases a
// whole list from the store, by appending a record under a random id, and gives its
// indexes to tokens, one after the other and from memory. So no two Issuers ever
// share a list, and one that starts again takes another: whatever happens to a
// process, or to a store that is restored from a backup, no index is given twice.
const (
	// statusListSize is how many tokens are in a list: 16 KiB of bits, before they
	// are compressed.
	statusListSize = 1 << 17
	// statusListOpen is for how long indexes of a list are given.
	statusListOpen = 12 * time.Hour
	// maxStatusLists is how many lists are kept as they were signed.
	maxStatusLists = 1024
	// Bounds of Config.StatusListTTL.
	minStatusTTL, maxStatusTTL = 10 * time.Second, 15 * time.Minute
)

// A statusRef is what the status claim of a token says: an index in a list.
type statusRef struct {
	List  string `json:"list"` // its id
	Index int    `json:"idx"`
}

// statusLists gives the indexes, and keeps the lists that were asked for.
type statusLists struct {
	ttl    time.Duration
	size   int64
	store  store.Store
	rand   io.Reader
	prefix string // of the URI of a list: what stands before its id
	path   string // likewise, of the path
	logger *slog.Logger

	leased  atomic.Pointer[leasedList]
	leasing flight.Group[struct{}, *leasedList]

	mu     sync.Mutex
	signed map[string]*signedStatus // by the id of the list
	making flight.Group[string, *signedStatus]

	reading flight.Group[string, *loggedClient]
	clients map[string]*loggedClient // that are revoked; guarded by mu
}

// newStatusLists checks Config.StatusListTTL; without one there are none.
func newStatusLists(cfg *Config) (*statusLists, error) {
	switch ttl := cfg.StatusListTTL; {
	case ttl == 0:
		return nil, nil
	case ttl < minStatusTTL || ttl > maxStatusTTL || ttl%time.Second != 0:
		return nil, fmt.Errorf("token: Config.StatusListTTL is %v, want whole seconds from %v to %v, or 0", ttl, minStatusTTL, maxStatusTTL)
	case cfg.Log == LogOff:
		return nil, errors.New("token: Config.StatusListTTL needs a log of issued tokens, which tells whose index is whose: LogDurable or LogBestEffort")
	}
	return &statusLists{
		ttl: cfg.StatusListTTL, size: statusListSize, store: cfg.Clients.Store(), rand: cfg.Rand, logger: cfg.Logger,
		signed: map[string]*signedStatus{}, clients: map[string]*loggedClient{},
	}, nil
}

// A leasedList is a list that this Issuer alone gives the indexes of.
type leasedList struct {
	opened time.Time
	claim  string // of a token in it, behind the index
	size   int64
	given  atomic.Int64
}

// take returns the next index, if there is one.
func (l *leasedList) take(now time.Time) (int64, bool) {
	if l == nil || now.Sub(l.opened).Abs() >= statusListOpen {
		return 0, false
	}
	n := l.given.Add(1) - 1
	return n, n < l.size
}

// A statusIndex is an index that was taken; the zero one is none.
type statusIndex struct {
	list  *leasedList
	index int64
}

// append appends the status claim, if there is one.
func (s statusIndex) append(b []byte) []byte {
	if s.list == nil {
		return b
	}
	b = append(b, `,"status":{"status_list":{"idx":`...)
	b = strconv.AppendInt(b, s.index, 10)
	return append(b, s.list.claim...)
}

// takeStatus returns the index of a token that is issued now, if tokens have one.
// Its error is one to refuse with.
func (i *Issuer) takeStatus(ctx context.Context, now time.Time) (statusIndex, error) {
	s := i.statusLists
	if s == nil {
		return statusIndex{}, nil
	}
	for {
		l := s.leased.Load()
		if n, ok := l.take(now); ok {
			return statusIndex{l, n}, nil
		}
		if err := needStore(ctx, "leasing a status list"); err != nil {
			return statusIndex{}, err
		}
		_, err := s.leasing.Do(ctx, struct{}{}, func(ctx context.Context) (*leasedList, error) {
			if other := s.leased.Load(); other != l {
				return other, nil
			}
			next, err := s.lease(ctx, now)
			if err == nil {
				s.leased.Store(next)
			}
			return next, err
		})
		if err != nil {
			return statusIndex{}, i.storeError(ctx, "leasing a status list", err)
		}
	}
}

// lease returns a list that is new in the store.
func (s *statusLists) lease(ctx context.Context, now time.Time) (*leasedList, error) {
	id, err := randid.New(s.rand)
	if err != nil {
		return nil, err
	}
	// The last token of the list is issued within statusListOpen, and its iat may
	// be a little ahead: see issueTime.
	expires := store.Time(now.Add(statusListOpen + client.MaxTokenLifetime + revokedFor))
	_, err = s.store.Apply(ctx, store.Append(store.Record{
		Kind: KindStatusList, ID: id, Sort: timekey.Of(expires), Expires: expires,
		Format: 1, Data: []byte(`{}`),
	}))
	if err != nil {
		return nil, err
	}
	claim := string(appendMember(nil, "uri", s.prefix+id)) + "}}"
	return &leasedList{opened: now, claim: claim, size: s.size}, nil
}

// statusOf returns what the status claim of a token of this Issuer says, or nil.
// Claims are its payload.
func (i *Issuer) statusOf(claims []byte) *statusRef {
	status, ok := memberOf(claims, "status")
	if !ok {
		return nil
	}
	list, ok := memberOf(status, "status_list")
	if !ok {
		return nil
	}
	var of struct {
		Index *int   `json:"idx"`
		URI   string `json:"uri"`
	}
	if json.Unmarshal(list, &of) != nil || of.Index == nil || *of.Index < 0 || *of.Index >= statusListSize {
		return nil
	}
	id, ok := strings.CutPrefix(of.URI, i.issuer+i.paths.StatusLists+"/")
	if !ok || !isStatusID(id) {
		return nil
	}
	return &statusRef{List: id, Index: *of.Index}
}

// memberOf returns a member of a JSON object, as it stands there.
func memberOf(data []byte, name string) (value []byte, ok bool) {
	var object strictjson.Object
	object.Reset(data)
	for object.Next() {
		if string(object.Key()) == name {
			value, ok = object.Value().Raw(), true
		}
	}
	return value, ok && object.Err() == nil
}

func isStatusID(id string) bool {
	return len(id) == randid.Len && strings.Trim(id, "0123456789abcdefghijklmnopqrstuv") == ""
}

// A signedStatus is a status list token and what it was made of; immutable.
type signedStatus struct {
	expires time.Time // of the list
	key     *signingKey
	made    time.Time
	set     []int // the indexes of tokens that are revoked, in ascending order
	body    []byte
	etag    string
}

// serves reports whether s is what would be made at now, if nothing else is revoked.
func (s *signedStatus) serves(key *signingKey, now time.Time) bool {
	return s.key == key && !now.Before(s.made) && spanOf(now) == spanOf(s.made) && now.Before(s.expires)
}

// serveStatusList serves the status list token of the list at path, if there is one.
func (i *Issuer) serveStatusList(w http.ResponseWriter, r *http.Request) bool {
	s := i.statusLists
	if s == nil {
		return false
	}
	id, ok := strings.CutPrefix(r.URL.Path, s.path)
	if !ok || !isStatusID(id) {
		return false
	}
	// No other time than now can be asked for (§8.4), and whoever does must not take
	// the list of now for that one.
	if r.URL.RawQuery != "" && r.URL.Query().Has("time") {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is the list of now alone: leave out the time", http.StatusNotImplemented)
		return true
	}
	i.document(statuslist.MediaType, listMaxAge, i.patient, func(ctx context.Context) ([]byte, string, error) {
		list, err := i.statusList(ctx, id)
		if err != nil {
			return nil, "", err
		}
		return list.body, list.etag, nil
	})(w, r)
	return true
}

// errNoStatusList: there is none of that id, or no more.
var errNoStatusList = errors.New("no such status list")

// statusList returns the list of that id, signed, or errNoStatusList.
func (i *Issuer) statusList(ctx context.Context, id string) (*signedStatus, error) {
	now := i.now()
	s := i.statusLists
	keys, err := i.keys.at(ctx, now)
	if err != nil {
		return nil, err
	}
	fresh := func(list *signedStatus) bool {
		return list != nil && list.serves(keys.active, now) && now.Sub(list.made) < listPause
	}
	if list := s.get(id); fresh(list) {
		return list, nil
	}
	return s.making.Do(ctx, id, func(ctx context.Context) (*signedStatus, error) {
		list := s.get(id)
		if fresh(list) {
			return list, nil
		}
		next, err := i.makeStatusList(ctx, id, list, keys.active, now)
		if err == nil {
			s.put(id, next, now)
		}
		return next, err
	})
}

func (s *statusLists) get(id string) *signedStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed[id]
}

// put keeps a list, in the place of those that have expired, or of any other.
func (s *statusLists) put(id string, list *signedStatus, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.signed[id]; !ok && len(s.signed) >= maxStatusLists {
		for other, one := range s.signed {
			if !now.Before(one.expires) {
				delete(s.signed, other)
			}
		}
		for other := range s.signed {
			if len(s.signed) < maxStatusLists {
				break
			}
			delete(s.signed, other)
		}
	}
	s.signed[id] = list
}

// makeStatusList makes the list, or returns what was made before with a later time
// of making if nothing has changed.
func (i *Issuer) makeStatusList(ctx context.Context, id string, before *signedStatus, key *signingKey, now time.Time) (*signedStatus, error) {
	var expires time.Time
	if before != nil {
		expires = before.expires
	} else {
		record, err := i.clients.Store().Get(ctx, KindStatusList, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, errNoStatusList
		case err != nil:
			return nil, fmt.Errorf("reading a status list: %w", err)
		}
		expires = record.Expires
	}
	if !now.Before(expires) {
		return nil, errNoStatusList
	}
	set, err := i.revokedIn(ctx, id, now)
	if err != nil {
		return nil, err
	}
	if before != nil && before.serves(key, now) && slices.Equal(before.set, set) {
		again := *before
		again.made = now
		return &again, nil
	}
	uri := i.statusLists.prefix + id
	exp := (spanOf(now) + 2) * int64(listSpan/time.Second)
	bits := statuslist.Bits(statusListSize, set)
	payload, err := statuslist.Encode(statuslist.Head{
		URI: uri, Issuer: i.issuer, IssuedAt: now, Expires: time.Unix(exp, 0), TTL: i.statusLists.ttl,
	}, bits)
	if err != nil {
		return nil, fmt.Errorf("encoding a status list: %w", err)
	}
	header := fmt.Appendf(nil, `{"alg":%q,"typ":%q,"kid":%q}`, key.algorithm, statuslist.Type, key.kid)
	body, err := jws.AppendCompact(nil, key.algorithm, key.signer, header, payload)
	if err != nil {
		return nil, fmt.Errorf("signing a status list: %w", err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %d %d ", uri, exp, i.statusLists.ttl)
	_, _ = hash.Write(bits)
	// Weak, since another instance may have signed the same at another time.
	tag := base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12])
	return &signedStatus{
		expires: expires, key: key, made: now, set: set,
		body: body, etag: `W/"` + tag + "." + key.kid + `"`,
	}, nil
}
