package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// introspectors are the values of -introspect: which API client, by its id, may ask
// about the tokens for which audiences.
type introspectors map[string][]string

func (i introspectors) String() string { return "" }

// Set takes one more CLIENT=AUDIENCE.
func (i introspectors) Set(value string) error {
	id, audience, ok := strings.Cut(value, "=")
	switch {
	case !ok || audience == "":
		return errors.New("want CLIENT=AUDIENCE: the id of an API client, and the audience of a resource server")
	case strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || id == "":
		return errors.New("before the = is no id of an API client: it has letters, digits, - and _ alone, and is not the name")
	case slices.Contains(i[id], audience):
		return errors.New("it stands there twice")
	}
	i[id] = append(i[id], audience)
	return nil
}

// may is token.Config.MayIntrospect.
func (i introspectors) may(_ context.Context, c *client.Client, audience string) bool {
	return slices.Contains(i[c.ID], audience)
}

// checkIntrospectors looks for mistakes in -introspect: an audience of no resource
// server is an error, and a client that is not there yet a warning.
func (a *authority) checkIntrospectors(ctx context.Context, who introspectors) error {
	for _, id := range slices.Sorted(maps.Keys(who)) {
		for _, audience := range who[id] {
			_, err := a.clients.Resources().ByAudience(ctx, audience)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("-introspect %s=%s: no resource server has that audience", id, audience)
			}
			if err != nil {
				return fmt.Errorf("-introspect: %w", err)
			}
		}
		_, err := a.clients.Lookup(ctx, id)
		if errors.Is(err, client.ErrNotFound) {
			a.log.Warn("-introspect: there is no API client with that id", "client_id", id)
		} else if err != nil {
			return fmt.Errorf("-introspect: %w", err)
		}
	}
	return nil
}
