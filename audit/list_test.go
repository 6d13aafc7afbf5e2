package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// filled returns a Log with five events, a second apart, the first at noon.
func filled(t *testing.T) *audit.Log {
	now := noon
	log, s := newLog(t, audit.Config{Now: func() time.Time { return now }})
	bob := audit.Actor{Kind: audit.Person, ID: "u-2", Name: "Bob", Address: "2001:db8::1", Request: "r-2"}
	portal := audit.Actor{Kind: audit.Client, ID: "u-1", Name: "Portal"} // the same id, of another kind
	other := audit.Subject{Kind: "client", ID: "c-2", Name: "Straße"}
	server := audit.Subject{Kind: "resource_server", ID: "c-1", Name: "Orders"}
	for i, e := range []struct {
		actor   audit.Actor
		action  string
		subject audit.Subject
	}{
		{ada, "client.add", subject},
		{bob, "client.add", other},
		{ada, "client.edit", subject},
		{portal, "client.edit", other},
		{bob, "resource_server.edit", server},
	} {
		now = noon.Add(time.Duration(i) * time.Second)
		write(t, log, s, e.actor, audit.Entry{Action: e.action, Subject: e.subject})
	}
	return log
}

func TestFilter(t *testing.T) {
	log := filled(t)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		name   string
		filter audit.Filter
		want   string // the seconds of the events
	}{
		{"no filter lists everything, the newest first", audit.Filter{}, "4 3 2 1 0"},
		{"the oldest first", audit.Filter{OldestFirst: true}, "0 1 2 3 4"},
		{"by kind of actor", audit.Filter{ActorKind: audit.Person}, "4 2 1 0"},
		{"by id of actor", audit.Filter{ActorID: "u-1"}, "3 2 0"},
		{"by actor", audit.Filter{ActorKind: audit.Person, ActorID: "u-1"}, "2 0"},
		{"not by a part of an id", audit.Filter{ActorID: "u-"}, ""},
		{"not by an id in another case", audit.Filter{ActorID: "U-1"}, ""},
		{"by request", audit.Filter{Request: "r-2"}, "4 1"},
		{"by action", audit.Filter{Action: "client.add"}, "1 0"},
		{"by kind of subject", audit.Filter{SubjectKind: "resource_server"}, "4"},
		{"by id of subject", audit.Filter{SubjectID: "c-1"}, "4 2 0"},
		{"by subject", audit.Filter{SubjectKind: "client", SubjectID: "c-1"}, "2 0"},
		{"by all of it", audit.Filter{ActorKind: audit.Person, ActorID: "u-1", Request: "r-1", Action: "client.edit", SubjectKind: "client", SubjectID: "c-1"}, "2"},
		{"all must be true", audit.Filter{ActorID: "u-2", Action: "client.edit"}, ""},
		{"from a time on, which counts", audit.Filter{From: at(3)}, "4 3"},
		{"from a moment later", audit.Filter{From: at(3).Add(1)}, "4"},
		{"until a time, which does not count", audit.Filter{To: at(1)}, "0"},
		{"until a moment later", audit.Filter{To: at(1).Add(1)}, "1 0"},
		{"between times of any zone", audit.Filter{From: at(1).In(time.FixedZone("", -7200)), To: at(3)}, "2 1"},
		{"the first and the last year", audit.Filter{From: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, "4 3 2 1 0"},
		{"text in the name of the actor", audit.Filter{Text: "BOB"}, "4 1"},
		{"text in the name of the subject, folded", audit.Filter{Text: "STRASSE"}, "3 1"},
		{"text in the action", audit.Filter{Text: "server.ed"}, "4"},
		{"text in the id of the actor", audit.Filter{Text: "u-2"}, "4 1"},
		{"text in the id of the subject", audit.Filter{Text: "c-2"}, "3 1"},
		{"text in the address", audit.Filter{Text: "DB8::"}, "4 1"},
		{"text does not span two fields", audit.Filter{Text: "adanightly"}, ""},
		{"text is no pattern", audit.Filter{Text: "%"}, ""},
		{"skipping", audit.Filter{Offset: 3}, "1 0"},
		{"no more than the limit", audit.Filter{Limit: 2}, "4 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.filter.Count = true
			page, err := log.List(t.Context(), c.filter)
			require.NoError(t, err)
			require.Equal(t, c.want, seconds(page.Events))
			if c.filter.Limit == 0 && c.filter.Offset == 0 {
				require.Equal(t, len(page.Events), page.Total)
			} else {
				require.Equal(t, 5, page.Total)
			}
		})
	}
}

func seconds(events []audit.Event) string {
	var s []string
	for _, e := range events {
		s = append(s, fmt.Sprint(int(e.Time.Sub(noon).Seconds())))
	}
	return strings.Join(s, " ")
}

func TestPagesMeetEachEventOnce(t *testing.T) {
	log := filled(t)
	for _, oldest := range []bool{false, true} {
		var all []audit.Event
		filter := audit.Filter{Limit: 2, OldestFirst: oldest}
		for pages := 1; ; pages++ {
			page, err := log.List(t.Context(), filter)
			require.NoError(t, err)
			require.Zero(t, page.Total, "counted only when asked")
			all = append(all, page.Events...)
			if filter.After = page.Next; page.Next == "" {
				require.Equal(t, 3, pages)
				break
			}
		}
		want := "4 3 2 1 0"
		if oldest {
			want = "0 1 2 3 4"
		}
		require.Equal(t, want, seconds(all))
	}
}

func TestListRefuses(t *testing.T) {
	log := filled(t)
	for _, c := range []struct {
		name   string
		filter audit.Filter
	}{
		{"a beginning after the year 9999", audit.Filter{From: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"an end before the year 1", audit.Filter{To: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)}},
		{"a limit over 1000", audit.Filter{Limit: 1001}},
		{"a negative limit", audit.Filter{Limit: -1}},
		{"a negative offset", audit.Filter{Offset: -1}},
		{"a cursor that is none", audit.Filter{After: "x"}},
		{"a text that is too long", audit.Filter{Text: strings.Repeat("x", store.MaxText+1)}},
		{"a text with a NUL", audit.Filter{Text: "a\x00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := log.List(t.Context(), c.filter)
			require.ErrorIs(t, err, store.ErrInvalid)
		})
	}
}

func TestListSaysWhatTheStoreSays(t *testing.T) {
	s := memstore.New()
	log, _ := newLog(t, audit.Config{Store: s})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := log.List(ctx, audit.Filter{})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Close())
	_, err = log.List(t.Context(), audit.Filter{})
	require.ErrorIs(t, err, store.ErrClosed)
}

func TestEventsOfNewerReleases(t *testing.T) {
	log, s := newLog(t, audit.Config{})
	for _, c := range []struct{ id, data string }{
		{"a", `{"id":"a","time":"2026-03-04T12:00:00Z","action":"client.add","actor":{"kind":"person","shoe_size":42},"weather":"fine"}`},
		{"b", `{"id":`},
	} {
		_, err := s.Apply(t.Context(), store.Append(store.Record{Kind: audit.Kind, ID: c.id, Sort: c.id, Format: 2, Data: []byte(c.data)}))
		require.NoError(t, err)
	}
	page, err := log.List(t.Context(), audit.Filter{OldestFirst: true, Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []audit.Event{{ID: "a", Time: noon, Action: "client.add", Actor: audit.Actor{Kind: "person"}}}, page.Events,
		"what is known is read")
	_, err = log.List(t.Context(), audit.Filter{})
	require.ErrorContains(t, err, `event "b"`)
	require.False(t, errors.Is(err, store.ErrInvalid))
}
