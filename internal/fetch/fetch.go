// Package fetch gets small JSON documents, metadata and JWK Sets, from servers
// that are not trusted to be well-behaved.
//
//	answer, err := fetch.Get(ctx, client, url, "application/json", 1<<20)
//	…
//	fresh := fetch.Freshness(answer.Header)
//
// [Get] reads one answer of bounded size, [Disciplined] makes the client for it,
// [Freshness] says for how long the answer may be used, and [Backoff] when to ask
// again if there was none.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// An Answer is a body that came whole, with its headers.
type Answer struct {
	Body   []byte
	Header http.Header
	// NotModified says that there is no body, since the one that the caller
	// of GetChanged has is still the one that there is.
	NotModified bool
}

var (
	// ErrTooLarge: the body is longer than the limit. It was not read to its end.
	ErrTooLarge = errors.New("answer too large")
	// ErrEncoded: the body is compressed though nobody asked for that. It was
	// not looked at, so that no small answer unpacks to a large one.
	ErrEncoded = errors.New("answer has a content encoding")
	// ErrCut: the status and the headers came, but not the whole body.
	ErrCut = errors.New("answer did not come whole")
	// ErrRedirect: the answer is a redirect that SameHost does not follow.
	ErrRedirect = errors.New("redirect not followed")
)

// A StatusError is an answer that is not 200 OK.
type StatusError struct{ Status int }

// Error returns the status in figures.
func (e *StatusError) Error() string { return "status " + strconv.Itoa(e.Status) }

// Get returns the answer to a GET of location by client if it is 200 OK and its
// body has at most limit bytes. How long it takes is for ctx and client to
// bound. No compression is asked for, and none is accepted.
//
// The error is a *StatusError, or matches one of the errors above, or is what
// kept the request from being made or answered. It does not quote location, the
// query of which may be confidential.
func Get(ctx context.Context, client *http.Client, location, accept string, limit int) (Answer, error) {
	return GetChanged(ctx, client, location, accept, "", limit)
}

// GetChanged is Get for who has an answer already, the ETag of which was etag (RFC
// 9110 section 13.1.2); empty means none.
func GetChanged(ctx context.Context, client *http.Client, location, accept, etag string, limit int) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	req.Header.Set("Accept", accept)
	// Said outright, it also keeps a transport from unpacking by itself.
	req.Header.Set("Accept-Encoding", "identity")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, withoutURL(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return Answer{Header: resp.Header, NotModified: true}, nil
	case resp.StatusCode != http.StatusOK:
		return Answer{}, &StatusError{resp.StatusCode}
	}
	for _, encoding := range resp.Header.Values("Content-Encoding") {
		if encoding != "" && encoding != "identity" {
			return Answer{}, fmt.Errorf("%w: %.32q", ErrEncoded, encoding)
		}
	}
	if resp.Uncompressed {
		return Answer{}, ErrEncoded
	}
	body, err := read(resp, limit)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Body: body, Header: resp.Header}, nil
}

// Answered reports whether err, which Get returned, is no failure of the network:
// somebody was there, and answered something else than was asked for, or nothing
// was wrong.
func Answered(err error) bool {
	var status *StatusError
	return err == nil || errors.As(err, &status) ||
		errors.Is(err, ErrTooLarge) || errors.Is(err, ErrEncoded) || errors.Is(err, ErrRedirect)
}

// read returns the body of resp.
func read(resp *http.Response, limit int) ([]byte, error) {
	tooLarge := fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	if resp.ContentLength > int64(limit) {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	switch {
	case len(body) > limit:
		return nil, tooLarge
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCut, err)
	}
	return body, nil
}

// withoutURL returns what lies behind an error of package http that quotes the
// URL.
func withoutURL(err error) error {
	var quoting *url.Error
	if errors.As(err, &quoting) {
		return quoting.Err
	}
	return err
}
