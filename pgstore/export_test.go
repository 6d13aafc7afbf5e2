package pgstore

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/clientele-go/clientele/store"
)

// Exec executes SQL in which "@." stands for the schema.
func (db *DB) Exec(ctx context.Context, sql string) {
	if _, err := db.pool.Exec(ctx, strings.ReplaceAll(sql, "@.", db.sql.schema), pgx.QueryExecModeSimpleProtocol); err != nil {
		panic(err)
	}
}

// Value returns the one value that SQL yields, as a text.
func (db *DB) Value(ctx context.Context, sql string) string {
	var v any
	if err := db.pool.QueryRow(ctx, strings.ReplaceAll(sql, "@.", db.sql.schema)).Scan(&v); err != nil {
		panic(err)
	}
	return fmt.Sprint(v)
}

// Vacuum does what the server does by itself a minute after many changes.
func (db *DB) Vacuum(ctx context.Context) {
	for _, table := range []string{"tenant", "record", "label", "search", "name", "deletion"} {
		db.Exec(ctx, "VACUUM (ANALYZE) @."+table)
	}
}

// Plan returns the server's plan for a query.
func (s *Store) Plan(ctx context.Context, q store.Query) (string, error) {
	sel, err := s.selection(&q)
	if err != nil {
		return "", err
	}
	return s.plan(ctx, sel.sql.String(), sel.args...)
}

// FeedPlan and SweepPlan return the plans for the feed, and for what has expired.
func (s *Store) FeedPlan(ctx context.Context) (string, error) {
	return s.plan(ctx, s.db.sql.feed, s.id, 0, 100)
}

func (s *Store) SweepPlan(ctx context.Context) (string, error) {
	return s.plan(ctx, s.db.sql.expired, s.id, "2030-01-01 00:00:00Z", 100)
}

func (s *Store) plan(ctx context.Context, sql string, args ...any) (plan string, err error) {
	err = s.db.read(ctx, "plan", func(ctx context.Context, c *pgx.Conn) error {
		return s.db.plan(ctx, c, "EXPLAIN (COSTS OFF) "+sql, args, func(rows pgx.Rows) error {
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			plan = strings.Join(lines, "\n")
			return err
		})
	})
	return plan, err
}

func explained(ctx context.Context, c *pgx.Conn, sql string, args ...any) (string, error) {
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// KeptPlans returns the plans that the server keeps for the statements that are
// prepared, when it makes them now.
func (db *DB) KeptPlans(ctx context.Context) (map[string]string, error) {
	s := db.sql
	kept := map[string]string{
		"get": s.get, "current": s.current, "revisions": s.revisions, "look": s.look, "lock": s.lock,
		"records": s.records, "names": s.names, "setRevision": s.setRevision,
		"deleteName": s.deleteName, "deleteLabel": s.deleteLabel, "deleteText": s.deleteText, "deleteRecord": s.deleteRecord,
		"updateRecord": s.updateRecord, "noDeletion": s.noDeletion, "setForgotten": s.setForgotten,
		"insertRecords": s.insertRecords, "insertLabels": s.insertLabels, "insertTexts": s.insertTexts, "insertNames": s.insertNames,
		"addDeletions": s.addDeletions,
	}
	for i, sql := range s.appends {
		kept[fmt.Sprint("append ", i)] = sql
	}
	plans := map[string]string{}
	err := db.use(ctx, func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, "SET plan_cache_mode = force_generic_plan", pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		for name, sql := range kept {
			execute := "EXECUTE x"
			if n := arguments(sql); n > 0 {
				execute += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
			}
			if _, err := c.Exec(ctx, "PREPARE x AS "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			plan, err := explained(ctx, c, "EXPLAIN (COSTS OFF) "+execute, pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			plans[name] = plan
			if _, err := c.Exec(ctx, "DEALLOCATE x", pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		_, err := c.Exec(ctx, "RESET plan_cache_mode", pgx.QueryExecModeSimpleProtocol)
		return err
	})
	return plans, err
}

var argumentIn = regexp.MustCompile(`\$\d+`)

// arguments returns how many arguments a statement has.
func arguments(sql string) int {
	seen := map[string]bool{}
	for _, arg := range argumentIn.FindAllString(sql, -1) {
		seen[arg] = true
	}
	return len(seen)
}

// WaitQueued returns when n Applies of a tenant wait for their turn.
func (s *Store) WaitQueued(ctx context.Context, n int) {
	waitFor(ctx, func() bool {
		s.db.writers.mu.Lock()
		defer s.db.writers.mu.Unlock()
		l, ok := s.db.writers.lanes[s.id]
		return ok && len(l.waiting) == n
	})
}

// Working says whether a tenant's lane works.
func (s *Store) Working() bool {
	s.db.writers.mu.Lock()
	defer s.db.writers.mu.Unlock()
	_, ok := s.db.writers.lanes[s.id]
	return ok
}

// ID returns the tenant's number.
func (s *Store) ID() int32 { return s.id }

// Closing returns when Close has begun.
func (db *DB) Closing() { <-db.reading.Done() }

// Channel returns what the notifications are sent by.
func (db *DB) Channel() string { return db.watch.channel }

// Newest is the schema of this release.
var Newest = len(migrations)

// Migrate brings the schema of a database to a version.
func Migrate(ctx context.Context, url, schema string, version int) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return migrate(ctx, c, schema, version)
}

// Internals that are tested by themselves.
var (
	LabelHash = labelHash
)

// ParseURL returns what Open says about a URL.
func ParseURL(url string) error {
	_, err := parseURL(url, &Config{})
	return err
}

func waitFor(ctx context.Context, done func() bool) {
	for begun := time.Now(); !done() && ctx.Err() == nil; {
		if time.Since(begun) > 30*time.Second {
			panic("it does not come to that")
		}
		runtime.Gosched()
	}
}

// WaitWatched returns when somebody waits in Changes.
func (s *Store) WaitWatched(ctx context.Context) {
	waitFor(ctx, func() bool {
		s.db.watch.mu.Lock()
		defer s.db.watch.mu.Unlock()
		return s.db.watch.tenants[s.id] != nil
	})
}
