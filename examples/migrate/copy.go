package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/clientele-go/clientele/store"
)

// errChanged: the source did not stand still.
var errChanged = errors.New("the source was changed meanwhile; stop the programs that write to it, and start again")

// maxBytes is how much is written at once, but for records that belong together.
const maxBytes = 4 << 20

// A migration copies a tenant. It takes memory for what is to be copied of the
// records that were put, about 100 bytes for each, and for one page of the others.
type migration struct {
	from, to *tenant
	batch    int // records of one Apply
	log      *slog.Logger

	known    *difference    // as it was at the beginning
	changes  []store.Change // the Apply that is being put together
	bytes    int
	done, of int // records
	now      time.Time
}

// run looks what is to be copied, copies it, and looks again.
func (m *migration) run(ctx context.Context) error {
	m.now = time.Now()
	before, err := revision(ctx, m.from)
	if err != nil {
		return err
	}
	m.log.Info("comparing")
	if m.known, err = compare(ctx, m.from, m.to, m.now); err != nil {
		return err
	}
	m.of = m.known.appends + len(m.known.puts)
	m.log.Info("copying", "there", m.known.same, "done", 0, "of", m.of)
	if err := m.copyPuts(ctx); err != nil {
		return err
	}
	for _, kind := range m.known.kinds {
		if err := m.copyAppends(ctx, kind); err != nil {
			return err
		}
	}
	m.log.Info("verifying")
	copied, err := compare(ctx, m.from, m.to, m.now)
	if err == nil {
		err = copied.first
	}
	after, failed := revision(ctx, m.from)
	switch {
	case failed != nil:
		return errors.Join(err, failed)
	case after != before || errors.Is(err, errMissing):
		return errChanged
	case err != nil:
		return err
	}
	m.log.Info("copied", "records", copied.same, "kinds", m.known.kinds)
	return nil
}

// revision returns the one of the last Apply of puts and deletions.
func revision(ctx context.Context, s store.Store) (store.Revision, error) {
	feed, err := s.Changes(ctx, store.Latest, 0, 0)
	return feed.Revision, err
}

// copyPuts copies the records that were put, in the order of their versions. What
// one Apply has written is written by one Apply again, since packages know by it
// which records belong together.
func (m *migration) copyPuts(ctx context.Context) error {
	puts := m.known.puts
	slices.SortFunc(puts, func(a, b put) int {
		return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	for len(puts) > 0 {
		n := 1
		for n < len(puts) && puts[n].version == puts[0].version {
			n++
		}
		if err := m.copyGroup(ctx, puts[:n]); err != nil {
			return err
		}
		puts = puts[n:]
	}
	return m.flush(ctx)
}

// copyGroup copies the records of one version.
func (m *migration) copyGroup(ctx context.Context, group []put) error {
	if _, ok := m.known.versions[group[0].version]; ok {
		// The others are there. This one was, and has been swept.
		m.done += len(group)
		return nil
	}
	if len(m.changes)+len(group) > m.batch {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	for _, p := range group {
		record, err := m.from.Get(ctx, p.kind, p.id)
		if errors.Is(err, store.ErrNotFound) || err == nil && record.Version != p.version {
			return errChanged
		}
		if err != nil {
			return err
		}
		record.Version = 0
		m.add(store.Put(record))
	}
	return m.flushIfFull(ctx)
}

// copyAppends copies the records of a kind that were appended.
func (m *migration) copyAppends(ctx context.Context, kind store.Kind) error {
	for p, err := range pairs(ctx, m.from, m.to, kind) {
		if err != nil {
			return err
		}
		if p.from == nil || p.to != nil || p.from.Version != 0 {
			continue
		}
		m.add(store.Append(*p.from))
		if err := m.flushIfFull(ctx); err != nil {
			return err
		}
	}
	return m.flush(ctx)
}

func (m *migration) add(c store.Change) {
	m.changes = append(m.changes, c)
	m.bytes += len(c.Record.Data)
}

func (m *migration) flushIfFull(ctx context.Context) error {
	if len(m.changes) < m.batch && m.bytes < maxBytes {
		return nil
	}
	return m.flush(ctx)
}

// flush writes what was put together, and says so once for each hundredth of the
// whole.
func (m *migration) flush(ctx context.Context) error {
	if len(m.changes) == 0 {
		return nil
	}
	if _, err := m.to.Apply(ctx, m.changes...); err != nil {
		var change *store.ChangeError
		if errors.As(err, &change) {
			return fmt.Errorf("somebody else writes to the target: %w", err)
		}
		return err
	}
	before := m.done * 100 / max(m.of, 1)
	m.done += len(m.changes)
	m.changes, m.bytes = m.changes[:0], 0
	if m.done*100/max(m.of, 1) > before {
		m.log.Info("copying", "done", m.done, "of", m.of)
	}
	return nil
}
