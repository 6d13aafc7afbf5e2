package storetest_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

var faults = []fault{
	{says: "nothing", wants: "Apply/makes all changes or none", store: func(next store.Store) store.Store { return next }},

	// Records.
	{says: "ids are folded", wants: "Get/takes an id byte by byte", store: rewriting(func(c *store.Change) { c.Record.ID = strings.ToLower(c.Record.ID) })},
	{says: "data is cut at 64 KiB", wants: "Limits/takes every field of a record at its limits", store: rewriting(func(c *store.Change) { c.Record.Data = c.Record.Data[:min(len(c.Record.Data), 1<<16)] })},
	{says: "times are cut to milliseconds", wants: "Get/returns a record whole, as it was put", store: rewriting(func(c *store.Change) { c.Record.Expires = c.Record.Expires.Truncate(time.Millisecond) })},
	{says: "names are sorted", wants: "Names/names come back in their order", store: rewriting(func(c *store.Change) { c.Record.Names = slices.Sorted(slices.Values(c.Record.Names)) })},
	{says: "names are folded", wants: "Names/names are compared byte by byte", store: rewriting(func(c *store.Change) {
		c.Record.Names = slices.Clone(c.Record.Names)
		for i := range c.Record.Names {
			c.Record.Names[i] = strings.ToLower(c.Record.Names[i])
		}
	})},
	{says: "names are not unique", wants: "Names/a name belongs to one record of a kind", store: rewriting(func(c *store.Change) { c.Record.Names = nil })},
	{says: "only the first name is unique", wants: "Names/each of several names is unique", store: rewriting(func(c *store.Change) { c.Record.Names = c.Record.Names[:min(1, len(c.Record.Names))] })},
	{says: "one value per label", wants: "List/finds each of several values of a label", store: rewriting(func(c *store.Change) {
		c.Record.Labels = slices.CompactFunc(slices.Clone(c.Record.Labels), func(a, b store.Label) bool { return a.Key == b.Key })
	})},
	{says: "reads come from a cache", wants: "Get/sees an Apply whole as soon as it returned", store: func(next store.Store) store.Store {
		var seen sync.Map
		return broken{Store: next, get: func(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
			if r, ok := seen.Load(id); ok {
				return r.(store.Record), nil
			}
			r, err := next.Get(ctx, kind, id)
			if err == nil {
				seen.Store(id, r)
			}
			return r, err
		}}
	}},
	{says: "the caller's slices are kept", wants: "Memory/a caller may change its slices after Apply", store: func(next store.Store) store.Store {
		given := map[string][]byte{}
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			for _, c := range changes {
				given[c.Record.ID] = c.Record.Data
			}
			return next.Apply(ctx, changes...)
		}, get: func(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
			r, err := next.Get(ctx, kind, id)
			r.Data = given[id]
			return r, err
		}}
	}},
	{says: "pages share a buffer", wants: "Memory/what was returned stays as it was", store: func(next store.Store) store.Store {
		buffer := make([]store.Record, store.MaxLimit)
		return listing(func(_ store.Query, p *store.Page) { p.Records = buffer[:copy(buffer, p.Records)] })(next)
	}},

	// Apply.
	{says: "changes are made one by one", wants: "Apply/makes all changes or none", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (last store.Revision, err error) {
			for _, c := range changes {
				rev, err := next.Apply(ctx, c)
				if err != nil {
					return 0, err
				}
				last = max(last, rev)
			}
			return last, nil
		}}
	}},
	{says: "deletions are made first", wants: "Apply/lets each change see what the ones before it did", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			return next.Apply(ctx, slices.SortedStableFunc(slices.Values(changes), func(a, b store.Change) int {
				switch {
				case a.Op == b.Op || a.Op != store.OpDelete && b.Op != store.OpDelete:
					return 0
				case a.Op == store.OpDelete:
					return -1
				}
				return 1
			})...)
		}}
	}},
	{says: "the wrong change is named", wants: "Apply/names the change that cannot be made and says why", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			rev, err := next.Apply(ctx, changes...)
			if ce, ok := errors.AsType[*store.ChangeError](err); ok {
				ce.Index = 0
			}
			return rev, err
		}}
	}},
	{says: "a conflict is retried", wants: "Races/one of 64 puts of the same version wins", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			rev, err := next.Apply(ctx, changes...)
			for errors.Is(err, store.ErrConflict) {
				r, _ := next.Get(ctx, changes[0].Record.Kind, changes[0].Record.ID)
				changes[0].Record.Version = r.Version
				rev, err = next.Apply(ctx, changes...)
			}
			return rev, err
		}}
	}},
	{says: "versions are compared before the lock is taken", wants: "Races/no increment of 64 writers is lost", store: func(next store.Store) store.Store {
		var mu sync.Mutex
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			r, _ := next.Get(ctx, changes[0].Record.Kind, changes[0].Record.ID)
			if changes[0].Record.Version != r.Version {
				return 0, &store.ChangeError{Err: store.ErrConflict}
			}
			runtime.Gosched()
			mu.Lock()
			defer mu.Unlock()
			r, _ = next.Get(ctx, changes[0].Record.Kind, changes[0].Record.ID)
			changes[0].Record.Version = r.Version
			return next.Apply(ctx, changes...)
		}}
	}},
	{says: "an append of what exists succeeds", wants: "Races/one of 64 appends of a record wins", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			rev, err := next.Apply(ctx, changes...)
			if errors.Is(err, store.ErrExists) && changes[0].Op == store.OpAppend {
				err = nil
			}
			return rev, err
		}}
	}},
	{says: "appends are puts", wants: "Versions/nothing but appends returns 0", store: rewriting(func(c *store.Change) {
		if c.Op == store.OpAppend {
			c.Op = store.OpPut
		}
	})},
	{says: "the revision is one too many", wants: "Versions/Apply returns the version of every record that it put", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			rev, err := next.Apply(ctx, changes...)
			return rev + 1, err
		}}
	}},
	{says: "what is invalid is skipped", wants: "Limits/refuses a record beyond its limits and changes nothing", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			return next.Apply(ctx, slices.DeleteFunc(slices.Clone(changes), func(c store.Change) bool { return store.Check(c) != nil })...)
		}}
	}},
	{says: "a limit is one too low", wants: "Limits/takes every field of a record at its limits", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			if len(changes[0].Record.Sort) >= store.MaxString {
				return 0, store.ErrInvalid
			}
			return next.Apply(ctx, changes...)
		}}
	}},

	// List.
	{says: "To is included", wants: "List/bounds the sort key by From, included, and To, excluded", store: querying(func(q *store.Query) {
		if q.To != "" {
			q.To += "\x01"
		}
	})},
	{says: "From is excluded", wants: "List/bounds the sort key by From, included, and To, excluded", store: querying(func(q *store.Query) {
		if q.From != "" {
			q.From += "\x01"
		}
	})},
	{says: "ExpiresTo is included", wants: "List/bounds the expiry by ExpiresFrom, included, and ExpiresTo, excluded", store: querying(func(q *store.Query) {
		if !q.ExpiresTo.IsZero() && q.ExpiresTo.Year() < 9999 {
			q.ExpiresTo = q.ExpiresTo.Add(time.Microsecond)
		}
	})},
	{says: "any label will do", wants: "List/finds what has all labels", store: querying(func(q *store.Query) { q.Labels = q.Labels[:min(1, len(q.Labels))] })},
	{says: "a search is folded", wants: "List/finds a substring of the text wherever it is", store: querying(func(q *store.Query) { q.Text = strings.ToLower(q.Text) })},
	{says: "a percent sign is a wildcard", wants: "List/takes every byte of a text literally", store: querying(func(q *store.Query) { q.Text = strings.Trim(q.Text, "%") })},
	{says: "the page is counted", wants: "List/counts what is selected, whatever the page", store: listing(func(q store.Query, p *store.Page) { p.Total = min(p.Total, len(p.Records)) })},
	{says: "there is always a Next", wants: "Pages/has no Next at the end, and only there", store: listing(func(q store.Query, p *store.Page) {
		if n := len(p.Records); n > 0 {
			p.Next = store.At(p.Records[n-1])
		}
	})},
	{says: "a cursor is an offset", wants: "Pages/neither skips nor repeats while records come and go", store: func(next store.Store) store.Store {
		offsets := map[store.Cursor]int{}
		return broken{Store: next, list: func(ctx context.Context, q store.Query) (store.Page, error) {
			if n, ok := offsets[q.After]; ok {
				q.After, q.Offset = "", n+q.Offset
			}
			p, err := next.List(ctx, q)
			if p.Next != "" {
				offsets[p.Next] = q.Offset + len(p.Records)
			}
			return p, err
		}}
	}},
	{says: "a cursor that is no good is the beginning", wants: "Pages/refuses a cursor that was tampered with", store: querying(func(q *store.Query) {
		if _, _, err := q.After.Position(); err != nil {
			q.After = ""
		}
	})},
	{says: "ties come in any order", wants: "Order/orders what has the same sort key by the bytes of the id", store: listing(func(q store.Query, p *store.Page) {
		slices.SortStableFunc(p.Records, func(a, b store.Record) int { return strings.Compare(a.Sort, b.Sort)*4 - len(a.ID) + len(b.ID) })
	})},
	{says: "order follows UTF-16", wants: "Order/orders by the bytes of the sort key", store: listing(func(q store.Query, p *store.Page) {
		slices.SortFunc(p.Records, func(a, b store.Record) int {
			return slices.Compare([]rune(utf16Order(a.Sort)), []rune(utf16Order(b.Sort)))
		})
	})},
	{says: "a page is read in two halves", wants: "Races/a page shows one moment", store: func(next store.Store) store.Store {
		return broken{Store: next, list: func(ctx context.Context, q store.Query) (store.Page, error) {
			half := q
			half.Limit = 10
			p, err := next.List(ctx, half)
			if err != nil || p.Next == "" {
				return p, err
			}
			runtime.Gosched()
			q.After = p.Next
			rest, err := next.List(ctx, q)
			p.Records, p.Next = append(p.Records, rest.Records...), rest.Next
			return p, err
		}}
	}},

	// Changes.
	{says: "deletions are not told", wants: "Changes/says that a record was deleted", store: telling(func(_ int, f *store.Feed) {
		f.Changed = slices.DeleteFunc(f.Changed, func(c store.Changed) bool { return c.Deleted })
	})},
	{says: "the feed is turned round", wants: "Changes/says what was put and deleted after a revision, in order", store: telling(func(_ int, f *store.Feed) { slices.Reverse(f.Changed) })},
	{says: "a revision is split", wants: "Changes/never splits a revision, and says if there is more", store: telling(func(limit int, f *store.Feed) {
		if limit > 0 && len(f.Changed) > limit {
			f.Changed, f.More = f.Changed[:limit], true
			f.Revision = f.Changed[limit-1].Revision
		}
	})},
	{says: "there is never More", wants: "Changes/never splits a revision, and says if there is more", store: telling(func(_ int, f *store.Feed) { f.More = false })},
	{says: "the feed ends later than it was read", wants: "Changes/misses nothing while others write", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			f, err := next.Changes(ctx, since, wait, limit)
			if err == nil && !f.More {
				runtime.Gosched()
				latest, _ := next.Changes(ctx, store.Latest, 0, 0)
				f.Revision = latest.Revision
			}
			return f, err
		}}
	}},
	{says: "a future revision is the latest", wants: "Changes/fails with ErrTooOld for a revision that was not given yet", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			f, err := next.Changes(ctx, since, wait, limit)
			if errors.Is(err, store.ErrTooOld) {
				return next.Changes(ctx, store.Latest, 0, limit)
			}
			return f, err
		}}
	}},
	{says: "nobody is woken", wants: "Waiting/is woken by a put", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			f, err := next.Changes(ctx, since, 0, limit)
			if err != nil || len(f.Changed) > 0 || wait <= 0 || since == store.Latest {
				return f, err
			}
			select {
			case <-time.After(wait):
				return next.Changes(ctx, since, 0, limit)
			case <-ctx.Done():
				return f, ctx.Err()
			}
		}}
	}},
	{says: "nobody waits", wants: "Waiting/waits as long as it may, then returns nothing", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, _ time.Duration, limit int) (store.Feed, error) {
			return next.Changes(ctx, since, 0, limit)
		}}
	}},
	{says: "a long wait overflows", wants: "Waiting/waits for as long as can be said", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			return next.Changes(ctx, since, wait+time.Second, limit)
		}}
	}},

	// Sweep.
	{says: "Sweep includes its time", wants: "Sweep/drops what expired before a time, and nothing else", store: func(next store.Store) store.Store {
		return broken{Store: next, sweep: func(ctx context.Context, before time.Time, limit int) (int, error) {
			return next.Sweep(ctx, before.Add(time.Microsecond), limit)
		}}
	}},
	{says: "Sweep cuts its time to microseconds", wants: "Sweep/takes any time", store: func(next store.Store) store.Store {
		return broken{Store: next, sweep: func(ctx context.Context, before time.Time, limit int) (int, error) {
			return next.Sweep(ctx, store.Time(before), limit)
		}}
	}},
	{says: "Sweep has no limit", wants: "Sweep/drops at most limit records, 100 if it is 0, and says how many", store: func(next store.Store) store.Store {
		return broken{Store: next, sweep: func(ctx context.Context, before time.Time, _ int) (int, error) {
			return next.Sweep(ctx, before, store.MaxLimit)
		}}
	}},

	// Contexts.
	{says: "contexts do not count", wants: "Contexts/a context that was cancelled before changes nothing", store: func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			return next.Apply(context.WithoutCancel(ctx), changes...)
		}}
	}},
	{says: "waiting does not end with its context", wants: "Waiting/ends with its context", store: func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			return next.Changes(context.WithoutCancel(ctx), since, wait, limit)
		}}
	}},

	// Several opens, on stores that are kept in a map.
	{says: "nothing", wants: "Two at once", open: func() opener { return kept(both, as) }},
	{says: "nothing", wants: "Reopen/keeps what List finds, and its order", open: func() opener { return kept(both, as) }},
	{says: "tenants are one", wants: "Tenants/share no ids", open: func() opener {
		return kept(func(dir, _ string) string { return dir }, as)
	}},
	{says: "tenants share revisions", wants: "Tenants/share no revisions and no feed", open: func() opener {
		return kept(func(dir, _ string) string { return dir }, as)
	}},
	{says: "a second open is a copy", wants: "Two at once/what one acknowledged the other sees", open: func() opener { return kept(both, copied) }},
	{says: "a restart forgets", wants: "Reopen/keeps every record whole", open: func() opener {
		return kept(both, func(*memstore.Store) *memstore.Store { return memstore.New() })
	}},
	{says: "a restart counts anew", wants: "Reopen/keeps counting revisions, also past what is gone", open: func() opener { return kept(both, copied) }},
	{says: "a restart loses deletions", wants: "Reopen/keeps the feed, with its deletions", open: func() opener { return kept(both, copied) }},
	{says: "close does nothing", wants: "Close/every method fails with ErrClosed", open: func() opener {
		return func(testing.TB, string, string) (store.Store, func() error) {
			return memstore.New(), func() error { return nil }
		}
	}},
	{says: "close wakes nobody", wants: "Close/who waits in Changes is woken with ErrClosed", open: func() opener { return kept(both, as) }},
}

// utf16Order maps s so that its runes compare as UTF-16 does: surrogates come
// before U+E000.
func utf16Order(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xE000 && r <= 0xFFFF {
			return r + 0x100000
		}
		return r
	}, s)
}
