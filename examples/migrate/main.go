// Migrate copies a whole tenant from one store to another: from SQLite to
// PostgreSQL when one machine is not enough any more, back again, or from one
// database to the next.
//
//	go run ./examples/migrate -from data/clientele.db -to postgres://clientele@db.example.com/clientele?sslmode=verify-full
//
// It also does what is due after going back to a backup (-after-restore). Read
// copy.go first, then compare.go, which is how it knows what is to be done and that
// it was done; restore.go is the other half.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/clientele-go/clientele/store"
)

// options are what the flags say.
type options struct {
	from, to     location
	afterRestore location
	sealingKeys  []string // files
	batch        int
}

const usage = `Migrate copies a tenant with everything that it has from one store to another.

  migrate -from data/clientele.db -to postgres://clientele@db.example.com/clientele?sslmode=verify-full

A store is the path of a SQLite file, sqlite:PATH, or a postgres:// URL; a password
is better in PGPASSWORD or PGPASSFILE than in a URL, which others on the machine may
see. Stop the programs that write to the source first, and let none use the target
before migrate has ended well: it compares each record with its copy at the end.
Interrupted, even killed, it goes on when it is started again. A target that has
anything that the source has not is refused, and left as it is.

  migrate -after-restore data/clientele.db -sealing-key data/sealing.key

does what is due after going back to a backup, before the issuers are started
again: it refuses all access tokens that were issued before now, gives up the
signing keys for a new one, and says on standard output what is to be looked at.

The log is JSON, on standard error. The exit code is 0 if all is done, 2 for wrong
flags and 1 for everything else.

`

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.from.url, "from", "", "`store` to copy from")
	flags.StringVar(&o.to.url, "to", "", "`store` to copy to")
	flags.StringVar(&o.from.tenant, "tenant", "default", "`name` of the tenant")
	flags.StringVar(&o.to.tenant, "to-tenant", "", "`name` that the tenant gets in the target (default the same)")
	flags.StringVar(&o.from.schema, "schema", "", "`schema` of the source, if it is PostgreSQL and the schema has another name than clientele")
	flags.StringVar(&o.to.schema, "to-schema", "", "`schema` of the target, likewise")
	flags.IntVar(&o.batch, "batch", 500, "how many records are written at once, 1 to 1000")
	flags.StringVar(&o.afterRestore.url, "after-restore", "", "`store` that was restored from a backup, to refuse what was issued before now")
	flags.Func("sealing-key", "`file` of the sealing key, for -after-restore; once for each, the first one seals", func(path string) error {
		o.sealingKeys = append(o.sealingKeys, path)
		return nil
	})
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.to.tenant == "" {
		o.to.tenant = o.from.tenant
	}
	o.afterRestore.tenant, o.afterRestore.schema = o.from.tenant, o.from.schema
	err := o.check(flags.Args())
	if err != nil {
		fmt.Fprintf(stderr, "%v\nmigrate -help explains all flags.\n", err)
	}
	return o, err
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: all there is to say is said by flags", rest[0])
	case o.batch < 1 || o.batch > store.MaxChanges:
		return fmt.Errorf("-batch %d: choose 1 to %d", o.batch, store.MaxChanges)
	case o.afterRestore.url != "" && (o.from.url != "" || o.to.url != ""):
		return errors.New("-after-restore is about one store: leave -from and -to out")
	case o.afterRestore.url == "" && (o.from.url == "" || o.to.url == ""):
		return errors.New("say what to copy with -from and -to, or what was restored with -after-restore")
	case o.afterRestore.url == "" && len(o.sealingKeys) > 0:
		return errors.New("-sealing-key is for -after-restore: a copy needs none")
	}
	return nil
}

func main() {
	o, err := parseFlags(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx, log); err != nil {
		log.Error("migrate failed", "error", err.Error())
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context, log *slog.Logger) (err error) {
	if o.afterRestore.url != "" {
		t, err := o.afterRestore.openExisting(ctx)
		if err != nil {
			return fmt.Errorf("-after-restore: %w", err)
		}
		return errors.Join(restored(ctx, t, o.sealingKeys, log, os.Stdout), t.close())
	}
	from, err := o.from.openExisting(ctx)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := o.to.open(ctx)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	m := &migration{from: from, to: to, batch: o.batch, log: log}
	return m.run(ctx)
}
