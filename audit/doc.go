// Package audit keeps what happened: who changed what, when, and from where.
//
// Whoever calls a changing method of clientele says in the context who acts.
// Without that the method fails with [ErrNoActor] and changes nothing:
//
//	ctx = audit.WithActor(ctx, audit.Actor{
//		Kind: audit.Person, ID: "u-17", Name: "Ada", Address: r.RemoteAddr,
//	})
//	ctx = audit.WithActor(ctx, audit.Program("nightly-cleanup")) // or a program's own doing
//
// A package that changes records asks a [Log] for the event and writes both in
// one Apply, so that there is no change without its event and no event without
// its change:
//
//	event, err := log.Change(ctx, audit.Entry{Action: "client.add", Subject: subject, After: client})
//	...
//	_, err = store.Apply(ctx, store.Put(record), event.Change)
//	...
//	event.Done(ctx) // which streams it to Config.Logger
//
// And whoever wants to know reads them, the newest first:
//
//	page, err := log.List(ctx, audit.Filter{SubjectKind: "client", SubjectID: id})
//
// Read [Actor] first, then [Entry] and [Event], then [Log]. How long events are
// kept, and whatever else a tenant gathers, is said in one place: [Retention].
//
// An event never holds a secret, because what is handed in never does: types
// that hold one redact it in their MarshalJSON.
package audit
