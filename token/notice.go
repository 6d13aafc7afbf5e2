package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// KindNotice is the kind of the records that say of which end of a credential
// somebody was told. They are appended, and each has an expiry.
const KindNotice store.Kind = "notice"

// stages are how many days ahead of its end a credential is told of.
var stages = [...]int{1, 7, 14, 30}

// pauses are how long after a failure a notice is tried to tell again, at the
// earliest: once in the next pass, since a setting was wrong perhaps, and then so
// that an outage of most of a day loses none, however many instances make passes.
// That is less than the time from one stage to the next.
var pauses = [...]time.Duration{0, time.Hour, 4 * time.Hour, 12 * time.Hour}

const (
	noticeDay = 24 * time.Hour
	// noticeTries bounds how often it is tried to tell of the same.
	noticeTries = len(pauses) + 1
	// noticeFailures is how many failures in a row end a pass: whoever is told is
	// away, and waiting for that once more for each of thousands takes hours.
	noticeFailures = 10
)

// A Notice tells that a secret or a certificate of an API client ends soon. It
// holds nothing that proves anything.
type Notice struct {
	ID string `json:"id"` // unique; the same if it is told of again

	ClientID   string            `json:"clientId"`
	ClientName string            `json:"clientName"`
	Labels     map[string]string `json:"labels,omitempty"` // of the client: its owner, perhaps; read-only

	Kind       string    `json:"kind"`       // NoticeSecret or NoticeCertificate
	Credential string    `json:"credential"` // the id of the secret, or the thumbprint of the key
	EndsAt     time.Time `json:"endsAt"`     // in UTC
	// Days is which notice it is: the one of 30, 14, 7 or 1 days ahead.
	Days int `json:"days"`
}

// What a Notice is about.
const (
	NoticeSecret      = "secret"
	NoticeCertificate = "certificate"
)

// A Receiver is told of credentials that end soon. LogNotices and Webhook.Notify
// are two.
type Receiver func(ctx context.Context, n Notice) error

// LogNotices returns a Receiver that logs at Warn, with the message "credential
// expires soon" and the attributes client_id, client_name, kind, credential,
// expires_at and days. Nil means slog.Default().
func LogNotices(logger *slog.Logger) Receiver {
	if logger == nil {
		logger = slog.Default()
	}
	return func(ctx context.Context, n Notice) error {
		logger.LogAttrs(ctx, slog.LevelWarn, "credential expires soon",
			slog.String("client_id", n.ClientID), slog.String("client_name", n.ClientName),
			slog.String("kind", n.Kind), slog.String("credential", n.Credential),
			slog.Time("expires_at", n.EndsAt), slog.Int("days", n.Days))
		return nil
	}
}

// Notify tells tell of each secret and certificate of an enabled client that ends
// within 30, 14, 7 or 1 days: once for each of these, over all processes with the
// same store, and only of the nearest if several have begun since the last pass. A
// program calls it now and then, once an hour say. It returns how many were told of.
//
// What tell fails for is tried again: in the next pass, and then when 1, 4 and 12
// hours have gone by since it failed last; that is 5 times in all, and the last error
// says so. The error has that of each. Ten failures in a row end a pass: the others are
// for the next one. A process that ends while it tells may not have told, and nobody
// does in its place: the next notice is the one to hear. A secret that was made less
// than a day before, or after, one of these times is not told of at it: who makes one
// for 30 days knows.
func (i *Issuer) Notify(ctx context.Context, tell Receiver) (told int, err error) {
	now := i.now()
	var failures []error
	inARow := 0
	var after store.Cursor
	for {
		ending, next, err := i.clients.Expiring(ctx, now, now.Add(time.Duration(stages[len(stages)-1])*noticeDay+1), after, 0)
		if err != nil {
			return told, errors.Join(append(failures, fmt.Errorf("token: looking for credentials that end: %w", err))...)
		}
		for n := range ending {
			notice, ok := noticeOf(&ending[n], now)
			if !ok {
				continue
			}
			ok, err := i.tellOnce(ctx, tell, notice)
			switch {
			case ok:
				told++
				inARow = 0
			case ctx.Err() != nil:
				return told, errors.Join(append(failures, ctx.Err())...)
			case err != nil:
				failures = append(failures, fmt.Errorf("token: notice %s: %w", notice.ID, err))
				if inARow++; inARow == noticeFailures {
					return told, errors.Join(append(failures, fmt.Errorf("token: %d failures in a row: other notices are left to the next pass", inARow))...)
				}
			}
		}
		if after = next; after == "" {
			return told, errors.Join(failures...)
		}
	}
}

// noticeOf returns what is to be told of a credential at now, if anything is.
func noticeOf(e *client.Expiring, now time.Time) (Notice, bool) {
	left := e.EndsAt.Sub(now)
	if e.Client.Disabled || left <= 0 {
		return Notice{}, false
	}
	n := Notice{ClientID: e.Client.ID, ClientName: e.Client.Name, Labels: e.Client.Labels, EndsAt: e.EndsAt.UTC()}
	for _, days := range stages {
		if left <= time.Duration(days)*noticeDay {
			n.Days = days
			break
		}
	}
	if n.Days == 0 {
		return Notice{}, false
	}
	if e.Secret != nil {
		began := e.EndsAt.Add(-time.Duration(n.Days) * noticeDay)
		if began.Before(e.Secret.CreatedAt.Add(noticeDay)) {
			return Notice{}, false
		}
		n.Kind, n.Credential = NoticeSecret, e.Secret.ID
	} else {
		n.Kind, n.Credential = NoticeCertificate, e.Key.Thumbprint()
	}
	// An end that was brought forward is another one. No part has a '.'.
	n.ID = n.ClientID + "." + n.Kind + "." + n.Credential + "." +
		strconv.FormatInt(n.EndsAt.Unix(), 10) + "." + strconv.Itoa(n.Days)
	return n, true
}

// tellOnce tells of n, if nobody has or does, and reports whether that was so and
// went well.
func (i *Issuer) tellOnce(ctx context.Context, tell Receiver, n Notice) (bool, error) {
	for try := 1; try <= noticeTries; try++ {
		id := n.ID + "." + strconv.Itoa(try)
		err := i.appendNotice(ctx, &n, id, nil)
		if errors.Is(err, store.ErrExists) { // somebody tells, has told, or has failed to
			failed, err := i.noticeFailedAt(ctx, id)
			if failed.IsZero() || err != nil {
				return false, err
			}
			if try < noticeTries && i.now().Before(failed.Add(pauses[try-1])) {
				return false, nil
			}
			continue
		}
		if err != nil {
			return false, err
		}
		err = tell(ctx, n)
		if err == nil {
			return true, nil
		}
		if try == noticeTries {
			err = fmt.Errorf("given up: %w", err)
		}
		// Also for who has left no time for it.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		at, unlikely := json.Marshal(store.Time(i.now()))
		return false, errors.Join(err, unlikely, i.appendNotice(cleanup, &n, id+noticeFailed, at))
	}
	return false, nil
}

// noticeFailed ends the id of a record that says that a try has failed, and when: its
// data is the JSON of that time.
const (
	noticeFailed = ".failed"
	noticeFormat = 1
)

// noticeFailedAt returns when the try with that id failed; zero if it did not.
func (i *Issuer) noticeFailedAt(ctx context.Context, id string) (at time.Time, err error) {
	record, err := i.clients.Store().Get(ctx, KindNotice, id+noticeFailed)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err == nil {
		err = json.Unmarshal(record.Data, &at)
	}
	return at, err
}

func (i *Issuer) appendNotice(ctx context.Context, n *Notice, id string, data []byte) error {
	_, err := i.clients.Store().Apply(ctx, store.Append(store.Record{
		Kind: KindNotice, ID: id,
		Labels:  []store.Label{{Key: labelClient, Value: n.ClientID}},
		Sort:    timekey.Of(n.EndsAt),
		Expires: store.Time(n.EndsAt.Add(noticeDay)),
		Format:  noticeFormat, Data: data,
	}))
	return err
}
