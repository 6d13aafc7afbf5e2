package token

import (
	"context"
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

const (
	noticeDay = 24 * time.Hour
	// noticePasses bounds how many passes of Notify try to tell of the same.
	noticePasses = 5
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
// Of what tell fails for is tried to tell in the next passes, up to 5 in all; the
// error has that of each. A process that ends while it tells may not have told, and
// nobody does in its place: the next notice is the one to hear. A secret that was
// made less than a day before, or after, one of these times is not told of at it:
// who makes one for 30 days knows.
func (i *Issuer) Notify(ctx context.Context, tell Receiver) (told int, err error) {
	now := i.now()
	var failures []error
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
			case ctx.Err() != nil:
				return told, errors.Join(append(failures, ctx.Err())...)
			case err != nil:
				failures = append(failures, fmt.Errorf("token: notice %s: %w", notice.ID, err))
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
	for pass := 1; pass <= noticePasses; pass++ {
		id := n.ID + "." + strconv.Itoa(pass)
		err := i.appendNotice(ctx, &n, id)
		if errors.Is(err, store.ErrExists) { // somebody tells, has told, or has failed to
			_, err := i.clients.Store().Get(ctx, KindNotice, id+noticeFailed)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			if err != nil {
				return false, err
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
		// Also for who has left no time for it.
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return false, errors.Join(err, i.appendNotice(cleanup, &n, id+noticeFailed))
	}
	return false, nil
}

// noticeFailed ends the id of a record that says that a pass has failed.
const noticeFailed = ".failed"

func (i *Issuer) appendNotice(ctx context.Context, n *Notice, id string) error {
	_, err := i.clients.Store().Apply(ctx, store.Append(store.Record{
		Kind: KindNotice, ID: id,
		Labels:  []store.Label{{Key: labelClient, Value: n.ClientID}},
		Sort:    timekey.Of(n.EndsAt),
		Expires: store.Time(n.EndsAt.Add(noticeDay)),
	}))
	return err
}
