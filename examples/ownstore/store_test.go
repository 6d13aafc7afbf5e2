package ownstore_test

import (
	"path/filepath"
	"testing"

	"github.com/clientele-go/clientele/examples/ownstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

func open(t testing.TB, dir, tenant string) (store.Store, func() error) {
	s, err := ownstore.Open(filepath.Join(dir, tenant+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Close
}

func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Config{Open: open, Exclusive: true})
}
