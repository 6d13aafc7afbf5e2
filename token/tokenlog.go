package token

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
)

const (
	// logPause is how long tokens wait for others, with LogBestEffort: a commit
	// for each would cost more than it.
	logPause = 50 * time.Millisecond
	// maxWaiting bounds how many tokens wait to be written.
	maxWaiting = 4096
	// tellPause is how long nothing more is told of tokens that were lost.
	tellPause = time.Minute
)

// tokenFormat is the number of the format of the data of KindToken.
const tokenFormat = 1

// labelCredential is the key of the label by which the tokens of a credential are
// found; those of a client have labelClient.
const labelCredential = "credential"

// A tokenLog keeps what is issued. With LogBestEffort a request leaves what is
// there anyway in a queue; all else is done beside it.
type tokenLog struct {
	mode      LogMode
	store     store.Store
	retention time.Duration
	logger    *slog.Logger
	now       func() time.Time
	appender  *appender.Appender
	used      usedHours
	entries   sync.Pool        // of *issuedEntry
	observer  observe.Observer // nil: none

	mu        sync.Mutex
	lostCount int // not told of yet
	lostErr   error
	told      time.Time
}

func newTokenLog(cfg *Config) *tokenLog {
	l := &tokenLog{
		mode: cfg.Log, store: cfg.Clients.Store(),
		retention: cfg.Clients.Audit().Retention().Tokens, logger: cfg.Logger, now: cfg.Now,
		observer: cfg.Observer,
	}
	l.entries.New = func() any {
		e := &issuedEntry{log: l}
		e.build = e.make
		return e
	}
	l.appender = appender.New(appender.Config{Store: l.store, Queue: maxWaiting, Pause: logPause, Lost: l.lost})
	return l
}

// An issuedEntry is a token on its way into the store, in strings that nobody
// changes.
type issuedEntry struct {
	at, expires    time.Time
	id, clientID   string
	proof          credentials.Proof
	address        string
	requestID      string
	encodedPayload string // in base64url

	// Of one from tokenLog.entries, which is used again and again.
	log   *tokenLog
	build appender.Build // make
}

// keep keeps a token that was signed. Its error is one to refuse with.
func (i *Issuer) keep(ctx context.Context, req *Request, issuance *Issuance, token *Token) error {
	l := i.tokenLog
	if l.mode == LogOff {
		return nil
	}
	_, rest, _ := strings.Cut(token.AccessToken, ".")
	payload, _, _ := strings.Cut(rest, ".")
	e := l.entries.Get().(*issuedEntry)
	e.at, e.expires = issuance.now, token.ExpiresAt
	e.id, e.clientID, e.proof = token.ID, token.ClientID, token.Credential
	e.address, e.requestID = req.RemoteAddr, req.RequestID
	e.encodedPayload = payload
	if l.mode == LogBestEffort {
		if !l.add(e) {
			return nil
		}
	} else if err := l.write(ctx, e); err != nil {
		return i.storeError(ctx, "logging the token", err)
	}
	l.use(usedCredential{token.ClientID, token.Credential.ID}, issuance.now)
	return nil
}

// write writes e, and returns when that is durable.
func (l *tokenLog) write(ctx context.Context, e *issuedEntry) error {
	record, err := e.record(l.retention, nil)
	e.free()
	if err != nil {
		return err
	}
	return l.appender.Write(ctx, record)
}

var errNotTaken = errors.New("the Issuer was closed, or tokens are issued faster than the store writes")

// add has e written soon, and reports whether that will be tried. It never waits for
// the store.
func (l *tokenLog) add(e *issuedEntry) bool {
	if l.appender.AddFunc(e.build) {
		return true
	}
	e.free()
	l.lose(errNotTaken)
	return false
}

// make is the build of e, which is free then.
func (e *issuedEntry) make(_ context.Context, room *appender.Room) (store.Record, bool) {
	l := e.log
	l.tell(false) // of those before, if none was lost since
	record, err := e.record(l.retention, room)
	e.free()
	if err != nil {
		l.lose(err)
	}
	return record, err == nil
}

// free has e used for another token.
func (e *issuedEntry) free() {
	*e = issuedEntry{log: e.log, build: e.build}
	e.log.entries.Put(e)
}

// flush returns when all that was kept before has been written, or lost.
func (l *tokenLog) flush(ctx context.Context) error { return l.appender.Flush(ctx) }

// close writes what waits. Nothing is taken any more.
func (l *tokenLog) close(ctx context.Context) error {
	err := l.appender.Close(ctx)
	l.tell(true)
	return err
}

// lost is told that something could not be written.
func (l *tokenLog) lost(r store.Record, err error) {
	if r.Kind == client.KindUsed {
		if parts := strings.Split(r.ID, "."); len(parts) > 1 { // see client.UsedRecord
			l.used.forget(usedCredential{parts[0], parts[1]})
		}
		countLost(l.observer, lostUse)
		return
	}
	l.lose(err)
}

// lose counts a token that was lost, and tells of it.
func (l *tokenLog) lose(err error) {
	l.mu.Lock()
	l.lostCount++
	l.lostErr = err
	l.mu.Unlock()
	countLost(l.observer, lostToken)
	l.tell(false)
}

// tell logs how many tokens were lost since it last did: at once, then once in a
// while, or now.
func (l *tokenLog) tell(atOnce bool) {
	l.mu.Lock()
	count, err := l.lostCount, l.lostErr
	if count == 0 {
		l.mu.Unlock()
		return
	}
	now := l.now()
	if since := now.Sub(l.told); !atOnce && since >= 0 && since < tellPause {
		l.mu.Unlock()
		return
	}
	l.lostCount, l.lostErr, l.told = 0, nil, now
	l.mu.Unlock()
	l.logger.Warn("issued tokens not logged", "count", count, "cause", err)
}

// record returns e as it is stored. Its data is what the payload of the token does
// not say, and the payload as it is.
func (e *issuedEntry) record(retention time.Duration, room *appender.Room) (store.Record, error) {
	payload := e.encodedPayload
	const rest = 96 // names and braces, about
	data := room.Bytes(rest + len(e.proof.ID) + len(e.address) + len(e.requestID) + base64.RawURLEncoding.DecodedLen(len(payload)))
	data = append(data, `{"method":`...)
	data = appendString(data, string(e.proof.Method))
	if e.proof.ID != "" {
		data = appendMember(data, "credential", e.proof.ID)
	}
	if e.address != "" {
		data = appendMember(data, "address", tidy(e.address))
	}
	if e.requestID != "" {
		data = appendMember(data, "requestId", tidy(e.requestID))
	}
	data = append(data, `,"claims":`...)
	data, err := base64.RawURLEncoding.AppendDecode(data, []byte(payload))
	if err != nil {
		return store.Record{}, err // it was encoded a moment ago
	}
	data = append(data, '}')
	labels := append(room.Labels(2), store.Label{Key: labelClient, Value: e.clientID})
	if e.proof.ID != "" {
		labels = append(labels, store.Label{Key: labelCredential, Value: e.proof.ID})
	}
	return store.Record{
		Kind: KindToken, ID: e.id, Labels: labels,
		Sort:    timekey.Of(store.Time(e.at)),
		Expires: store.Time(e.expires.Add(retention)),
		Format:  tokenFormat, Data: data,
	}, nil
}
