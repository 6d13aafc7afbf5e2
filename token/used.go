package token

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/store"
)

// maxUsed bounds how many credentials are remembered with the hour in which they
// were last used, about. Beyond that the store is asked anew.
const maxUsed = 100_000

// A usedCredential is one among those of all clients.
type usedCredential struct{ clientID, id string }

// usedHours remembers which credentials need not be said to be in use, since that
// was written in this hour. Its zero value remembers nothing.
type usedHours struct {
	mu         sync.Mutex
	young, old map[usedCredential]int64 // hours since 1970
}

// first reports whether c was not used in that hour before, and remembers it.
func (u *usedHours) first(c usedCredential, hour int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.young[c]; ok && last == hour {
		return false
	}
	if last, ok := u.old[c]; ok && last == hour {
		return false
	}
	if len(u.young) >= maxUsed/2 {
		u.old, u.young = u.young, nil
	}
	if u.young == nil {
		u.young = map[usedCredential]int64{}
	}
	u.young[c] = hour
	return true
}

// forget undoes what first remembered.
func (u *usedHours) forget(c usedCredential) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.young, c)
	delete(u.old, c)
}

// use has it kept that a credential was used at that time, if it is the first time in
// its hour.
func (l *tokenLog) use(c usedCredential, at time.Time) {
	if c.id == "" || !l.used.first(c, at.Unix()/int64(time.Hour/time.Second)) {
		return
	}
	record := client.UsedRecord(c.clientID, c.id, at, l.retention)
	written := l.appender.AddFunc(func(ctx context.Context, _ *appender.Room) (store.Record, bool) {
		// After a start, or from another instance, it may be there; to have it
		// refused would cost its batch a second attempt.
		_, err := l.store.Get(ctx, record.Kind, record.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			l.used.forget(c)
		}
		return record, errors.Is(err, store.ErrNotFound)
	})
	if !written {
		l.used.forget(c)
		countLost(l.observer, lostUse)
	}
}
