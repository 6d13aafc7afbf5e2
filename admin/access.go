package admin

import (
	"errors"

	"github.com/clientele-go/clientele/audit"
)

// A Level is how much of a module somebody may do. The zero Level is None.
type Level int

// The levels, each of which includes the ones before it.
const (
	None Level = iota // nothing
	View              // see it
	Full              // see and change it
)

// String returns "None", "View" or "Full".
func (l Level) String() string {
	switch l {
	case View:
		return "View"
	case Full:
		return "Full"
	default:
		return "None"
	}
}

// An Access is who acts and what that one may do.
type Access struct {
	// Actor is who acts, as audit events tell of it: Kind and ID are
	// required. Address and Request are filled in where they are empty, from
	// http.Request.RemoteAddr and the id of the request.
	Actor audit.Actor
	// Clients is the level at the module API Clients, Resources that at API
	// Resources. Adding, changing and deleting an API client takes Full on
	// both: who may not say which APIs there are can't give them away.
	Clients, Resources Level
	// RotateOwn is the id of the one API client whose secrets the caller may
	// rotate even without that: its own. Empty: there is none.
	RotateOwn string
}

// need is what an operation takes.
type need struct {
	clients, resources Level
	own                bool // RotateOwn of the client in the path is enough
}

// allows reports whether a may do what takes n, with the client of that id if
// there is one in the path.
func (a *Access) allows(n need, clientID string) bool {
	if n.own && clientID != "" && a.RotateOwn == clientID {
		return true
	}
	return a.Clients >= n.clients && a.Resources >= n.resources
}

// What Config.Authorize returns for those it lets in no further; errors that wrap
// them count as well. Errors of package verifier do too, and every other error is
// answered with 503.
var (
	// ErrUnauthenticated: nobody knows who the caller is; 401.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: the caller is known, and may do nothing here; 403.
	ErrForbidden = errors.New("forbidden")
)
