// Package store is the one contract between clientele and whatever keeps its
// data: records, changed all or nothing, and a feed of what changed.
//
// A store knows nothing of API clients, secrets or tokens. The packages above
// say what is in a record; a store keeps it, finds it again by id, label, text
// or order, and tells everybody who follows its feed that it changed. Whoever
// wants to keep clientele's data somewhere new implements the five methods of
// [Store] and runs the suite of package storetest, which is the contract below
// as tests.
//
// Read [Store] first, then [Record], [Change] and [Query]. [Table] and
// [Snapshot] are the caches that the packages above read through.
package store

import (
	"context"
	"time"
)

// Store keeps the records of one tenant. Two values that belong to different
// tenants share nothing: not ids, not names, not revisions.
//
// Who implements Store, promises the following; who uses it, may rely on it and
// on nothing more. Package storetest holds a test for each sentence.
//
// # Concurrency
//
// All methods may be called by any number of goroutines at once, and several
// processes may open the same data where the store says so. Apply is
// linearizable: an Apply that returned before another call began is seen whole
// by that call, in whichever process; a call never sees a part of an Apply.
//
// # Contexts
//
// A context that is done before the call has any effect makes the method return
// its error (matched by errors.Is) and change nothing. A context that ends
// during Apply leaves the outcome unknown, like any error that is not a
// [ChangeError] or [ErrInvalid]: the caller reads before it tries again. No
// method outlives its context by more than what the operating system needs to
// give up a single read or write.
//
// # Memory
//
// A store keeps no slice that it was given, and the caller may change it once
// the call returned. What a store returns is read-only: it may be shared with
// other callers, and nobody changes it.
//
// # Limits
//
// Every argument outside the limits that [Record], [Change] and [Query] state
// is refused with an error that wraps [ErrInvalid], and nothing is changed.
// [Check], [CheckKey], [CheckLimit] and [Query.Check] test all of them, so that
// a store need not.
//
// # After Close
//
// Closing is not part of the contract; a store that can be closed answers
// [ErrClosed] from then on, and wakes who waits in Changes with it.
type Store interface {
	// Get returns the record of that kind and id, or an error that wraps
	// ErrNotFound. A record whose expiry has passed is returned, by List
	// too, until Sweep drops it: the caller looks at Expires.
	Get(ctx context.Context, kind Kind, id string) (Record, error)

	// List returns the records that match q, in the order of q.
	// See Query for what matches and Page for what is returned.
	// A page shows the store as it was at one moment.
	List(ctx context.Context, q Query) (Page, error)

	// Apply makes the changes in their order, all or none, and returns when
	// they would survive a crash (where the store is durable). Each change
	// sees what the ones before it did: a name freed by the first can be
	// taken by the second. A change that cannot be made is named by a
	// *ChangeError, and then none was made. Two changes of one record in one
	// Apply are invalid.
	//
	// The Revision returned is the version of every record put, and the
	// place of the whole Apply in the feed. It is larger than that of every
	// Apply that was acknowledged before this one began. An Apply of nothing
	// but Appends has no place in the feed and returns 0.
	Apply(ctx context.Context, changes ...Change) (Revision, error)

	// Changes returns what was put or deleted by an Apply with a revision
	// larger than since, in the order of revisions, and nothing twice: a
	// record changed several times stands there once, at its last revision.
	// It misses nothing, however writers overlap: whoever passes the returned
	// Feed.Revision as the next since has seen every change.
	//
	// If there is nothing to return, Changes waits until there is, but at
	// most for wait, and then returns an empty Feed: everything known at the
	// returned Feed.Revision is still current at that moment. Wait 0 (or
	// less) asks without waiting.
	//
	// At most limit changes are returned (0 means DefaultLimit), and what
	// else belongs to the last revision among them, since a revision is never
	// split; the order within one is free. Feed.More says that more are there
	// already.
	//
	// A since of Latest (others below 0 are invalid) answers at once with an empty Feed at the current
	// revision: where a cache begins. A store remembers deletions for at
	// least an hour; a since that is older than what it remembers, or that
	// it has not given yet (after a restore from a backup), gets ErrTooOld,
	// and the caller drops what it has cached.
	//
	// Appended records and what Sweep drops do not stand in the feed.
	Changes(ctx context.Context, since Revision, wait time.Duration, limit int) (Feed, error)

	// Sweep drops records whose expiry is earlier than before, at most limit
	// (0 means DefaultLimit), earliest first, and returns how many. Fewer
	// than limit means that none is left. It also lets the store forget
	// deletions that are older than an hour, and is what a program calls now
	// and then. Before may be any time, in any zone and to the nanosecond.
	Sweep(ctx context.Context, before time.Time, limit int) (int, error)
}

// Limits of what a store takes. Sizes are in bytes.
const (
	MaxKind    = 64      // a kind: 1…64 of a-z, 0-9, '.', '_' and '-'
	MaxString  = 1 << 10 // an id, name, label key, label value or sort key
	MaxText    = 4 << 10 // the searchable text of a record
	MaxData    = 1 << 20 // the data of a record
	MaxNames   = 16      // unique names of a record
	MaxLabels  = 512     // labels of a record
	MaxChanges = 1000    // changes of one Apply
	MaxLimit   = 1000    // Query.Limit, and the limits of Changes and Sweep

	DefaultLimit = 100 // what a limit of 0 means
)

// Kind says what a record is about: "client", "audit". Each kind has its own
// ids, unique names and order. It is 1 to MaxKind bytes of lower-case letters,
// digits, '.', '_' and '-'.
type Kind string

// Revision numbers the Applies of a tenant: larger is later, 1 is the first,
// and numbers may be left out.
type Revision int64

// Latest, as the since of Changes, asks for the current revision.
const Latest Revision = -1

// A Record is what a store keeps. All strings are UTF-8 without NUL; sizes are
// limited as the Max constants say.
type Record struct {
	Kind Kind
	ID   string // 1…MaxString bytes, unique in its kind

	// Version is the Revision of the Apply that put the record last, and 0
	// for an appended record, which never changes. In a Put it is the
	// version that the caller read, or 0 if the record must not exist.
	Version Revision

	// Names are further keys that no other record of the kind may have:
	// the folded name of an API client, say. Up to MaxNames, each 1…MaxString
	// bytes, without repetition. They come back in the order given.
	Names []string

	// Labels are found by exact match; a key may have several values. Up to
	// MaxLabels, without repetition. Keys have 1…MaxString bytes, values
	// 0…MaxString. A store may return them in another order.
	Labels []Label

	// Text is searched for substrings, byte by byte. Up to MaxText bytes.
	// What should be found whatever its case is stored folded (see Fold).
	Text string

	// Sort is the sort key: records of a kind are ordered by its bytes, then
	// by the bytes of the id. 0…MaxString bytes.
	Sort string

	// Expires is when the record may vanish (by Sweep). Zero means never.
	// Whole microseconds in UTC, as Time makes them, from the year 1 to 9999.
	Expires time.Time

	// Format is the number of the format that Data is in; 0…1 000 000. A
	// release that knows formats up to n refuses to rewrite a record with a
	// larger one (see CheckFormat).
	Format int

	// Data is what the package that owns the kind wrote, JSON as a rule.
	// 0…MaxData bytes.
	Data []byte
}

// A Label is a key with one value, for exact match.
type Label struct{ Key, Value string }

// An Op is what a Change does. The zero Op is none, so that a forgotten one is
// refused.
type Op uint8

const (
	// OpPut writes Record whole. Record.Version is the version it replaces,
	// or 0 if no record with that id may exist. It fails with ErrExists if
	// one does, ErrNotFound if the one to replace is gone, ErrConflict if
	// it has another version, and ErrTaken if another record of the kind
	// has one of the Names.
	OpPut Op = iota + 1
	// OpDelete removes the record with Record's Kind, ID and Version, and
	// fails with ErrNotFound or ErrConflict. Nothing else in Record counts.
	// Version 0 is invalid: appended records leave by Sweep alone.
	OpDelete
	// OpAppend writes Record if no record with that id exists, and fails
	// with ErrExists otherwise, or with ErrTaken. Record.Version is 0 and
	// stays 0. It is for what is many and never changes: events, tokens,
	// spent assertions. A record whose expiry has passed exists until Sweep
	// drops it.
	OpAppend
)

// A Change is one of the changes of an Apply. Put, Delete and Append make one.
type Change struct {
	Op     Op
	Record Record
}

// Put returns the Change that writes r over the version that r.Version names.
func Put(r Record) Change { return Change{OpPut, r} }

// Append returns the Change that adds r, which must be new.
func Append(r Record) Change { r.Version = 0; return Change{OpAppend, r} }

// Delete returns the Change that removes a record that was read with version.
func Delete(kind Kind, id string, version Revision) Change {
	return Change{OpDelete, Record{Kind: kind, ID: id, Version: version}}
}

// A Query selects records of one kind. Only Kind is required; what is zero does
// not narrow the selection.
type Query struct {
	Kind   Kind
	Labels []Label // all of them must be on the record; up to 16
	Text   string  // must be a substring of the record's Text

	From, To string // From <= Sort, and Sort < To

	// ExpiresFrom <= Expires, and Expires < ExpiresTo. A record without an
	// expiry matches neither.
	ExpiresFrom, ExpiresTo time.Time

	Descending bool // by Sort, then by ID, both from the end

	// After continues behind a record: the Next of a page of the same
	// selection and direction, or At of a record. Records that came in
	// between are seen if they sort behind it; none is skipped or repeated.
	After Cursor
	// Offset skips that many records, counted from the beginning or, with
	// After, from there.
	Offset int
	// Limit is the most records to return: 1…MaxLimit; 0 is DefaultLimit.
	Limit int
	// Count asks for Page.Total.
	Count bool
}

// A Page is what List returns.
type Page struct {
	Records []Record
	// Next, as Query.After, continues behind the last record of Records. It
	// is empty if there was nothing more.
	Next Cursor
	// Total is the number of records that the query selects without After,
	// Offset and Limit. It is counted only if Query.Count is set.
	Total int
}

// A Feed is what Changes returns.
type Feed struct {
	Changed []Changed
	// Revision is what to pass as since next time.
	Revision Revision
	// More says that a call with that since would return something at once.
	More bool
}

// Changed says that a record was put or deleted.
type Changed struct {
	Kind     Kind
	ID       string
	Revision Revision
	Deleted  bool
}
