package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clientele-go/clientele/store"
)

// Codes of errors that a server reports.
const (
	codeUniqueViolation = "23505"
	codeReadOnly        = "25006"
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codePermission      = "42501"
)

// codeOf returns the code of an error that the server has reported about a
// statement, whose transaction it has thereby undone; "" for any other error.
func codeOf(err error) string {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.SeverityUnlocalized == "FATAL" || e.SeverityUnlocalized == "PANIC" || errors.As(err, new(*pgconn.ConnectError)) {
		return ""
	}
	return e.Code
}

// retryable says that the server has undone a transaction which has a good
// chance when it is made again.
func retryable(err error) bool {
	code := codeOf(err)
	return code == codeSerialization || code == codeDeadlock || errors.Is(err, errCollision)
}

// errCollision: somebody appended a record just when the same id or name was
// about to be taken.
var errCollision = errors.New("appended at the same moment by another one")

// lost says that a connection was lost that there had been: the server was
// stopped, or the network failed.
func lost(err error) bool {
	switch {
	case err == nil, isAnswer(err), errors.As(err, new(*pgconn.ConnectError)),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return pgconn.SafeToRetry(err) || errors.As(err, new(*pgconn.PgError)) || errors.As(err, new(net.Error)) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// isAnswer says that an error is what the server has answered, or what this
// package makes of an answer.
func isAnswer(err error) bool {
	if _, ok := errors.AsType[*store.ChangeError](err); ok || codeOf(err) != "" {
		return true
	}
	for _, answer := range []error{store.ErrDeleted, store.ErrNotFound, store.ErrTooOld, store.ErrNewer, store.ErrInvalid} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// errTimeout is the cause of a context that Config.Timeout has ended.
var errTimeout = errors.New("no answer from the server within Config.Timeout")

// errUnknown: the connection was given up or lost after the server could have
// made the changes, and before it said so.
var errUnknown = errors.New("the outcome is unknown, read before you try again")

// uncertain marks an error of a call by which the server makes changes durable,
// if it leaves open whether that was done.
func uncertain(err error) error {
	if err == nil || isAnswer(err) || pgconn.SafeToRetry(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnknown, err)
}

// explain returns the reason why a call failed: that the context of the caller
// or the bounded one of the call has ended, or the DB was closed, rather than
// what became of the connection by that.
func (db *DB) explain(caller, bounded context.Context, err error) error {
	if err == nil {
		return nil
	}
	if isAnswer(err) {
		if codeOf(err) == codeReadOnly {
			return fmt.Errorf("the server has become a standby: %w", err)
		}
		return err
	}
	reason := err
	switch {
	case caller.Err() != nil:
		reason = caller.Err()
	case db.reading.Err() != nil:
		reason = store.ErrClosed
	case bounded.Err() != nil:
		reason = fmt.Errorf("%w: %w", context.Cause(bounded), bounded.Err())
	case strings.Contains(err.Error(), "unsupported startup parameter"):
		reason = fmt.Errorf("a pooler is between the program and the server, see Config.PgBouncer: %w", err)
	}
	if errors.Is(err, errUnknown) && !errors.Is(reason, errUnknown) {
		reason = fmt.Errorf("%w: %w", errUnknown, reason)
	}
	return reason
}

// failed says what was being done.
func failed(doing string, err error) error { return fmt.Errorf("pgstore: %s: %w", doing, err) }
