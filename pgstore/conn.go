package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/clientele-go/clientele/store"
)

const (
	// connectTimeout is how long one attempt to connect takes at most, if the
	// URL does not say so itself.
	connectTimeout = 5 * time.Second
	// pingTimeout is how long a connection that was not used for a while may
	// take to show that it still works.
	pingTimeout = time.Second
	// leaveTimeout is how long a connection whose call was given up is kept
	// from being replaced, so that the server can be told in good order.
	leaveTimeout = time.Second
)

// parseURL returns how to connect. What it says is wrong never has the password
// in it, nor anything else of a URL that is too far from one to be understood.
func parseURL(text string, cfg *Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", store.ErrInvalid, describeURL(text, err))
	}
	if cfg.MaxConns != 0 {
		pc.MaxConns = int32(cfg.MaxConns)
	} else if !strings.Contains(text, "pool_max_conns") {
		pc.MaxConns = defaultMaxConns
	}
	if pc.MaxConns < 2 {
		return nil, fmt.Errorf("%w: pool_max_conns of 1, want 2 or more", store.ErrInvalid)
	}
	if pc.PingTimeout == 0 {
		pc.PingTimeout = pingTimeout
	}
	cc := pc.ConnConfig
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	cc.DialFunc = dialer(cc.ConnectTimeout)
	if cfg.PgBouncer {
		// Statements are parsed and planned with each call; their types are
		// asked for once.
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return pc, nil
	}
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	if _, ok := cc.RuntimeParams["application_name"]; !ok {
		cc.RuntimeParams["application_name"] = "clientele"
	}
	for _, p := range planning {
		cc.RuntimeParams[p.name] = p.value
	}
	return pc, nil
}

// planning is how the server plans the statements of a connection, or of a list
// if nothing may be set for a connection.
var planning = []struct{ name, value string }{
	// There is an index for each statement. A plan that was made and kept
	// when a table was small, by reading it from end to end, would be wrong
	// until the server looks at the table again, a minute or more later.
	{"enable_seqscan", "off"},
	// No statement is worth compiling, nor the processes that help with it: to
	// start them takes longer than most.
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
}

// planningSQL sets that for a transaction.
func planningSQL() string {
	var all []string
	for _, p := range planning {
		all = append(all, "set_config('"+p.name+"', '"+p.value+"', true)")
	}
	return "SELECT " + strings.Join(all, ", ")
}

// planned is given to a query whose plan is made each time, by the size that the
// tables and the arguments have now.
const planned = pgx.QueryExecModeCacheDescribe

// plan executes a query whose plan is made each time, and which can be planned
// badly, and calls f with its rows.
func (db *DB) plan(ctx context.Context, c *pgx.Conn, sql string, args []any, f func(pgx.Rows) error) error {
	if db.pooled {
		b := &pgx.Batch{} // which is one transaction
		b.Queue(db.sql.planning)
		b.Queue(sql, args...).Query(f)
		return c.SendBatch(ctx, b).Close()
	}
	rows, err := c.Query(ctx, sql, append([]any{planned}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return f(rows)
}

// describeURL says what is wrong with a URL that pgx refuses, in words that have
// nothing of the URL: where it is wrong, anything can be a password.
func describeURL(text string, err error) string {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return "a file of sslrootcert, sslcert or sslkey: " + file.Err.Error()
	}
	u, parseErr := url.Parse(text)
	if parseErr != nil || u.Host == "" {
		return "not a URL of a PostgreSQL server, nor the keywords and values of libpq"
	}
	sslmodes := []string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	if !slices.Contains(sslmodes, u.Query().Get("sslmode")) {
		return "the URL of the PostgreSQL server has an sslmode that there is not"
	}
	return "the URL of the PostgreSQL server has a parameter, or a part, that it cannot have"
}

// dialer returns how to dial the server. Pgx gives a connection whose call was
// given up a quarter of a minute to come to an end, in which it takes the place
// of a good one; if the network has failed, as likely as not, that is too long.
func dialer(connectTimeout time.Duration) pgconn.DialFunc {
	d := net.Dialer{
		Timeout: connectTimeout,
		// Who listens hears nothing from a server that vanished.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		// Whoever may take longer than to connect asks the server to end
		// what another connection has begun.
		deadline, ok := ctx.Deadline()
		if ok && time.Until(deadline) > connectTimeout+time.Second {
			ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
			defer cancel()
			c, err := d.DialContext(ctx, network, address)
			if err == nil {
				err = c.SetDeadline(time.Now().Add(leaveTimeout))
			}
			return c, err
		}
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return hasty{c}, nil
	}
}

// hasty is a connection that does not take long to leave: no deadline is set but
// for that.
type hasty struct{ net.Conn }

func (c hasty) SetDeadline(t time.Time) error {
	if most := time.Now().Add(leaveTimeout); t.After(most) {
		t = most
	}
	return c.Conn.SetDeadline(t)
}

// checkServer looks whether the server does what this package relies on.
func checkServer(ctx context.Context, c *pgx.Conn) error {
	const sql = `SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'),
		current_setting('synchronous_commit'), pg_is_in_recovery()`
	var version int
	var encoding, commit string
	var standby bool
	if err := c.QueryRow(ctx, sql).Scan(&version, &encoding, &commit, &standby); err != nil {
		return err
	}
	switch {
	case standby:
		return errors.New("the server is a standby, which cannot be written to: name the primary, or all and target_session_attrs=read-write")
	case version < 130000:
		return fmt.Errorf("the server is PostgreSQL %d, want 13 or later", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s, want UTF8", encoding)
	case commit == "off":
		return errors.New("synchronous_commit is off, so what is acknowledged could be lost: ALTER ROLE … SET synchronous_commit = on")
	}
	return nil
}

// bound returns a context that ends with ctx, and when Config.Timeout is over,
// and when the DB is closed.
func (db *DB) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, db.timeout, errTimeout)
	stop := context.AfterFunc(db.reading, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// read calls f with a connection, and again if that was lost or the server says
// so: f changes nothing.
func (db *DB) read(ctx context.Context, doing string, f func(ctx context.Context, c *pgx.Conn) error) error {
	if err := db.alive(ctx); err != nil {
		return failed(doing, err)
	}
	bounded, cancel := db.bound(ctx)
	defer cancel()
	if err := db.again(bounded, f); err != nil {
		return failed(doing, db.explain(ctx, bounded, err))
	}
	return nil
}

// list is like read, for what may take long.
func (db *DB) list(ctx context.Context, doing string, f func(ctx context.Context, c *pgx.Conn) error) error {
	select {
	case db.lists <- struct{}{}:
		defer func() { <-db.lists }()
		return db.read(ctx, doing, f)
	case <-db.reading.Done():
		return failed(doing, store.ErrClosed)
	case <-ctx.Done():
		return failed(doing, ctx.Err())
	}
}

// use calls f with a connection.
func (db *DB) use(ctx context.Context, f func(ctx context.Context, c *pgx.Conn) error) error {
	c, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	err = f(ctx, c.Conn())
	if codeOf(err) == codeReadOnly {
		// The server has become a standby; a new connection may lead to
		// the one that has taken its place.
		db.pool.Reset()
	}
	return err
}

// again calls f with a connection until it does not fail for a reason that
// passes. What a lost connection leaves uncertain is not tried again.
func (db *DB) again(ctx context.Context, f func(ctx context.Context, c *pgx.Conn) error) error {
	for n := 0; ; n++ {
		err := db.use(ctx, f)
		passes := retryable(err) || lost(err) && !errors.Is(err, errUnknown)
		if !passes || !db.pause(ctx, n) {
			return err
		}
	}
}

// maxAttempts is how often a call is made before it is given up for reasons that
// pass.
const maxAttempts = 8

// pause waits a little before the attempt after number n, a random time so that
// those who stood in each other's way do not do so again. It says whether there
// should be another attempt.
func (db *DB) pause(ctx context.Context, n int) bool {
	if n+1 >= maxAttempts {
		return false
	}
	timer := time.NewTimer(rand.N(time.Millisecond << n)) // #nosec G404 -- no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
