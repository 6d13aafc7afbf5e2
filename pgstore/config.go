package pgstore

import (
	"fmt"
	"regexp"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Config says how a database is used. The zero Config is right for a program
// that connects to PostgreSQL directly, as a role that may create a schema.
type Config struct {
	// Schema is the schema of the database that has the tables. It is created
	// if there is none. Up to 48 letters a-z, digits and '_', the first no
	// digit. Empty means "clientele".
	Schema string

	// SkipMigrations leaves the schema as it is: Open fails if it is missing
	// or older than this release needs. It is for a program whose role may
	// not change the schema; a release is then rolled out by opening the
	// database once as the role that owns it.
	SkipMigrations bool

	// PgBouncer is set if the URL leads to PgBouncer, or any other pooler, in
	// transaction mode. Statements are then not prepared on the connection,
	// nothing is set for a session, and Changes hears of other processes by
	// asking every PollInterval alone.
	PgBouncer bool

	// MaxConns is the most connections to have at once, 2 to 1000, beside the
	// one that listens. Zero means what the URL says (pool_max_conns), or
	// else 10. One of them is never given to List, so that long lists leave
	// room for the short calls.
	MaxConns int

	// Timeout is how long a call waits for the server at most, if its context
	// does not end before: 1 second to 10 minutes. The wait of Changes for
	// something to happen does not count. Zero means 10 seconds.
	Timeout time.Duration

	// PollInterval is how often the database is asked for changes while
	// somebody waits for them in Changes: 10 milliseconds to 10 minutes. By
	// a notification most are heard of within a few milliseconds; one that
	// was lost costs this much. Zero means 500 milliseconds.
	PollInterval time.Duration
}

const (
	defaultSchema       = "clientele"
	defaultMaxConns     = 10
	defaultTimeout      = 10 * time.Second
	defaultPollInterval = 500 * time.Millisecond
)

// schemaName leaves room for what the channel of notifications is called, of
// the 63 bytes that a name in PostgreSQL may have.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)

func (c Config) withDefaults() (Config, error) {
	if c.Schema == "" {
		c.Schema = defaultSchema
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.PollInterval == 0 {
		c.PollInterval = defaultPollInterval
	}
	switch {
	case !schemaName.MatchString(c.Schema):
		return c, fmt.Errorf("%w: Schema %.64q, want up to 48 of a-z, 0-9 and '_', the first no digit", store.ErrInvalid, c.Schema)
	case c.MaxConns != 0 && (c.MaxConns < 2 || c.MaxConns > 1000):
		return c, fmt.Errorf("%w: %d MaxConns, want 2 to 1000", store.ErrInvalid, c.MaxConns)
	case c.Timeout < time.Second || c.Timeout > 10*time.Minute:
		return c, fmt.Errorf("%w: a Timeout of %v, want 1s to 10m", store.ErrInvalid, c.Timeout)
	case c.PollInterval < 10*time.Millisecond || c.PollInterval > 10*time.Minute:
		return c, fmt.Errorf("%w: a PollInterval of %v, want 10ms to 10m", store.ErrInvalid, c.PollInterval)
	}
	return c, nil
}
