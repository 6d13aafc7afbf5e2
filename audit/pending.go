package audit

import (
	"context"
	"log/slog"

	"github.com/clientele-go/clientele/store"
)

// A Pending is an event that Log.Change has made and nobody has written yet.
type Pending struct {
	// Change is the Append that writes the event, for the same Apply as the
	// change that it tells of.
	Change store.Change

	event  *Event
	logger *slog.Logger
}

// Done tells Config.Logger of the event, once for each call. It is called when
// the Apply with Change in it has returned nil, and not otherwise, so that nothing
// is told that did not happen; what was written while the process or the
// connection ended may be in the Log alone.
//
// The log record has the level Info, the message "audit", and the attributes
// event (its id), at (its time), action, actor (the group of Actor.LogValue),
// subject (a group of those of kind, id and name that it has), and before and
// after, which are JSON, where there is one. Without a Logger Done does nothing.
func (p Pending) Done(ctx context.Context) {
	if p.logger == nil || !p.logger.Enabled(ctx, slog.LevelInfo) {
		return
	}
	e := p.event
	attrs := make([]slog.Attr, 0, 7)
	attrs = append(attrs,
		slog.String("event", e.ID), slog.Time("at", e.Time), slog.String("action", e.Action),
		slog.Any("actor", e.Actor), slog.Any("subject", e.Subject))
	if e.Before != nil {
		attrs = append(attrs, slog.Any("before", e.Before))
	}
	if e.After != nil {
		attrs = append(attrs, slog.Any("after", e.After))
	}
	p.logger.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}
