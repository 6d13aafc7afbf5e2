package audit

import (
	"context"
	"errors"
	"log/slog"
)

// Kinds of actors. A program may have others of its own.
const (
	Person  = "person"  // somebody who signed in
	Client  = "client"  // an API client, named by its access token
	program = "program" // made by Program
)

// ErrNoActor says that the context of a changing call does not tell who acts.
var ErrNoActor = errors.New("audit: no actor in the context: " +
	`say who acts with audit.WithActor(ctx, actor), or with audit.WithActor(ctx, audit.Program("its name")) where a program acts by itself`)

// An Actor is who does something, from where, and in which request. Kind is
// required, and one of ID and Name: an Actor without them counts as none.
//
// An Actor takes any strings. In events, characters that cannot be kept or shown
// (invalid UTF-8, control characters) are replaced by U+FFFD, and what is longer
// than 1024 bytes is cut: what an actor is called never makes a change fail.
type Actor struct {
	Kind string `json:"kind"`           // Person, Client, "program", or another
	ID   string `json:"id,omitempty"`   // stable: of the person's account, of the API client
	Name string `json:"name,omitempty"` // for people to read

	// Address is from where it acts: the IP address of the request, say.
	Address string `json:"address,omitempty"`
	// Request is the id of the request it acts in, which ties the event to
	// the logs of the program.
	Request string `json:"request,omitempty"`
}

// Program returns the Actor for what a program does by itself: at its start, on
// a schedule, in a test. The name is its id too, so that its events can be
// listed.
func Program(name string) Actor {
	return Actor{Kind: program, ID: name, Name: name}
}

// LogValue returns the actor as a group of those of "kind", "id", "name",
// "address" and "request" that it has.
func (a Actor) LogValue() slog.Value {
	return present(
		slog.String("kind", a.Kind),
		slog.String("id", a.ID),
		slog.String("name", a.Name),
		slog.String("address", a.Address),
		slog.String("request", a.Request),
	)
}

// present returns a group of those attributes whose text is not empty.
func present(attrs ...slog.Attr) slog.Value {
	kept := attrs[:0]
	for _, attr := range attrs {
		if attr.Value.String() != "" {
			kept = append(kept, attr)
		}
	}
	return slog.GroupValue(kept...)
}

func (a Actor) known() bool {
	return a.Kind != "" && (a.ID != "" || a.Name != "")
}

func (a Actor) cleaned() Actor {
	return Actor{clean(a.Kind), clean(a.ID), clean(a.Name), clean(a.Address), clean(a.Request)}
}

type actorKey struct{}

// WithActor returns a context that says that a does what is done with it. It
// takes the place of an Actor that ctx had.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the Actor that WithActor put into ctx, or ErrNoActor.
func ActorFrom(ctx context.Context) (Actor, error) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	if !ok || !a.known() {
		return Actor{}, ErrNoActor
	}
	return a, nil
}
