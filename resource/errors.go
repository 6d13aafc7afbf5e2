package resource

import (
	"errors"
	"fmt"

	"github.com/clientele-go/clientele/store"
)

// ErrNoDefault says that no resource server is the default, so that a token
// request must name an audience.
var ErrNoDefault = errors.New("no resource server is the default")

// A FieldError says which field of a resource server is at fault, and what to do.
// Nothing was saved.
type FieldError struct {
	// Field is the path to it as it stands in JSON: "name", "primaryAud" (the
	// audience), "serviceScopes[2].scopes[1].id"; from Load with the record
	// in front: "records[0].name".
	Field string
	// Problem says what is wrong with it and what would be right: "is 300
	// characters long, at most 255".
	Problem string
	// Err is what errors.Is and errors.As see behind it: nil, a
	// *DefaultError, or an error that wraps store.ErrTaken or
	// store.ErrExists where another resource server is in the way.
	Err error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func (e *FieldError) Unwrap() error { return e.Err }

// within returns err with prefix in front of its field, if it is a FieldError.
func within(prefix string, err error) error {
	var f *FieldError
	if prefix == "" || !errors.As(err, &f) {
		return err
	}
	return &FieldError{Field: prefix + f.Field, Problem: f.Problem, Err: f.Err}
}

// A DefaultError says that another resource server is the default already, so
// that this one cannot be. Catalog.SetDefault moves it. It wraps store.ErrTaken.
type DefaultError struct {
	ID, Name string // of the server that is the default
}

func (e *DefaultError) Error() string {
	return fmt.Sprintf("resource server %s (%q) is the default already; move it with SetDefault", e.ID, e.Name)
}

func (e *DefaultError) Unwrap() error { return store.ErrTaken }

// notFound says that there is no resource server of that description. The value
// may come from outside, so no more than 64 bytes of it are repeated.
func notFound(what, value string) error {
	return fmt.Errorf("resource server with %s %.64q: %w", what, value, store.ErrNotFound)
}
