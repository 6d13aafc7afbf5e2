package memstore_test

import (
	"testing"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/store/storetest"
)

var config = storetest.Config{
	Open: func(testing.TB, string, string) (store.Store, func() error) {
		s := memstore.New()
		return s, s.Close
	},
	Volatile: true,
}

func TestStore(t *testing.T) { storetest.Run(t, config) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, config) }
