package audit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/clientele-go/clientele/internal/printable"
	"github.com/clientele-go/clientele/internal/timekey"
	"github.com/clientele-go/clientele/store"
)

// Kind is the kind of the records that hold events.
const Kind store.Kind = "audit"

// format is the number of the format of an event's data: the JSON of Event.
const format = 1

// MaxValue is the size of Before and After, encoded, that an event keeps. In the
// place of a larger one stands {"omitted":{"bytes":…,"limit":262144}}.
const MaxValue = 256 << 10

// A Subject is what an event is about. Kind is required.
type Subject struct {
	Kind string `json:"kind"`           // "client", "resource_server"
	ID   string `json:"id,omitempty"`   // unique in its kind
	Name string `json:"name,omitempty"` // what it was called at that time
}

// LogValue returns the subject as a group of those of "kind", "id" and "name"
// that it has.
func (s Subject) LogValue() slog.Value {
	return present(slog.String("kind", s.Kind), slog.String("id", s.ID), slog.String("name", s.Name))
}

func (s Subject) cleaned() Subject {
	return Subject{clean(s.Kind), clean(s.ID), clean(s.Name)}
}

// clean returns s as an event can keep it. It is done to what is stored and to what
// is looked for, so the two always meet.
func clean(s string) string { return printable.Line(s, store.MaxString) }

// An Entry is what Change makes an event of.
type Entry struct {
	// Action is what is done, as "subject.verb": "client.add". Required.
	Action string
	// Subject is what it is done to. Its strings are treated like those of an
	// Actor.
	Subject Subject
	// Before and After are the subject as it was and as it becomes, encoded
	// with json.Marshal; nil where there is none. Who hands them in sees to
	// it that they hold no secret.
	Before, After any
}

// An Event tells of one change. It is never changed itself. Its JSON has the
// members of the field tags; it is the form in which it is stored, and a program
// may show it as it is.
type Event struct {
	ID      string          `json:"id"`   // unique; those of later milliseconds sort behind
	Time    time.Time       `json:"time"` // in UTC, whole microseconds
	Actor   Actor           `json:"actor"`
	Action  string          `json:"action"`
	Subject Subject         `json:"subject"`
	Before  json.RawMessage `json:"before,omitempty"` // read-only; nil if there was none
	After   json.RawMessage `json:"after,omitempty"`  // read-only; nil if there is none
}

// Keys of the labels by which events are found.
const (
	labelAction      = "action"
	labelActorKind   = "actor.kind"
	labelActorID     = "actor.id"
	labelRequest     = "request"
	labelSubjectKind = "subject.kind"
	labelSubjectID   = "subject.id"
)

// labels returns a label for each pair of a key and a value that is not empty.
func labels(pairs ...store.Label) []store.Label {
	kept := pairs[:0]
	for _, l := range pairs {
		if l.Value != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// record returns e as it is stored.
func (e *Event) record() (store.Record, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return store.Record{}, fmt.Errorf("audit: encode event: %w", err)
	}
	return store.Record{
		Kind: Kind,
		ID:   e.ID,
		Labels: labels(
			store.Label{Key: labelAction, Value: e.Action},
			store.Label{Key: labelActorKind, Value: e.Actor.Kind},
			store.Label{Key: labelActorID, Value: e.Actor.ID},
			store.Label{Key: labelRequest, Value: e.Actor.Request},
			store.Label{Key: labelSubjectKind, Value: e.Subject.Kind},
			store.Label{Key: labelSubjectID, Value: e.Subject.ID},
		),
		Text:   e.text(),
		Sort:   timekey.Of(e.Time),
		Format: format,
		Data:   data,
	}, nil
}

// text returns what a search looks at, a line for each string, so that no match
// spans two of them.
func (e *Event) text() string {
	text := store.Fold(e.Actor.Name + "\n" + e.Subject.Name + "\n" + e.Action + "\n" +
		e.Actor.ID + "\n" + e.Subject.ID + "\n" + e.Actor.Address)
	return printable.Cut(text, store.MaxText)
}

// eventOf returns the event that r holds. A newer format is read as far as it is
// known here.
func eventOf(r store.Record) (Event, error) {
	var e Event
	if err := json.Unmarshal(r.Data, &e); err != nil {
		return Event{}, fmt.Errorf("audit: event %.64q: %w", r.ID, err)
	}
	e.ID = r.ID
	return e, nil
}

// encoded returns v as an event keeps it.
func encoded(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(data) > MaxValue {
		return fmt.Appendf(nil, `{"omitted":{"bytes":%d,"limit":%d}}`, len(data), MaxValue), nil
	}
	return data, nil
}
