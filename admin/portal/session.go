package portal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
)

// The limits of a session unless SessionsConfig says otherwise.
const (
	DefaultIdle        = 30 * time.Minute // without a request
	DefaultAbsolute    = 8 * time.Hour    // from signing in
	DefaultMaxSessions = 1000
)

// The names of the cookie. A browser takes the first from an https answer of the
// host itself alone, and for all of its paths.
const (
	cookieName  = "__Host-clientele"
	plainCookie = "clientele"
)

// SessionsConfig is what Sessions are made of. Its zero value is right for https.
type SessionsConfig struct {
	// PlainHTTP is for a portal that is reached by http on this very machine:
	// its cookie is then one that a browser takes and sends without TLS.
	PlainHTTP bool
	// Idle is how long a session lasts without a request. 0 means DefaultIdle.
	Idle time.Duration
	// Absolute is how long a session lasts at most. 0 means DefaultAbsolute.
	Absolute time.Duration
	// Max is how many sessions there are at most: one more ends the one that
	// was not used for the longest time. 0 means DefaultMaxSessions.
	Max int
	// Access, if set, is asked at each request what the person who signed in
	// may do now, so that what was taken from them counts at once. It gets what
	// Begin got, and returns what takes its place, or an error that wraps
	// ErrSignedOut, which ends the session. Nil: what Begin got counts.
	Access func(ctx context.Context, signedIn admin.Access) (admin.Access, error)
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand makes the ids; nil means crypto/rand.Reader.
	Rand io.Reader
}

// Sessions keep, in memory, which browsers people have signed in with. Their
// methods may be called concurrently. Whoever signs people in calls Begin; that
// is all that a way to sign in, such as the callback of an OpenID Connect client,
// has to know of the portal.
type Sessions struct {
	cfg SessionsConfig

	mu   sync.Mutex
	byID map[sessionID]*session
}

// A sessionID is the digest of what is in the cookie: who reads the memory of the
// process can't act as anybody.
type sessionID [sha256.Size]byte

type session struct {
	access      admin.Access
	began, used time.Time
}

// NewSessions returns Sessions of nobody. It fails if a limit is negative.
func NewSessions(cfg SessionsConfig) (*Sessions, error) {
	if cfg.Idle < 0 || cfg.Absolute < 0 || cfg.Max < 0 {
		return nil, errors.New("portal: a limit of SessionsConfig is negative")
	}
	if cfg.Idle == 0 {
		cfg.Idle = DefaultIdle
	}
	if cfg.Absolute == 0 {
		cfg.Absolute = DefaultAbsolute
	}
	if cfg.Max == 0 {
		cfg.Max = DefaultMaxSessions
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Sessions{cfg: cfg, byID: map[sessionID]*session{}}, nil
}

// Begin signs a person in: it ends the session that r belongs to, if any, and sets
// the cookie of a new one, whose id nobody has seen before. It is called before
// the answer is written. It fails if access names nobody, or by SessionsConfig.Rand.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, access admin.Access) error {
	if access.Actor.Kind == "" {
		access.Actor.Kind = audit.Person
	}
	if access.Actor.ID == "" && access.Actor.Name == "" {
		return fmt.Errorf("portal: beginning a session: %w", audit.ErrNoActor)
	}
	var random [32]byte
	if _, err := io.ReadFull(s.cfg.Rand, random[:]); err != nil {
		return fmt.Errorf("portal: beginning a session: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(random[:])
	now := s.cfg.Now()

	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.idOf(r); ok {
		delete(s.byID, old)
	}
	s.makeRoom(now)
	s.byID[sha256.Sum256([]byte(value))] = &session{access: access, began: now, used: now}
	http.SetCookie(w, s.cookie(value, 0))
	return nil
}

// makeRoom drops what has ended and, if that is not enough, what was not used for
// the longest time.
func (s *Sessions) makeRoom(now time.Time) {
	if len(s.byID) < s.cfg.Max {
		return
	}
	var oldest sessionID
	var used time.Time
	for id, one := range s.byID {
		switch {
		case s.over(one, now):
			delete(s.byID, id)
		case used.IsZero() || one.used.Before(used):
			oldest, used = id, one.used
		}
	}
	if len(s.byID) >= s.cfg.Max {
		delete(s.byID, oldest)
	}
}

func (s *Sessions) over(one *session, now time.Time) bool {
	return now.Sub(one.used) >= s.cfg.Idle || now.Sub(one.began) >= s.cfg.Absolute
}

// Authenticate returns who has signed in with the browser that r comes from, and
// what they may do now; or an error that wraps ErrSignedOut, or one of
// SessionsConfig.Access.
func (s *Sessions) Authenticate(r *http.Request) (admin.Access, error) {
	id, ok := s.idOf(r)
	if !ok {
		return admin.Access{}, ErrSignedOut
	}
	access, ok := s.use(id)
	if !ok {
		return admin.Access{}, ErrSignedOut
	}
	if s.cfg.Access == nil {
		return access, nil
	}
	now, err := s.cfg.Access(r.Context(), access)
	if errors.Is(err, ErrSignedOut) {
		s.end(id)
	}
	if err != nil {
		return admin.Access{}, err
	}
	now.Actor.Kind, now.Actor.ID = access.Actor.Kind, access.Actor.ID // nobody becomes somebody else
	return now, nil
}

// use returns whose session that is, and notes that it was used now.
func (s *Sessions) use(id sessionID) (admin.Access, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byID[id]
	if !ok {
		return admin.Access{}, false
	}
	now := s.cfg.Now()
	if s.over(one, now) {
		delete(s.byID, id)
		return admin.Access{}, false
	}
	one.used = now
	return one.access, true
}

// End signs out the person with whose browser r comes, and takes the cookie away.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.idOf(r); ok {
		s.end(id)
	}
	http.SetCookie(w, s.cookie("", -1))
}

func (s *Sessions) end(id sessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// EndAll signs out whoever signed in as the actor with that id, everywhere.
func (s *Sessions) EndAll(actorID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.byID {
		if one.access.Actor.ID == actorID {
			delete(s.byID, id)
		}
	}
}

// idOf returns the id of the session that r says it belongs to.
func (s *Sessions) idOf(r *http.Request) (sessionID, bool) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil || cookie.Value == "" {
		return sessionID{}, false
	}
	return sha256.Sum256([]byte(cookie.Value)), true
}

func (s *Sessions) cookieName() string {
	if s.cfg.PlainHTTP {
		return plainCookie
	}
	return cookieName
}

// cookie returns the cookie with that value, for as long as the browser runs. Lax,
// and not Strict, because who comes back from where people sign in, or follows a
// link from a ticket, is signed in; what changes something passes
// http.CrossOriginProtection.
func (s *Sessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ // #nosec G124 -- Secure but on the loopback address, which SessionsConfig.PlainHTTP says
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: !s.cfg.PlainHTTP, SameSite: http.SameSiteLaxMode,
	}
}
