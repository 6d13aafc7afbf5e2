package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// toJSON returns a logger that writes JSON to the buffer.
func toJSON(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: level})), &b
}

func TestAnEventIsStreamedOnceItsChangeIsMade(t *testing.T) {
	logger, out := toJSON(slog.LevelInfo)
	log, s := newLog(t, audit.Config{Logger: logger})
	ctx := audit.WithActor(t.Context(), ada)
	event, err := log.Change(ctx, audit.Entry{
		Action: "client.edit", Subject: subject, Before: map[string]any{"name": "a"}, After: redacted{"hidden"},
	})
	require.NoError(t, err)
	_, err = s.Apply(ctx, event.Change)
	require.NoError(t, err)
	require.Empty(t, out, "before Done nothing is told")
	event.Done(ctx)

	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	delete(got, "time") // of the record, by the real clock
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "audit",
		"event": event.Change.Record.ID, "at": "2026-03-04T12:00:00Z", "action": "client.edit",
		"actor":   map[string]any{"kind": "person", "id": "u-1", "name": "Ada", "address": "192.0.2.7", "request": "r-1"},
		"subject": map[string]any{"kind": "client", "id": "c-1", "name": "Nightly report"},
		"before":  map[string]any{"name": "a"},
		"after":   "[redacted]",
	}, got)
}

func TestAnEventIsNotStreamed(t *testing.T) {
	for _, c := range []struct {
		name  string
		level slog.Level
		done  bool
	}{
		{"if its change failed, so that nobody calls Done", slog.LevelInfo, false},
		{"to a logger that does not want it", slog.LevelWarn, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			logger, out := toJSON(c.level)
			log, s := newLog(t, audit.Config{Logger: logger})
			ctx := audit.WithActor(t.Context(), ada)
			event, err := log.Change(ctx, audit.Entry{Action: "client.delete", Subject: subject})
			require.NoError(t, err)
			_, err = s.Apply(ctx, store.Delete("client", "c-1", 1), event.Change)
			require.ErrorIs(t, err, store.ErrNotFound)
			if c.done {
				event.Done(ctx)
			}
			require.Empty(t, out)
		})
	}
	t.Run("without a logger, nor of the zero Pending", func(t *testing.T) {
		log, _ := newLog(t, audit.Config{})
		event, err := log.Change(audit.WithActor(t.Context(), ada), audit.Entry{Action: "client.delete", Subject: subject})
		require.NoError(t, err)
		event.Done(t.Context())
		audit.Pending{}.Done(t.Context())
	})
}

// What is not there is left out, and a text handler shows JSON too.
func TestAnEventWithoutMuchToTell(t *testing.T) {
	var out bytes.Buffer
	log, _ := newLog(t, audit.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	ctx := audit.WithActor(t.Context(), audit.Program("nightly"))
	event, err := log.Change(ctx, audit.Entry{Action: "client.add", Subject: audit.Subject{Kind: "client"}, After: []int{1}})
	require.NoError(t, err)
	event.Done(ctx)
	require.Contains(t, out.String(), ` msg=audit event=`+event.Change.Record.ID+
		` at=2026-03-04T12:00:00.000Z action=client.add actor.kind=program actor.id=nightly actor.name=nightly subject.kind=client after="[1]"`)
}

// Each event goes to a log/slog logger too, once its change is durable.
func ExamplePending_Done() {
	s := memstore.New()
	defer s.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "at" || a.Key == "event" {
			return slog.Attr{} // which differ each time
		}
		return a
	}}))
	log, err := audit.NewLog(audit.Config{Store: s, Logger: logger})
	if err != nil {
		panic(err)
	}
	ctx := audit.WithActor(context.Background(), audit.Program("setup"))
	event, err := log.Change(ctx, audit.Entry{Action: "printer.add", Subject: audit.Subject{Kind: "printer", ID: "p-1"}})
	if err != nil {
		panic(err)
	}
	if _, err := s.Apply(ctx, store.Put(store.Record{Kind: "printer", ID: "p-1"}), event.Change); err != nil {
		panic(err)
	}
	event.Done(ctx)
	// Output:
	// level=INFO msg=audit action=printer.add actor.kind=program actor.id=setup actor.name=setup subject.kind=printer subject.id=p-1
}
