package storetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

// A fault is one way to break a store, and the sentence of the suite that must
// then turn red.
type fault struct {
	says  string
	wants string // group/sentence
	store func(next store.Store) store.Store
	open  func() opener // instead of store, if there is more than one to open
}

// An opener is what storetest.Config.Open is.
type opener func(t testing.TB, dir, tenant string) (store.Store, func() error)

// key names a fault in the environment.
func (f fault) key() string { return f.says + ": " + f.wants }

// A broken store is one whose methods are replaced where they are not nil.
type broken struct {
	store.Store
	get     func(ctx context.Context, kind store.Kind, id string) (store.Record, error)
	list    func(ctx context.Context, q store.Query) (store.Page, error)
	apply   func(ctx context.Context, changes []store.Change) (store.Revision, error)
	changes func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error)
	sweep   func(ctx context.Context, before time.Time, limit int) (int, error)
}

func (b broken) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if b.get == nil {
		return b.Store.Get(ctx, kind, id)
	}
	return b.get(ctx, kind, id)
}

func (b broken) List(ctx context.Context, q store.Query) (store.Page, error) {
	if b.list == nil {
		return b.Store.List(ctx, q)
	}
	return b.list(ctx, q)
}

func (b broken) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if b.apply == nil {
		return b.Store.Apply(ctx, changes...)
	}
	return b.apply(ctx, changes)
}

func (b broken) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if b.changes == nil {
		return b.Store.Changes(ctx, since, wait, limit)
	}
	return b.changes(ctx, since, wait, limit)
}

func (b broken) Sweep(ctx context.Context, before time.Time, limit int) (int, error) {
	if b.sweep == nil {
		return b.Store.Sweep(ctx, before, limit)
	}
	return b.sweep(ctx, before, limit)
}

// rewriting breaks what is written: change sees each change first.
func rewriting(change func(c *store.Change)) func(store.Store) store.Store {
	return func(next store.Store) store.Store {
		return broken{Store: next, apply: func(ctx context.Context, changes []store.Change) (store.Revision, error) {
			changes = slices.Clone(changes)
			for i := range changes {
				change(&changes[i])
			}
			return next.Apply(ctx, changes...)
		}}
	}
}

// querying breaks what is asked for.
func querying(change func(q *store.Query)) func(store.Store) store.Store {
	return func(next store.Store) store.Store {
		return broken{Store: next, list: func(ctx context.Context, q store.Query) (store.Page, error) {
			change(&q)
			return next.List(ctx, q)
		}}
	}
}

// listing breaks what is found.
func listing(change func(q store.Query, p *store.Page)) func(store.Store) store.Store {
	return func(next store.Store) store.Store {
		return broken{Store: next, list: func(ctx context.Context, q store.Query) (store.Page, error) {
			p, err := next.List(ctx, q)
			change(q, &p)
			return p, err
		}}
	}
}

// telling breaks the feed.
func telling(change func(limit int, f *store.Feed)) func(store.Store) store.Store {
	return func(next store.Store) store.Store {
		return broken{Store: next, changes: func(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
			f, err := next.Changes(ctx, since, wait, limit)
			change(limit, &f)
			return f, err
		}}
	}
}

// kept opens stores that outlive their close, by dir and tenant; key says which
// are the same, and reopen may break what is there already.
func kept(key func(dir, tenant string) string, reopen func(*memstore.Store) *memstore.Store) opener {
	stores := map[string]*memstore.Store{}
	return func(_ testing.TB, dir, tenant string) (store.Store, func() error) {
		k := key(dir, tenant)
		if s, ok := stores[k]; ok {
			stores[k] = reopen(s)
		} else {
			stores[k] = memstore.New()
		}
		return closing(stores[k])
	}
}

// closing lets a store outlive its close.
func closing(next store.Store) (store.Store, func() error) {
	shell := memstore.New() // knows how to be closed
	usable := func(ctx context.Context) error {
		_, err := shell.Changes(ctx, store.Latest, 0, 0)
		return err
	}
	b := broken{Store: next}
	b.get = func(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
		if err := usable(ctx); err != nil {
			return store.Record{}, err
		}
		return next.Get(ctx, kind, id)
	}
	return b, shell.Close
}

func both(dir, tenant string) string { return dir + "/" + tenant }

func as(s *memstore.Store) *memstore.Store { return s }

// copied is a restore that keeps the records and nothing else.
func copied(old *memstore.Store) *memstore.Store {
	fresh := memstore.New()
	for _, kind := range []store.Kind{"client", "audit", "other", "ladder"} {
		p, err := old.List(context.Background(), store.Query{Kind: kind, Limit: store.MaxLimit})
		if err != nil {
			panic(err)
		}
		for _, r := range p.Records {
			c := store.Append(r)
			if r.Version > 0 {
				r.Version = 0
				c = store.Put(r)
			}
			if _, err := fresh.Apply(context.Background(), c); err != nil {
				panic(err)
			}
		}
	}
	return fresh
}

// TestSuite runs the suite against a store with the fault that the environment
// names, as a child of TestFaults.
func TestSuite(t *testing.T) {
	name := os.Getenv("STORETEST_FAULT")
	if name == "" {
		t.Skip("runs as a child of TestFaults")
	}
	i := slices.IndexFunc(faults, func(f fault) bool { return f.key() == name })
	if i < 0 {
		t.Fatalf("no fault %q", name)
	}
	cfg := storetest.Config{Volatile: faults[i].open == nil}
	if faults[i].open != nil {
		cfg.Open = faults[i].open()
	} else {
		cfg.Open = func(testing.TB, string, string) (store.Store, func() error) {
			s := memstore.New()
			return faults[i].store(s), s.Close
		}
	}
	storetest.Run(t, cfg)
}

// TestFaults breaks a store in every way that it knows, and sees the suite turn
// red where it should.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.key(), func(t *testing.T) {
			t.Parallel()
			wantSeen(t, f, "TestSuite")
		})
	}
}

// wantSeen runs the sentence that a fault breaks in another process, in which suite
// runs the suite with that fault.
func wantSeen(t *testing.T, f fault, suite string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pattern := "^" + suite + "$"
	group, sentence, grouped := strings.Cut(f.wants, "/")
	if grouped {
		pattern += "/^" + underscored(group) + "$"
	} else {
		sentence = f.wants
	}
	pattern += "/^" + regexp.QuoteMeta(underscored(sentence))
	sound := f.says == "nothing"
	// Who waits for what never comes, fails by the timeout; who loses a race once
	// in a while, has several chances.
	args := []string{"-test.run=" + pattern, "-test.v", "-test.failfast", "-test.timeout=3s", "-test.count=3"}
	if sound {
		args = append(args, "-test.timeout=5m")
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	tmp := t.TempDir() // which a child that is ended by the timeout leaves as it is
	cmd.Env = append(os.Environ(), "STORETEST_FAULT="+f.key(), "TMPDIR="+tmp, "TMP="+tmp)
	output, err := cmd.CombinedOutput()
	ran := strings.Contains(string(output), "=== RUN   "+suite+"/"+underscored(f.wants))
	if _, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
		t.Fatal(err)
	}
	switch {
	case !ran:
		t.Errorf("no such sentence: %s", f.wants)
	case !sound && err == nil:
		t.Errorf("the suite does not see it: %s", f.wants)
	case sound && err != nil:
		t.Errorf("the suite is red with nothing broken:\n%s", output)
	}
}

// underscored is how package testing writes the name of a test.
func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }
