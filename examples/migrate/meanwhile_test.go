package main

import (
	"context"
	"log/slog"

	"github.com/clientele-go/clientele/store"
)

var quiet = slog.New(slog.DiscardHandler)

// meanwhile is a store that somebody else writes to while the last of its kinds
// is read.
type meanwhile struct {
	store.Store
	change store.Change
	done   bool
}

func (m *meanwhile) List(ctx context.Context, q store.Query) (store.Page, error) {
	page, err := m.Store.List(ctx, q)
	if err != nil || m.done || q.Kind != "own.pair" {
		return page, err
	}
	m.done = true
	_, err = m.Store.Apply(ctx, m.change)
	return page, err
}
