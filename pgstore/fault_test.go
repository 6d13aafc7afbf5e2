package pgstore_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
	"github.com/clientele-go/clientele/store"
)

// soon is how long the tests wait for what must happen.
const soon = 30 * time.Second

// A network that goes silent ends each call with its context, and harms none
// after it works again.
func TestCutNetwork(t *testing.T) {
	url := pgtest.Database(t)
	p := pgtest.NewProxy(t, url)
	db := openURL(t, p.URL(), pgstore.Config{})
	s := tenant(t, db, "main")
	putNew(t, s, "before")
	p.Swallow()
	for says, call := range calls(s) {
		t.Run(says, func(t *testing.T) {
			const patience = 200 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begun := time.Now()
			err := call(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(begun), patience+2*time.Second)
		})
	}
	p.Heal()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := s.Get(t.Context(), "client", "before")
		require.NoError(c, err)
		_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: "after"}))
		if err != nil {
			require.ErrorIs(c, err, store.ErrExists)
		}
	}, soon, 50*time.Millisecond)
	putNew(t, s, "after")
}

// A call without a deadline of its own is given up after Config.Timeout.
func TestTimeout(t *testing.T) {
	url := pgtest.Database(t)
	p := pgtest.NewProxy(t, url)
	tenant(t, openURL(t, url, pgstore.Config{}), "main") // makes the tables, for which a second may be too little
	s := tenant(t, openURL(t, p.URL(), pgstore.Config{Timeout: time.Second}), "main")
	p.Swallow()
	for says, call := range calls(s) {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			err := call(t.Context())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "no answer from the server within Config.Timeout")
		})
	}
}

// Connections that end are replaced: reads and the beginnings of writes do not
// even fail.
func TestHungUp(t *testing.T) {
	p := pgtest.NewProxy(t, pgtest.Database(t))
	db := openURL(t, p.URL(), pgstore.Config{})
	s := tenant(t, db, "main")
	r := putNew(t, s, "x")
	for range 5 {
		p.HangUp()
		got, err := s.Get(t.Context(), "client", "x")
		require.NoError(t, err)
		require.Equal(t, r.Version, got.Version)
		p.HangUp()
		r.Version, err = s.Apply(t.Context(), store.Put(r))
		require.NoError(t, err)
	}
}

// A connection that is lost while a transaction is committed leaves the outcome
// unknown, and the error says so.
func TestLostInCommit(t *testing.T) {
	p := pgtest.NewProxy(t, pgtest.Database(t))
	// Statements are then sent as text each time.
	db := openURL(t, p.URL(), pgstore.Config{PgBouncer: true})
	s := tenant(t, db, "main")
	putNew(t, s, "before")
	p.Watch(func(data []byte) pgtest.Verdict {
		if bytes.Contains(data, []byte("COMMIT\x00")) {
			return pgtest.HangUp
		}
		return pgtest.Pass
	})
	_, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "x"}))
	require.ErrorContains(t, err, "the outcome is unknown")
	p.Watch(nil)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the server may still be at it
		_, err := s.Get(t.Context(), "client", "x")
		require.NoError(c, err)
	}, soon, 20*time.Millisecond)

	p.Watch(func(data []byte) pgtest.Verdict {
		if bytes.Contains(data, []byte("inserted AS")) {
			return pgtest.HangUp
		}
		return pgtest.Pass
	})
	_, err = s.Apply(t.Context(), store.Append(store.Record{Kind: "audit", ID: "x"}))
	require.ErrorContains(t, err, "the outcome is unknown")
}

// A program that vanishes between the two halves of a write keeps others from
// writing no longer than its Config.Timeout.
func TestVanishedWriter(t *testing.T) {
	url := pgtest.Database(t)
	p := pgtest.NewProxy(t, url)
	s := tenant(t, openURL(t, url, pgstore.Config{}), "main") // makes the tables, for which a second may be too little
	vanishing := openURL(t, p.URL(), pgstore.Config{PgBouncer: true, Timeout: time.Second})
	reached := make(chan struct{}, 1)
	p.Watch(func(data []byte) pgtest.Verdict {
		if bytes.Contains(data, []byte("COMMIT\x00")) {
			reached <- struct{}{}
			return pgtest.Freeze
		}
		return pgtest.Pass
	})
	done := make(chan error, 1)
	go func() {
		_, err := tenant(t, vanishing, "main").Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "vanishing"}))
		done <- err
	}()
	receive(t, reached)
	begun := time.Now()
	putNew(t, s, "x")
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Error(t, receive(t, done))
	_, err := s.Get(t.Context(), "client", "vanishing")
	require.ErrorIs(t, err, store.ErrNotFound)
}

// The server is killed in the midst of a load, again and again, and one of its
// processes, which it answers by ending all others. What was acknowledged is
// there whole, of the rest nothing in part, and the same DB goes on.
func TestKilledServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	server := pgtest.Start(t, nil)
	db := openURL(t, server.URL("postgres"), pgstore.Config{})
	s := tenant(t, db, "main")
	l := newLoad(t, s, 8)
	for round := range 6 {
		l.wantMore(100 + 37*round)
		if round%2 == 0 {
			server.Kill()
			server.Restart(t)
		} else {
			killBackend(t, server)
		}
	}
	l.wantMore(100)
	l.stop()
	l.check()
}

// killBackend kills a process of the server that does the DB's work.
func killBackend(t *testing.T, server *pgtest.Server) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), server.URL("postgres"))
	require.NoError(t, err)
	defer c.Close(context.WithoutCancel(t.Context()))
	var pid int
	require.NoError(t, c.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'clientele' LIMIT 1").Scan(&pid))
	require.NoError(t, pgtest.KillProcess(pid))
}

// A load writes by several goroutines, and goes on when the server is away.
type load struct {
	t     *testing.T
	s     store.Store
	ended sync.WaitGroup
	over  context.CancelFunc

	mu           sync.Mutex
	acknowledged map[string]store.Revision
	more         chan struct{} // gets one for each
	failed       atomic.Int64
}

func newLoad(t *testing.T, s store.Store, writers int) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, s: s, over: cancel, acknowledged: map[string]store.Revision{}, more: make(chan struct{})}
	for g := range writers {
		l.ended.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%06d", g, i)
				// What is in the making when the load ends is finished.
				rev, err := s.Apply(context.WithoutCancel(ctx), numbered(id)...)
				if err != nil {
					l.failed.Add(1)
					pause(ctx) // it will take a while
					continue
				}
				l.mu.Lock()
				l.acknowledged[id] = rev
				l.mu.Unlock()
				select {
				case l.more <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func pause(ctx context.Context) {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wantMore waits until n more writes were acknowledged.
func (l *load) wantMore(n int) {
	l.t.Helper()
	late := time.After(2 * soon)
	for range n {
		select {
		case <-l.more:
		case <-late:
			require.FailNow(l.t, "nothing is written anymore")
		}
	}
}

func (l *load) stop() {
	l.over()
	l.ended.Wait()
}

// numbered returns changes that are there all or none.
func numbered(id string) []store.Change {
	labels := []store.Label{{Key: "id", Value: id}, {Key: "all"}}
	data := bytes.Repeat([]byte(id), 50)
	return []store.Change{
		store.Put(store.Record{Kind: "client", ID: id, Names: []string{id}, Labels: labels, Text: id, Sort: id, Data: data}),
		store.Append(store.Record{Kind: "audit", ID: id, Labels: labels, Text: id, Sort: id, Expires: day(1), Data: data}),
	}
}

// check checks that everything is there that was acknowledged, and that whatever
// is there is whole.
func (l *load) check() {
	t := l.t
	t.Helper()
	t.Logf("%d acknowledged, %d failed", len(l.acknowledged), l.failed.Load())
	all := map[string]map[string]store.Record{}
	for _, kind := range []store.Kind{"client", "audit"} {
		all[string(kind)] = everything(t, l.s, store.Query{Kind: kind})
	}
	for id, rev := range l.acknowledged {
		require.Contains(t, all["client"], id)
		require.Equal(t, rev, all["client"][id].Version)
	}
	require.Len(t, all["audit"], len(all["client"]))
	for id := range all["client"] {
		for _, c := range numbered(id) {
			r := all[string(c.Record.Kind)][id]
			r.Version = 0
			require.Equal(t, c.Record, r)
		}
	}
	require.Len(t, everything(t, l.s, store.Query{Kind: "audit", Labels: []store.Label{{Key: "all"}}}), len(all["client"]))
	versions := map[store.Revision]bool{}
	for _, r := range all["client"] {
		require.False(t, versions[r.Version], "each Apply has its own revision")
		versions[r.Version] = true
	}
}

// everything returns all records that a query selects, by their ids.
func everything(t testing.TB, s store.Store, q store.Query) map[string]store.Record {
	t.Helper()
	all := map[string]store.Record{}
	q.Limit = store.MaxLimit
	for more := true; more; more = q.After != "" {
		page, err := s.List(t.Context(), q)
		require.NoError(t, err)
		for _, r := range page.Records {
			all[r.ID] = r
		}
		q.After = page.Next
	}
	return all
}
