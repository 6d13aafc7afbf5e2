package sqlitestore

import (
	"context"
	"errors"

	"github.com/clientele-go/clientele/store"
)

// readers are the connections for reading. Each read takes one for itself.
type readers struct {
	closing <-chan struct{}
	idle    chan *conn
	scans   chan struct{} // has room for one scan less than there are connections
}

func openReaders(path string, closing <-chan struct{}, cfg Config) (*readers, error) {
	r := &readers{
		closing: closing,
		idle:    make(chan *conn, cfg.Readers),
		scans:   make(chan struct{}, cfg.Readers-1),
	}
	for range cfg.Readers {
		c, err := openReader(path, closing, cfg.BusyTimeout)
		if err != nil {
			return nil, errors.Join(err, r.closeIdle())
		}
		r.idle <- c
	}
	return r, nil
}

// read calls f with a connection whose statements end with ctx.
func (r *readers) read(ctx context.Context, doing string, f func(*conn) error) error {
	if err := alive(ctx, r.closing); err != nil {
		return failed(doing, err)
	}
	select {
	case c := <-r.idle:
		return r.use(ctx, c, doing, f)
	case <-r.closing:
		return failed(doing, store.ErrClosed)
	case <-ctx.Done():
		return failed(doing, ctx.Err())
	}
}

// scan is like read, for what may take long.
func (r *readers) scan(ctx context.Context, doing string, f func(*conn) error) error {
	select {
	case r.scans <- struct{}{}:
		defer func() { <-r.scans }()
		return r.read(ctx, doing, f)
	case <-r.closing:
		return failed(doing, store.ErrClosed)
	case <-ctx.Done():
		return failed(doing, ctx.Err())
	}
}

func (r *readers) use(ctx context.Context, c *conn, doing string, f func(*conn) error) error {
	c.begin(ctx)
	defer func() {
		c.end()
		r.idle <- c
	}()
	err := f(c)
	if err == nil {
		return nil
	}
	return c.failed(doing, err)
}

// close waits for the reads under way, which the closing of the DB interrupts,
// and closes the connections.
func (r *readers) close() error {
	var errs []error
	for range cap(r.idle) {
		c := <-r.idle
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// closeIdle closes those that were opened before one could not be.
func (r *readers) closeIdle() error {
	var errs []error
	for len(r.idle) > 0 {
		c := <-r.idle
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// snapshot calls f in a read transaction, so that all its statements see the
// same moment.
func (c *conn) snapshot(f func() error) error {
	if err := c.sql("BEGIN").exec(); err != nil {
		return err
	}
	err := f()
	before := c.SetInterrupt(context.Background()) // this must not fail
	if end := c.sql("ROLLBACK").exec(); err == nil {
		err = end
	}
	c.SetInterrupt(before)
	return err
}
