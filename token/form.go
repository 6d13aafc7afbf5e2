package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBody   = 64 << 10 // of a token request
	maxParams = 200      // of a token request
)

// readRequest reads a token request into req. The error is an *Error, and what
// could be read is in req then too.
func readRequest(w http.ResponseWriter, r *http.Request, req *Request) error {
	if err := checkQuery(r.URL); err != nil {
		return err
	}
	if err := checkContentType(r.Header); err != nil {
		return err
	}
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	req.GrantType, req.ClientID, req.ClientSecret = f.grantType, f.clientID, f.clientSecret
	req.Audience, req.Resources, req.Scope = f.audience, f.resources, f.scope
	if f.grantType == "" {
		return refuse(CodeInvalidRequest, ReasonGrantType, "The grant_type is missing.")
	}
	return authorize(req, r.Header, &f)
}

// checkQuery refuses what would put a credential into logs on the way: parameters
// of those names too, if there are any. It need not be well encoded for that.
func checkQuery(u *url.URL, more ...string) error {
	for pair := range strings.FieldsFuncSeq(u.RawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		raw, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil {
			continue // nobody takes it for one of these
		}
		switch {
		case name == "client_secret", name == "client_assertion", name == "grant_type":
			return refuse(CodeInvalidRequest, ReasonQuery, "Parameters belong in the body, not in the URL. Treat a secret that was sent in a URL as leaked.")
		case slices.Contains(more, name):
			return refuse(CodeInvalidRequest, ReasonQuery, "The "+name+" belongs in the body, not in the URL.")
		}
	}
	return nil
}

func checkContentType(h http.Header) error {
	values := h["Content-Type"]
	if len(values) == 1 {
		if values[0] == "application/x-www-form-urlencoded" {
			return nil
		}
		if mediaType, _, err := mime.ParseMediaType(values[0]); err == nil && mediaType == "application/x-www-form-urlencoded" {
			return nil
		}
	}
	return refuse(CodeInvalidRequest, ReasonContentType, "The Content-Type must be application/x-www-form-urlencoded.")
}

// A form is what counts of the parameters of a token request. An empty parameter
// is as good as none (RFC 6749 §3.2).
type form struct {
	grantType, clientID, clientSecret string
	assertionType, assertion          string
	audience, scope                   string
	token                             string // of a revocation or an introspection
	resources                         []string
}

func readForm(w http.ResponseWriter, r *http.Request) (f form, err error) {
	buf := buffers.Get().(*[]byte)
	defer func() { buffers.Put(buf) }()
	body, err := readAll(http.MaxBytesReader(w, r.Body, maxBody), (*buf)[:0])
	*buf = body
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return f, &Error{
			Code: CodeInvalidRequest, Reason: ReasonTooLarge, Status: http.StatusRequestEntityTooLarge,
			Description: fmt.Sprintf("The body is larger than %d bytes.", maxBody),
		}
	case err != nil:
		return f, &Error{Code: CodeInvalidRequest, Reason: ReasonMalformed, Description: "The body can't be read.", Err: err}
	}
	return f, f.parse(string(body))
}

// readAll is io.ReadAll into a buffer at hand.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b)+512)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// parse reads application/x-www-form-urlencoded. A parameter that stands there
// twice, resource excepted, is refused, also one that nobody knows.
func (f *form) parse(body string) error {
	var others map[string]bool
	params := 0
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" {
			continue
		}
		if params++; params > maxParams {
			return refuse(CodeInvalidRequest, ReasonMalformed, fmt.Sprintf("There are more than %d parameters.", maxParams))
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return refuse(CodeInvalidRequest, ReasonMalformed, "The form is not well encoded.")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return refuse(CodeInvalidRequest, ReasonMalformed, "The form is not well encoded.")
		}
		if value == "" {
			continue
		}
		field := f.field(name)
		switch {
		case name == "resource":
			f.resources = append(f.resources, value)
		case field == nil && !others[name]:
			if others == nil {
				others = map[string]bool{}
			}
			others[name] = true
		case field != nil && *field == "":
			*field = value
		default:
			return refuse(CodeInvalidRequest, ReasonRepeated, "A parameter is there twice.")
		}
	}
	return nil
}

func (f *form) field(name string) *string {
	switch name {
	case "grant_type":
		return &f.grantType
	case "client_id":
		return &f.clientID
	case "client_secret":
		return &f.clientSecret
	case "client_assertion":
		return &f.assertion
	case "client_assertion_type":
		return &f.assertionType
	case "audience":
		return &f.audience
	case "scope":
		return &f.scope
	case "token":
		return &f.token
	}
	return nil
}

// authorize takes the client's credential from wherever it stands. A client uses
// one way to authenticate in a request (RFC 6749 §2.3).
func authorize(req *Request, h http.Header, f *form) error {
	if req.GrantType != GrantClientCredentials {
		return nil // refused before anybody is asked who it is
	}
	values := h["Authorization"]
	ways := 0
	for _, is := range []bool{len(values) > 0, f.clientSecret != "", f.assertion != ""} {
		if is {
			ways++
		}
	}
	switch {
	case ways > 1 || len(values) > 1:
		return refuse(CodeInvalidRequest, ReasonTwoCredentials, "The client authenticates in more than one way.")
	case len(values) == 0:
		req.Assertion, req.AssertionType = f.assertion, f.assertionType
		return nil
	}
	id, secret, err := parseBasic(values[0])
	if err != nil {
		return &Error{Code: CodeInvalidClient, Reason: ReasonAuthorization, Description: unauthenticated("").Description, Err: err}
	}
	if req.ClientID != "" && req.ClientID != id {
		return unauthenticated(ReasonClientMismatch)
	}
	req.ClientID, req.ClientSecret = id, secret
	return nil
}

// parseBasic reads the Basic credential of RFC 6749 §2.3.1: id and secret are
// form-encoded before they are joined and encoded in base64.
func parseBasic(value string) (id, secret string, err error) {
	const scheme = "Basic "
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", "", errors.New("the Authorization header has another scheme than Basic")
	}
	joined, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(value[len(scheme):], " "))
	if err != nil {
		return "", "", errors.New("the Basic credential is not base64")
	}
	id, secret, ok := strings.Cut(string(joined), ":")
	if !ok {
		return "", "", errors.New("the Basic credential has no colon")
	}
	for _, s := range []*string{&id, &secret} {
		if *s, err = url.QueryUnescape(*s); err != nil {
			return "", "", errors.New("the Basic credential is not form-encoded")
		}
		if !utf8.ValidString(*s) || strings.IndexByte(*s, 0) >= 0 {
			return "", "", errors.New("the Basic credential is not text in UTF-8")
		}
	}
	return id, secret, nil
}

func remoteAddr(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
