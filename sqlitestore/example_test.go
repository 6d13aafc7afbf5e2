package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	db, err := sqlitestore.Open(ctx, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	s, err := db.Tenant(ctx, "example")
	if err != nil {
		log.Fatal(err)
	}

	// A record, and what happened, in one Apply.
	_, err = s.Apply(ctx,
		store.Put(store.Record{Kind: "client", ID: "billing", Names: []string{"billing service"}, Data: []byte(`{"enabled":true}`)}),
		store.Append(store.Record{Kind: "audit", ID: "event 1", Data: []byte(`{"added":"billing"}`)}),
	)
	if err != nil {
		log.Fatal(err)
	}
	r, err := s.Get(ctx, "client", "billing")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("version %d: %s\n", r.Version, r.Data)

	// Who has read an older version does not overwrite a newer one.
	_, err = s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "billing", Version: r.Version + 1}))
	fmt.Println(err)
	fmt.Println(errors.Is(err, store.ErrConflict))
	// Output:
	// version 1: {"enabled":true}
	// change 0 (client "billing"): changed in between
	// true
}

func ExampleDB_Tenant() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	db, err := sqlitestore.Open(ctx, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, name := range []string{"north", "south"} {
		s, err := db.Tenant(ctx, name)
		if err != nil {
			log.Fatal(err)
		}
		// The same id in both: tenants share nothing.
		if _, err := s.Apply(ctx, store.Put(store.Record{Kind: "client", ID: "billing"})); err != nil {
			log.Fatal(err)
		}
	}
	if err := db.DeleteTenant(ctx, "north"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Tenants(ctx))
	// Output: [south] <nil>
}

func ExampleDB_Backup() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	db, err := sqlitestore.Open(ctx, filepath.Join(dir, "clientele.db"), sqlitestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Tenant(ctx, "example"); err != nil {
		log.Fatal(err)
	}
	if err := db.Backup(ctx, filepath.Join(dir, "backup.db")); err != nil {
		log.Fatal(err)
	}

	// A backup is a database like any other.
	backup, err := sqlitestore.Open(ctx, filepath.Join(dir, "backup.db"), sqlitestore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer backup.Close()
	fmt.Println(backup.Tenants(ctx))
	// Output: [example] <nil>
}
