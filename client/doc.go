// Package client is what an API client is: a program or service that wants to
// reach an API, how it proves who it is, and what it may do there.
//
// A [Client] is one aggregate, read and written whole: its [Spec], which is what
// an administrator says of it, its grants among that, and its secrets. [Registry]
// is the only way to add, edit, disable or delete one and to rotate its secrets;
// every rule of the domain is enforced there, under any concurrency, on any store:
//
//	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
//	…
//	ctx = audit.WithActor(ctx, audit.Program("setup"))
//	c, err := registry.Add(ctx, client.Spec{
//		Name:   "nightly report",
//		Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}},
//	})
//	secret, _, err := registry.AddSecret(ctx, c.ID, time.Now().AddDate(0, 0, 90))
//	fmt.Println(c.ID, secret.Reveal()) // shown once
//
// Read [Spec] and [Registry] first, then [Registry.Edit], [Registry.AddSecret]
// and [Registry.List]. [Client.CheckSecret] and [Client.GrantsAt] are what an
// issuer of tokens asks. [Registry.DryRun] tries any change without making it, and
// [Apply] makes many clients what a [Declaration] says of them.
//
// # Errors
//
// What is wrong with a request is an [*InvalidError] that names each field at
// fault, its bounds and what to do; with what [Apply] is given, a
// [*DeclarationError]. [ErrNotFound], [ErrConflict], [ErrNameTaken], [ErrIDUsed],
// [ErrNoMethod], [ErrLast], [ErrInUse], audit.ErrNoActor and store.ErrNewer are matched by
// errors.Is. After each of these a Registry has changed nothing. Any other error
// is the store's, and leaves open whether a change was made: read before trying
// again.
//
// # Audit
//
// Each changing method takes the [audit.Actor] from its context and writes one
// event in the same step, with the client before and after and never a secret or
// its digest. The actions are client.add, client.import, client.edit,
// client.delete, client.secret.add, client.secret.rotate and
// client.secret.delete.
package client
