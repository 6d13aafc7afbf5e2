package store

import (
	"errors"
	"fmt"
)

// What can be wrong. Compare with errors.Is: stores wrap them with what was
// being done.
var (
	// ErrNotFound: no record of that kind has that id.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the record has another version than the change names,
	// because somebody changed it in between.
	ErrConflict = errors.New("changed in between")
	// ErrExists: a record of that kind and id exists already.
	ErrExists = errors.New("exists already")
	// ErrTaken: another record of that kind has one of the unique names.
	ErrTaken = errors.New("name taken")
	// ErrTooOld: the store no longer (or does not yet) know what changed
	// since that revision; drop what is cached and begin at Latest.
	ErrTooOld = errors.New("revision outside what the store remembers")
	// ErrInvalid: an argument outside the limits; nothing was changed.
	ErrInvalid = errors.New("invalid")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store closed")
	// ErrNewer: the record was written by a newer release, in a format that
	// this one would damage by rewriting it.
	ErrNewer = errors.New("written in a newer format")
)

// A ChangeError says which change of an Apply could not be made, and so that
// none was made.
type ChangeError struct {
	Index int    // of the change in the arguments of Apply
	Kind  Kind   // of its record
	ID    string // of its record
	Err   error  // wraps ErrNotFound, ErrConflict, ErrExists or ErrTaken
}

func (e *ChangeError) Error() string {
	return fmt.Sprintf("change %d (%s %.64q): %v", e.Index, e.Kind, e.ID, e.Err)
}

func (e *ChangeError) Unwrap() error { return e.Err }
