package audit_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
)

func TestActorFrom(t *testing.T) {
	ada := audit.Actor{Kind: audit.Person, ID: "u-1", Name: "Ada"}
	for _, c := range []struct {
		name string
		ctx  context.Context
		want audit.Actor // zero: ErrNoActor
	}{
		{"a context without an actor has none", t.Context(), audit.Actor{}},
		{"an actor is found again", audit.WithActor(t.Context(), ada), ada},
		{"the last actor counts", audit.WithActor(audit.WithActor(t.Context(), audit.Program("x")), ada), ada},
		{"an actor with an id alone counts", audit.WithActor(t.Context(), audit.Actor{Kind: audit.Client, ID: "c"}), audit.Actor{Kind: audit.Client, ID: "c"}},
		{"an actor with a name alone counts", audit.WithActor(t.Context(), audit.Actor{Kind: "robot", Name: "r"}), audit.Actor{Kind: "robot", Name: "r"}},
		{"an empty actor counts as none", audit.WithActor(t.Context(), audit.Actor{}), audit.Actor{}},
		{"an actor without a kind counts as none", audit.WithActor(t.Context(), audit.Actor{ID: "u-1", Name: "Ada"}), audit.Actor{}},
		{"an actor without id and name counts as none", audit.WithActor(t.Context(), audit.Actor{Kind: audit.Person, Address: "192.0.2.1"}), audit.Actor{}},
		{"an empty actor hides the one before", audit.WithActor(audit.WithActor(t.Context(), ada), audit.Actor{}), audit.Actor{}},
		{"a program without a name counts as none", audit.WithActor(t.Context(), audit.Program("")), audit.Actor{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := audit.ActorFrom(c.ctx)
			if c.want == (audit.Actor{}) {
				require.ErrorIs(t, err, audit.ErrNoActor)
				require.ErrorContains(t, err, "audit.WithActor(ctx, ", "the error says what to do")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestProgramIsItsOwnID(t *testing.T) {
	require.Equal(t, audit.Actor{Kind: "program", ID: "cleanup", Name: "cleanup"}, audit.Program("cleanup"))
}

func TestActorLogsWhatItHas(t *testing.T) {
	for _, c := range []struct {
		name  string
		actor audit.Actor
		want  string
	}{
		{"everything", audit.Actor{Kind: "person", ID: "u-1", Name: "Ada L", Address: "192.0.2.1", Request: "r-9"},
			`actor.kind=person actor.id=u-1 actor.name="Ada L" actor.address=192.0.2.1 actor.request=r-9`},
		{"nothing that is empty", audit.Program("cleanup"), "actor.kind=program actor.id=cleanup actor.name=cleanup"},
		{"no line break by itself", audit.Actor{Kind: "person", Name: "a\nlevel=ERROR"}, `actor.kind=person actor.name="a\nlevel=ERROR"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("done", "actor", c.actor)
			require.Contains(t, out.String(), "msg=done "+c.want+"\n")
		})
	}
}
