package fetch

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Disciplined returns a copy of client that follows redirects only where both
// SameHost and client do, and knows no cookies.
func Disciplined(client *http.Client) *http.Client {
	c := *client
	c.Jar = nil
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := SameHost(req, via); err != nil {
			return err
		}
		if client.CheckRedirect != nil {
			return client.CheckRedirect(req, via)
		}
		return nil
	}
	return &c
}

// maxRedirects is how many redirects SameHost follows.
const maxRedirects = 3

// SameHost is a CheckRedirect for http.Client: at most 3 redirects, each to the
// scheme, host and port of the first request, none with user information. Its
// error matches ErrRedirect.
func SameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d", ErrRedirect, maxRedirects)
	case req.URL.Scheme != first.Scheme:
		return fmt.Errorf("%w: to another scheme", ErrRedirect)
	case req.URL.Host != first.Host:
		return fmt.Errorf("%w: to another host or port", ErrRedirect)
	case req.URL.User != nil:
		return fmt.Errorf("%w: with user information", ErrRedirect)
	}
	return nil
}

// NewTransport returns a transport for a request now and then to the few hosts
// that a program is configured with: through the proxies of the environment, and
// with connections that close soon after use, since nobody closes the transport.
// Dialling and the TLS handshake take at most timeout each.
func NewTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    timeout,
		IdleConnTimeout:        5 * time.Second,
		MaxIdleConnsPerHost:    1,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
