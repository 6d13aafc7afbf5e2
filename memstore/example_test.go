package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
)

// A record is put together with an event about it: both are there, or neither.
// Whoever puts it again names the version that was read, and learns if somebody
// else was faster.
func Example() {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()

	client := store.Record{Kind: "client", ID: "c-1", Names: []string{"billing"}, Data: []byte(`{"status":"enabled"}`)}
	event := store.Record{Kind: "audit", ID: "e-1", Labels: []store.Label{{Key: "client", Value: "c-1"}}}
	if _, err := s.Apply(ctx, store.Put(client), store.Append(event)); err != nil {
		log.Fatal(err)
	}

	mine, err := s.Get(ctx, "client", "c-1")
	if err != nil {
		log.Fatal(err)
	}
	others := mine

	others.Data = []byte(`{"status":"disabled"}`)
	if _, err := s.Apply(ctx, store.Put(others)); err != nil {
		log.Fatal(err)
	}
	_, err = s.Apply(ctx, store.Put(mine))
	fmt.Println(errors.Is(err, store.ErrConflict), err)

	page, err := s.List(ctx, store.Query{Kind: "audit", Labels: []store.Label{{Key: "client", Value: "c-1"}}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Records), page.Records[0].ID)
	// Output:
	// true change 0 (client "c-1"): changed in between
	// 1 e-1
}

// A cache begins at the latest revision, and then hears of every change.
func ExampleStore_Changes() {
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()

	begin, err := s.Changes(ctx, store.Latest, 0, 0)
	if err != nil {
		log.Fatal(err)
	}
	revision, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "c-1"}))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Apply(ctx, store.Delete("client", "c-1", revision), store.Put(store.Record{Kind: "client", ID: "c-2"})); err != nil {
		log.Fatal(err)
	}
	feed, err := s.Changes(ctx, begin.Revision, 0, 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range feed.Changed {
		fmt.Println(c.Kind, c.ID, c.Deleted)
	}
	// Output:
	// client c-1 true
	// client c-2 false
}
