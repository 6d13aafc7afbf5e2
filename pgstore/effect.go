package pgstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/internal/jsonlist"
)

// write queues the statements that make of the tenant what it is now. Rows are
// deleted before others take their places, and all in one order whoever writes
// them, so that transactions seldom wait for each other in a circle.
func (s *state) write(b *pgx.Batch, sql *statements, tenant int32) {
	inserted, labels, texts := &recordRows{tenant: tenant}, &labelRows{}, &textRows{}
	var updated []*held
	for _, k := range sortedKeys(s.now, compareKeys) {
		before, now := s.before[k], s.now[k]
		if before == now {
			continue
		}
		gone, come := compareRows(labelRowsOf(tenant, k, before), labelRowsOf(tenant, k, now))
		for _, l := range gone {
			b.Queue(sql.deleteLabel, l.hash, l.sort, l.id)
		}
		labels.add(come)
		if !sameText(before, now) {
			if before != nil && before.text != "" {
				b.Queue(sql.deleteText, tenant, k.kind, before.sort, k.id)
			}
			if now != nil && now.text != "" {
				texts.add(now.record)
			}
		}
		switch {
		case now == nil:
			b.Queue(sql.deleteRecord, tenant, k.kind, k.id)
		case before == nil:
			inserted.held = append(inserted.held, now)
		default:
			updated = append(updated, now)
		}
	}
	s.deleteNames(b, sql, tenant)
	for _, h := range updated {
		r := h.record
		b.Queue(sql.updateRecord, tenant, r.Kind, r.ID, h.version, r.Sort, orNull(r.Expires), r.Format, r.Text,
			listOrNull(jsonlist.Names(r.Names)), listOrNull(jsonlist.Labels(r.Labels)), orEmpty(r.Data))
	}
	for _, args := range inserted.arguments() {
		b.Queue(sql.insertRecords, args...)
	}
	s.insertNames(b, sql, tenant)
	if len(labels.hash) > 0 {
		b.Queue(sql.insertLabels, labels.arguments()...)
	}
	if len(texts.id) > 0 {
		b.Queue(sql.insertTexts, append([]any{tenant}, texts.arguments()...)...)
	}
	s.writeDeletions(b, sql, tenant)
}

// sameText says whether two versions of a record have the same row of its text.
func sameText(a, b *held) bool {
	return a != nil && b != nil && a.text == b.text && a.sort == b.sort && a.expires.Equal(b.expires)
}

func (s *state) deleteNames(b *pgx.Batch, sql *statements, tenant int32) {
	for _, n := range sortedKeys(s.ownersNow, compareNames) {
		if before := s.ownersBefore[n]; before != "" && before != s.ownersNow[n] {
			b.Queue(sql.deleteName, tenant, n.kind, n.name)
		}
	}
}

func (s *state) insertNames(b *pgx.Batch, sql *statements, tenant int32) {
	names := &nameRows{}
	for _, n := range sortedKeys(s.ownersNow, compareNames) {
		if now := s.ownersNow[n]; now != "" && now != s.ownersBefore[n] {
			names.add(n, now)
		}
	}
	if len(names.name) > 0 {
		b.Queue(sql.insertNames, append([]any{tenant}, names.arguments()...)...)
	}
}

func (s *state) writeDeletions(b *pgx.Batch, sql *statements, tenant int32) {
	var kinds, ids []string
	var revisions []int64
	for _, k := range sortedKeys(s.deletions, compareKeys) {
		if rev := s.deletions[k]; rev != 0 {
			kinds, ids, revisions = append(kinds, string(k.kind)), append(ids, k.id), append(revisions, int64(rev))
		} else {
			b.Queue(sql.noDeletion, tenant, k.kind, k.id)
		}
	}
	if len(kinds) > 0 {
		b.Queue(sql.addDeletions, tenant, kinds, ids, revisions)
	}
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
}

func compareNames(a, b nameKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
}

func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}
