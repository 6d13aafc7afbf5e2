package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

var (
	noon    = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	ada     = audit.Actor{Kind: audit.Person, ID: "u-1", Name: "Ada", Address: "192.0.2.7", Request: "r-1"}
	subject = audit.Subject{Kind: "client", ID: "c-1", Name: "Nightly report"}
)

// newLog returns a Log in which it is noon, and its store.
func newLog(t *testing.T, cfg audit.Config) (*audit.Log, store.Store) {
	t.Helper()
	if cfg.Store == nil {
		s := memstore.New()
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		cfg.Store = s
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	log, err := audit.NewLog(cfg)
	require.NoError(t, err)
	return log, cfg.Store
}

// write makes an event of e and saves it.
func write(t *testing.T, log *audit.Log, s store.Store, actor audit.Actor, e audit.Entry) {
	t.Helper()
	event, err := log.Change(audit.WithActor(t.Context(), actor), e)
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), event.Change)
	require.NoError(t, err)
}

// only returns the one event of log.
func only(t *testing.T, log *audit.Log) audit.Event {
	t.Helper()
	page, err := log.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	return page.Events[0]
}

func TestNewLogRefuses(t *testing.T) {
	_, err := audit.NewLog(audit.Config{})
	require.ErrorContains(t, err, "Config.Store is missing")
	_, err = audit.NewLog(audit.Config{Store: memstore.New(), Retention: audit.Retention{Events: -1}})
	require.ErrorContains(t, err, "Config.Retention.Events is -1ns, want zero (for ever) or more")
	_, err = audit.NewLog(audit.Config{Store: memstore.New(), Retention: audit.Retention{Denials: -1}})
	require.ErrorContains(t, err, "Config.Retention.Denials is -1ns, want zero (for 720h0m0s) or more")
	_, err = audit.NewLog(audit.Config{Store: memstore.New(), Retention: audit.Retention{Tokens: -1}})
	require.ErrorContains(t, err, "Config.Retention.Tokens is -1ns, want zero (for 720h0m0s) or more")
}

func TestALogSaysWhatIsKeptForHowLong(t *testing.T) {
	for _, c := range []struct {
		name        string
		given, want audit.Retention
	}{
		{"by default", audit.Retention{}, audit.Retention{Denials: audit.DefaultDenials, Tokens: audit.DefaultTokens}},
		{"as chosen", audit.Retention{Events: 3, Denials: 2, Tokens: 1}, audit.Retention{Events: 3, Denials: 2, Tokens: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, _ := newLog(t, audit.Config{Retention: c.given})
			require.Equal(t, c.want, log.Retention())
		})
	}
}

func TestEventIsWrittenWithItsChange(t *testing.T) {
	berlin := time.FixedZone("", 3600)
	log, s := newLog(t, audit.Config{
		Now:  func() time.Time { return noon.Add(1234567).In(berlin) },
		Rand: bytes.NewReader(make([]byte, 10)),
	})
	event, err := log.Change(audit.WithActor(t.Context(), ada), audit.Entry{
		Action:  "client.edit",
		Subject: subject,
		Before:  map[string]string{"name": "a"},
		After:   map[string]string{"name": "b"},
	})
	require.NoError(t, err)
	revision, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: "c-1"}), event.Change)
	require.NoError(t, err)
	require.Positive(t, revision)

	got := only(t, log)
	require.Equal(t, audit.Event{
		ID:      "06ebhe0u040000000000000000",
		Time:    noon.Add(1234 * time.Microsecond),
		Actor:   ada,
		Action:  "client.edit",
		Subject: subject,
		Before:  json.RawMessage(`{"name":"a"}`),
		After:   json.RawMessage(`{"name":"b"}`),
	}, got)

	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"id":"06ebhe0u040000000000000000","time":"2026-03-04T12:00:00.001234Z",
		"actor":{"kind":"person","id":"u-1","name":"Ada","address":"192.0.2.7","request":"r-1"},
		"action":"client.edit","subject":{"kind":"client","id":"c-1","name":"Nightly report"},
		"before":{"name":"a"},"after":{"name":"b"}}`, string(encoded))
}

func TestNoEventWithoutItsChange(t *testing.T) {
	log, s := newLog(t, audit.Config{})
	event, err := log.Change(audit.WithActor(t.Context(), ada), audit.Entry{Action: "client.delete", Subject: subject})
	require.NoError(t, err)
	_, err = s.Apply(t.Context(), store.Delete("client", "c-1", 7), event.Change)
	require.ErrorIs(t, err, store.ErrNotFound)
	page, err := log.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Empty(t, page.Events)
}

func TestChangeRefuses(t *testing.T) {
	broken := errors.New("no randomness")
	for _, c := range []struct {
		name  string
		cfg   audit.Config
		actor audit.Actor
		entry audit.Entry
		want  string
	}{
		{"a context without actor", audit.Config{}, audit.Actor{}, audit.Entry{Action: "client.add", Subject: subject}, "no actor in the context"},
		{"an entry without action", audit.Config{}, ada, audit.Entry{Subject: subject}, "needs an action"},
		{"an entry without a kind of subject", audit.Config{}, ada, audit.Entry{Action: "client.add", Subject: audit.Subject{ID: "c"}}, "a kind of subject"},
		{"a value before that JSON cannot hold", audit.Config{}, ada, audit.Entry{Action: "client.add", Subject: subject, Before: func() {}}, "client.add: encode what was before"},
		{"a value after that JSON cannot hold", audit.Config{}, ada, audit.Entry{Action: "client.add", Subject: subject, After: make(chan int)}, "client.add: encode what is after"},
		{"to make ids without randomness", audit.Config{Rand: iotest.ErrReader(broken)}, ada, audit.Entry{Action: "client.add", Subject: subject}, "no randomness"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, _ := newLog(t, c.cfg)
			_, err := log.Change(audit.WithActor(t.Context(), c.actor), c.entry)
			require.ErrorContains(t, err, c.want)
			if c.actor == (audit.Actor{}) {
				require.ErrorIs(t, err, audit.ErrNoActor)
			}
		})
	}
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		name      string
		retention time.Duration
		swept     time.Time
		left      int
	}{
		{"zero keeps events for ever", 0, noon.AddDate(5000, 0, 0), 1},
		{"an event stays until its time is over", time.Hour, noon.Add(time.Hour), 1},
		{"an event goes when its time is over", time.Hour, noon.Add(time.Hour + time.Microsecond), 0},
		{"parts of a microsecond do not count", time.Hour + 999, noon.Add(time.Hour + time.Microsecond), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, s := newLog(t, audit.Config{Retention: audit.Retention{Events: c.retention}})
			write(t, log, s, ada, audit.Entry{Action: "client.add", Subject: subject})
			_, err := s.Sweep(t.Context(), c.swept, 0)
			require.NoError(t, err)
			page, err := log.List(t.Context(), audit.Filter{})
			require.NoError(t, err)
			require.Len(t, page.Events, c.left)
		})
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		name  string
		value any
		want  string // "" for nil
	}{
		{"nil is left out", nil, ""},
		{"a value is kept as JSON", []int{1, 2}, "[1,2]"},
		{"JSON is kept", json.RawMessage(`{"a": 1}`), `{"a":1}`},
		{"a type decides what it shows", redacted{"s3cret"}, `"[redacted]"`},
		{"the largest value is kept", strings.Repeat("x", audit.MaxValue-2), `"` + strings.Repeat("x", audit.MaxValue-2) + `"`},
		{"a larger one is replaced by a note", strings.Repeat("x", audit.MaxValue-1), `{"omitted":{"bytes":262145,"limit":262144}}`},
		{"what escaping makes larger, too", json.RawMessage(`"` + strings.Repeat("<", audit.MaxValue/2) + `"`), `{"omitted":{"bytes":786434,"limit":262144}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, s := newLog(t, audit.Config{})
			write(t, log, s, ada, audit.Entry{Action: "client.edit", Subject: subject, Before: c.value, After: c.value})
			event := only(t, log)
			if c.want == "" {
				require.Nil(t, event.Before)
				require.Nil(t, event.After)
				return
			}
			require.Equal(t, c.want, string(event.Before))
			require.Equal(t, c.want, string(event.After))
		})
	}
}

type redacted struct{ secret string }

func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

func TestStringsAreCleaned(t *testing.T) {
	long := strings.Repeat("x", store.MaxString)
	for _, c := range []struct{ name, given, want string }{
		{"what is sound stays", "Ada Lovelace, Ünïcödé 🙂 עברית", "Ada Lovelace, Ünïcödé 🙂 עברית"},
		{"NUL is replaced", "a\x00b", "a\ufffdb"},
		{"line breaks are replaced", "a\r\nb", "a\ufffd\ufffdb"},
		{"control characters of Latin-1 are replaced", "a\u0085b", "a\ufffdb"},
		{"invalid UTF-8 is replaced", "a\xff\xc3b", "a\ufffd\ufffdb"},
		{"the longest stays", long, long},
		{"one byte more is cut", long + "x", long[:store.MaxString-3] + "…"},
		{"a megabyte is cut", strings.Repeat("x", 1<<20), long[:store.MaxString-3] + "…"},
		{"no character is cut in two", strings.Repeat("x", store.MaxString-5) + "🙂🙂", strings.Repeat("x", store.MaxString-5) + "…"},
		{"what cleaning makes longer is cut", strings.Repeat("\x00", store.MaxString), strings.Repeat("\ufffd", store.MaxString/3-1) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, s := newLog(t, audit.Config{})
			write(t, log, s,
				audit.Actor{Kind: c.given, ID: c.given, Name: c.given, Address: c.given, Request: c.given},
				audit.Entry{Action: c.given, Subject: audit.Subject{Kind: c.given, ID: c.given, Name: c.given}})
			event := only(t, log)
			require.Equal(t, audit.Actor{Kind: c.want, ID: c.want, Name: c.want, Address: c.want, Request: c.want}, event.Actor)
			require.Equal(t, c.want, event.Action)
			require.Equal(t, audit.Subject{Kind: c.want, ID: c.want, Name: c.want}, event.Subject)
			require.LessOrEqual(t, len(event.Action), store.MaxString)

			page, err := log.List(t.Context(), audit.Filter{
				ActorKind: c.given, ActorID: c.given, Request: c.given, Action: c.given, SubjectKind: c.given, SubjectID: c.given,
			})
			require.NoError(t, err)
			require.Len(t, page.Events, 1, "who looks for what was given finds what was kept")
		})
	}
}

func TestEventsOfManyGoroutinesHaveIDsOfTheirOwn(t *testing.T) {
	log, s := newLog(t, audit.Config{})
	ctx := audit.WithActor(t.Context(), ada)
	var wg sync.WaitGroup
	failed := make(chan error, 64)
	for range 64 {
		wg.Go(func() {
			event, err := log.Change(ctx, audit.Entry{Action: "client.add", Subject: subject})
			if err == nil {
				_, err = s.Apply(ctx, event.Change)
			}
			failed <- err
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	page, err := log.List(ctx, audit.Filter{Count: true})
	require.NoError(t, err)
	require.Equal(t, 64, page.Total)
}

func FuzzChange(f *testing.F) {
	f.Add("person", "u-1", "Ada", "client.add", "client", []byte(`{"a":1}`))
	f.Add("p\x00", "\xff", strings.Repeat("\ufdfa", 600), "a\nb", strings.Repeat("\x00", 2000), []byte(`"`+strings.Repeat("<", 300000)+`"`))
	f.Fuzz(func(t *testing.T, kind, id, name, action, subjectKind string, value []byte) {
		log, err := audit.NewLog(audit.Config{Store: memstore.New(), Retention: audit.Retention{Events: time.Hour}})
		require.NoError(t, err)
		ctx := audit.WithActor(context.Background(), audit.Actor{Kind: kind, ID: id, Name: name, Address: name, Request: id})
		pending, err := log.Change(ctx, audit.Entry{
			Action:  action,
			Subject: audit.Subject{Kind: subjectKind, ID: id, Name: name},
			Before:  string(value), After: value,
		})
		if kind == "" || id == "" && name == "" || action == "" || subjectKind == "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.NoError(t, store.Check(pending.Change), "no string makes a change fail")
		var event audit.Event
		require.NoError(t, json.Unmarshal(pending.Change.Record.Data, &event))
		require.True(t, utf8.ValidString(event.Actor.Name))
	})
}

func BenchmarkChange(b *testing.B) {
	log, err := audit.NewLog(audit.Config{Store: memstore.New()})
	require.NoError(b, err)
	ctx := audit.WithActor(context.Background(), ada)
	value := map[string]any{"name": "Nightly report", "status": true, "accessTokenLifeTime": 3600}
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := log.Change(ctx, audit.Entry{Action: "client.edit", Subject: subject, Before: value, After: value}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw: json.Marshal of the values", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range 2 {
				if _, err := json.Marshal(value); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func ExampleLog() {
	s := memstore.New()
	defer s.Close()
	log, err := audit.NewLog(audit.Config{Store: s, Retention: audit.Retention{Events: 365 * 24 * time.Hour}})
	if err != nil {
		panic(err)
	}

	// Who acts stands in the context.
	ctx := audit.WithActor(context.Background(), audit.Actor{Kind: audit.Person, ID: "u-1", Name: "Ada", Address: "192.0.2.7"})

	// The change and its event are one Apply.
	event, err := log.Change(ctx, audit.Entry{
		Action:  "printer.add",
		Subject: audit.Subject{Kind: "printer", ID: "p-1", Name: "Second floor"},
		After:   map[string]string{"name": "Second floor"},
	})
	if err != nil {
		panic(err)
	}
	if _, err := s.Apply(ctx, store.Put(store.Record{Kind: "printer", ID: "p-1"}), event.Change); err != nil {
		panic(err)
	}
	event.Done(ctx)

	page, err := log.List(ctx, audit.Filter{SubjectKind: "printer", Text: "second"})
	if err != nil {
		panic(err)
	}
	for _, e := range page.Events {
		fmt.Println(e.Actor.Name, e.Action, e.Subject.Name, string(e.After))
	}

	_, err = log.Change(context.Background(), audit.Entry{Action: "printer.delete", Subject: audit.Subject{Kind: "printer"}})
	fmt.Println(errors.Is(err, audit.ErrNoActor))
	// Output:
	// Ada printer.add Second floor {"name":"Second floor"}
	// true
}
