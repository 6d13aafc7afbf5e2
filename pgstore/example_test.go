package pgstore_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/store"
)

func Example() {
	ctx := context.Background()
	db, err := pgstore.Open(ctx, os.Getenv("DATABASE_URL"), pgstore.Config{})
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
}

// A program whose role may not change the schema, behind PgBouncer in transaction
// mode.
func ExampleConfig() {
	ctx := context.Background()

	// Once for each release, directly, as the role that owns the schema.
	db, err := pgstore.Open(ctx, os.Getenv("OWNER_URL"), pgstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}

	// Every instance of the program.
	db, err = pgstore.Open(ctx, os.Getenv("POOLER_URL"), pgstore.Config{SkipMigrations: true, PgBouncer: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
}
