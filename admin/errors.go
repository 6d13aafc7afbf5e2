package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token/verifier"
)

// The codes of errors.
const (
	codeInvalid      = "INVALID_INPUT_ARGUMENT"
	codeUnauthorized = "UNAUTHORIZED"
	codeForbidden    = "FORBIDDEN"
	codeNotFound     = "RESOURCE_NOT_FOUND"
	codeMethod       = "METHOD_NOT_ALLOWED"
	codeDuplicate    = "DUPLICATE_ITEM"
	codeConflict     = "CONFLICT"
	codeLast         = "LAST_ADMINISTRATOR"
	codeInUse        = "SECRET_IN_USE"
	codeNoSecrets    = "WRONG_AUTHENTICATION_TYPE"
	codeNewer        = "WRITTEN_BY_NEWER_RELEASE"
	codePrecondition = "PRECONDITION_FAILED"
	codeTooLarge     = "REQUEST_TOO_LARGE"
	codeMediaType    = "UNSUPPORTED_MEDIA_TYPE"
	codeUnavailable  = "SERVICE_UNAVAILABLE"
	codeUnexpected   = "UNEXPECTED_ERROR"
	codeNotRevoked   = "TOKENS_NOT_REVOKED"
)

// A fault is what a request that failed is answered with.
type fault struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Params  []string `json:"params"` // paths of what is wrong in the request

	status    int
	challenge string        // WWW-Authenticate
	retry     time.Duration // Retry-After
	allow     string        // Allow
	err       error         // for the log
}

func (f *fault) Error() string { return f.Code + ": " + f.Message }

// refused returns a fault that is about params, or about the whole.
func refused(status int, code, message string, params ...string) *fault {
	if params == nil {
		params = []string{}
	}
	return &fault{Code: code, Message: message, Params: params, status: status}
}

// invalidParam returns the fault that is a wrong query parameter.
func invalidParam(name, format string, args ...any) *fault {
	return refused(http.StatusBadRequest, codeInvalid, name+": "+fmt.Sprintf(format, args...), name)
}

var (
	// errPrecondition: the client has another version than If-Match names.
	errPrecondition = errors.New("If-Match names another version")
	// errNoneMatch: the client has a version that If-None-Match names.
	errNoneMatch = errors.New("If-None-Match names the version")
	errNoActor   = errors.New("Config.Authorize returned an Access without Actor.Kind or Actor.ID")
)

// explain returns what err is answered with: the one place where errors become
// answers. Of an error without a place here it depends on changing, whether the
// operation changes something, whether the request may be sent again.
func explain(err error, paths *fieldPaths, changing bool) *fault {
	var made *fault
	var invalid *client.InvalidError
	var syntax *strictjson.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &made):
		return made
	case errors.As(err, &invalid):
		return explainInvalid(invalid, paths)
	case errors.As(err, &syntax):
		return refused(http.StatusBadRequest, codeInvalid, fmt.Sprintf("The body is no sound JSON object: %s at byte %d.", syntax.Reason, syntax.Offset))
	case errors.As(err, &tooLarge):
		return refused(http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	case errors.Is(err, errPrecondition):
		return refused(http.StatusPreconditionFailed, codePrecondition, "The API client was changed in between: it has another ETag than If-Match names. Read it again.")
	case errors.Is(err, errNoneMatch):
		return refused(http.StatusPreconditionFailed, codePrecondition, "The API client is there, with an ETag that If-None-Match names, and nothing was done.")
	case errors.Is(err, client.ErrLast):
		return refused(http.StatusConflict, codeLast, "This is the last enabled API client with full permission to administer; give another one that first.")
	case errors.Is(err, client.ErrInUse):
		return refused(http.StatusConflict, codeInUse, "The secret was used within the last 24 hours, and nothing was done. See who uses it still, or leave ifUnused out.", "ifUnused")
	case errors.Is(err, client.ErrNoMethod):
		return refused(http.StatusConflict, codeNoSecrets, "The API client does not authenticate by secrets: its authType is another one.", "clientAuthentication.authType")
	case errors.Is(err, store.ErrNotFound):
		return refused(http.StatusNotFound, codeNotFound, "There is nothing with that id.")
	case errors.Is(err, store.ErrConflict):
		return refused(http.StatusConflict, codeConflict, "The API client was changed by somebody else in the meantime, and nothing was done. Try again.")
	case errors.Is(err, store.ErrNewer):
		return refused(http.StatusConflict, codeNewer, "A newer release of this server has written the API client, and this one would damage it.")
	case errors.Is(err, store.ErrInvalid):
		return refused(http.StatusBadRequest, codeInvalid, "The request is outside the limits of what can be asked.")
	}
	return unexpected(err, changing)
}

// unexpected returns the fault for an error that is nobody's here. After a change
// nobody knows whether it was made, so that a program should not try again by
// itself, as many do after a 503.
func unexpected(err error, changing bool) *fault {
	var f *fault
	if changing {
		f = refused(http.StatusInternalServerError, codeUnexpected, "Something failed, and whether the change was made is not known. Read before you try again.")
	} else {
		f = refused(http.StatusServiceUnavailable, codeUnavailable, "The answer cannot be had for the moment. Try again.")
		f.retry = time.Second
	}
	f.err = err
	return f
}

// explainInvalid puts what the Registry, or the reader of the request, found wrong
// into the words of the wire.
func explainInvalid(invalid *client.InvalidError, paths *fieldPaths) *fault {
	f := refused(http.StatusBadRequest, codeInvalid, "")
	if errors.Is(invalid, client.ErrNameTaken) {
		f.status, f.Code = http.StatusConflict, codeDuplicate
	}
	texts := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		path := paths.of(p.Field)
		texts[i] = path + ": " + p.Message
		f.Params = append(f.Params, path)
	}
	f.Message = strings.Join(texts, "; ")
	return f
}

// explainAccess returns what an error of Config.Authorize is answered with, as
// RFC 6750 section 3 says.
func explainAccess(err error) *fault {
	const realm = `Bearer realm="admin"`
	deny := func(status int, code, message, challenge string) *fault {
		f := refused(status, code, message)
		f.challenge, f.err = challenge, err
		return f
	}
	var made *fault
	switch {
	case errors.As(err, &made):
		return made
	case errors.Is(err, verifier.ErrNoToken), errors.Is(err, ErrUnauthenticated):
		return deny(http.StatusUnauthorized, codeUnauthorized, "An access token is required, in the header Authorization: Bearer …", realm)
	case errors.Is(err, verifier.ErrInvalidToken):
		message := "The access token is not valid here."
		var token *verifier.TokenError
		if errors.As(err, &token) && token.Reason == verifier.ReasonExpired {
			message = "The access token has expired."
		}
		return deny(http.StatusUnauthorized, codeUnauthorized, message, realm+`, error="invalid_token", error_description="`+message+`"`)
	case errors.Is(err, ErrForbidden), errors.Is(err, verifier.ErrInsufficientScope):
		return forbidden()
	}
	f := unexpected(err, false)
	var unavailable *verifier.UnavailableError
	if errors.As(err, &unavailable) {
		f.retry = max(f.retry, unavailable.RetryAfter)
	}
	return f
}

// forbidden returns the fault of those who may do too little. It says nothing of
// what they asked for.
func forbidden() *fault {
	f := refused(http.StatusForbidden, codeForbidden, "You do not have the permission for this.")
	f.challenge = `Bearer realm="admin", error="insufficient_scope"`
	return f
}

// header sets the headers of f.
func (f *fault) header(h http.Header) {
	if f.challenge != "" {
		h.Set("WWW-Authenticate", f.challenge)
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((f.retry+time.Second-1)/time.Second), 10))
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
}
