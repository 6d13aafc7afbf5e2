package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/clientele-go/clientele/internal/throttle"
)

// How many attempts to authenticate may fail, unless Config says otherwise.
const (
	defaultFailedPerClient  = 10
	defaultFailedPerAddress = 100
	maxFailed               = 1_000_000
)

// attempts slows callers that fail to authenticate. It is asked after a credential
// was checked, and only of one that is wrong: so whoever has the right one gets its
// token whatever others do, and nobody can lock a client out. What a refused
// attempt costs is bounded without it; what it takes from the caller is the right
// to a line in the log and to an answer other than "later".
//
// It knows the client by the id that the request names, whether there is such a
// client or not, and so tells nothing about that.
type attempts struct {
	perClient, perAddress *throttle.Throttle // nil: not limited
	seed                  maphash.Seed
}

// newAttempts checks Config.FailedPerClient and FailedPerAddress.
func newAttempts(cfg *Config) (*attempts, error) {
	a := &attempts{seed: maphash.MakeSeed()}
	for _, limit := range []struct {
		name     string
		n, usual int
		to       **throttle.Throttle
	}{
		{"FailedPerClient", cfg.FailedPerClient, defaultFailedPerClient, &a.perClient},
		{"FailedPerAddress", cfg.FailedPerAddress, defaultFailedPerAddress, &a.perAddress},
	} {
		switch {
		case limit.n > maxFailed:
			return nil, fmt.Errorf("token: Config.%s is %d, want at most %d, or a negative number for no limit", limit.name, limit.n, maxFailed)
		case limit.n == 0:
			*limit.to = throttle.New(limit.usual, time.Minute)
		case limit.n > 0:
			*limit.to = throttle.New(limit.n, time.Minute)
		}
	}
	return a, nil
}

// failed counts an attempt that failed, and returns how long the caller should
// wait before the next one if there were too many: 0 if there were not.
func (a *attempts) failed(clientID, address string, now time.Time) time.Duration {
	if address == "" {
		return 0 // a caller in this process
	}
	place := placeOf(address)
	client, everyone := a.hash(place, clientID), a.hash(place, "")
	// Who is stopped by one of the two does not count for the other.
	var wait time.Duration
	if a.perAddress != nil {
		wait = a.perAddress.Wait(everyone, now)
	}
	if wait == 0 && a.perClient != nil {
		wait = a.perClient.Take(client, now)
	}
	if wait == 0 && a.perAddress != nil {
		wait = a.perAddress.Take(everyone, now)
	}
	return wait
}

// hash returns the key of a client at a place or, without an id, of the place.
func (a *attempts) hash(place, clientID string) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(place)))
	_, _ = h.Write(length[:])
	_, _ = h.WriteString(place)
	_, _ = h.WriteString(clientID)
	return h.Sum64()
}

// placeOf returns what counts as one address: an IPv6 network of 64 bits, since
// whoever has one address of it has all of them, or an IPv4 address.
func placeOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address // of a socket that has no IP address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, err := ip.Prefix(64)
		if err == nil {
			ip = network.Addr()
		}
	}
	b := ip.As16()
	return string(b[:])
}

// slow returns err or, if it is a failed authentication and there were too many
// from there, the answer that says so. That tells neither more nor less: for an
// attempt that is right it never comes.
func (i *Issuer) slow(req *Request, err error) error {
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != CodeInvalidClient || refusal.found.byHook || refusal.status() != http.StatusUnauthorized {
		return err
	}
	wait := i.attempts.failed(req.ClientID, req.RemoteAddr, i.now())
	if wait == 0 {
		return err
	}
	slowed := *refusal
	slowed.Status, slowed.RetryAfter, slowed.slowed = http.StatusTooManyRequests, wait, true
	slowed.Description = "Client authentication failed too often. Try again later."
	return &slowed
}

// level returns at which level a refusal is logged. What is slowed is not for
// everybody to read: a few of its kind stand there in each minute anyway.
func (e *Error) level() slog.Level {
	switch status := e.status(); {
	case status >= http.StatusInternalServerError:
		return slog.LevelError
	case status == http.StatusTooManyRequests && e.slowed:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// seconds returns d in whole seconds, one at least, as Retry-After has them.
func seconds(d time.Duration) int64 {
	return max(int64((d+time.Second-1)/time.Second), 1)
}
