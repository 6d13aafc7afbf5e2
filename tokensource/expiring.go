package tokensource

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

// expiring is how long before its end a secret is told of.
const expiring = 30 * 24 * time.Hour

// tellEnd tells of the end of the secret, if that is near and was not told of yet.
// Nobody waits for it.
func (s *Source) tellEnd(ctx context.Context, ends time.Time) {
	if ends.IsZero() || ends.Sub(s.clock.time()) > expiring {
		return // without a look at the clock where there is nothing to tell
	}
	s.mu.Lock()
	told := s.toldEnd.Equal(ends)
	s.toldEnd = ends
	s.mu.Unlock()
	if told {
		return
	}
	about := []slog.Attr{
		slog.String("client_id", s.clientID), slog.String("endpoint", s.server()), slog.Time("expires_at", ends),
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "client secret expires soon", about...)
	if s.onExpiring == nil {
		return
	}
	defer func() { // what it does must not end the program
		if v := recover(); v != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "OnExpiring panicked",
				append(about, slog.Any("panic", v), slog.String("stack", string(debug.Stack())))...)
		}
	}()
	s.onExpiring(ctx, ends)
}
