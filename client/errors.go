package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// What a Registry answers, to be matched by errors.Is.
var (
	// ErrNotFound: no client (or no secret of it) has that id. It is
	// store.ErrNotFound.
	ErrNotFound = store.ErrNotFound
	// ErrConflict: somebody changed the client in between; nothing was
	// changed. It is store.ErrConflict.
	ErrConflict = store.ErrConflict
	// ErrNameTaken: another client of the tenant has that name, whatever the
	// case. It stands in an InvalidError.
	ErrNameTaken = errors.New("name taken")
	// ErrIDUsed: the id of an imported client is, or was once, that of a
	// client of the tenant. It stands in an InvalidError.
	ErrIDUsed = errors.New("id used before")
	// ErrNoMethod: the client does not authenticate by secrets.
	ErrNoMethod = errors.New("the client does not authenticate by secrets")
	// ErrLast: no other enabled client holds one of Config.KeepOne, so that
	// this one can be neither deleted nor disabled nor stripped of it.
	ErrLast = errors.New("the last enabled client with a grant that one must keep")
)

// An InvalidError says what is wrong with a request to the Registry, field by
// field. Nothing was changed.
type InvalidError struct {
	Problems []Problem // at least one
}

// A Problem is one field at fault.
type Problem struct {
	// Field is the path of the field, from Spec, Import or the arguments:
	// "Name", "Labels[\"owner\"]", "Grants[2].ScopeID", "ExpiresAt".
	Field string
	// Message says what is wrong, which bound counts and what to do. It
	// quotes names and ids, and never a secret.
	Message string
	// Err is ErrNameTaken or ErrIDUsed where that is the reason, else nil; in
	// a DeclarationError also ErrLast or store.ErrNewer.
	Err error
}

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("invalid API client")
	separator := ": "
	for _, p := range e.Problems {
		b.WriteString(separator + p.Field + ": " + p.Message)
		separator = "; "
	}
	return b.String()
}

// Unwrap returns the errors of the problems that have one.
func (e *InvalidError) Unwrap() []error {
	var errs []error
	for _, p := range e.Problems {
		if p.Err != nil {
			errs = append(errs, p.Err)
		}
	}
	return errs
}

// problems collects what is wrong, so that all of it is said at once.
type problems []Problem

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Problems: p}
}

func invalid(field string, err error, format string, args ...any) error {
	return &InvalidError{Problems: []Problem{{Field: field, Message: fmt.Sprintf(format, args...), Err: err}}}
}

// errRaced is the ErrConflict that save returns, which is worth another attempt.
var errRaced = fmt.Errorf("%w by somebody else", store.ErrConflict)

// An absent client is an ErrNotFound with its id. Its text is made when somebody
// reads it: a token request from nobody should cost what any other does.
type absent string

func (id absent) Error() string { return fmt.Sprintf("client %.64q: %v", string(id), ErrNotFound) }

func (absent) Unwrap() error { return ErrNotFound }

// wrap says what was being done to a client when the store failed.
func wrap(doing, id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return absent(id)
	}
	return fmt.Errorf("%s client %.64q: %w", doing, id, err)
}
