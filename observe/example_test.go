package observe_test

import (
	"context"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
)

// slow is an Observer that tells of what takes long.
type slow struct{ limit time.Duration }

func (s slow) Start(ctx context.Context, _ observe.Operation) context.Context { return ctx }

func (s slow) End(_ context.Context, op observe.Operation, r observe.Result) {
	if r.Took >= s.limit {
		fmt.Println(op, r.Outcome, r.Reason)
	}
}

func (s slow) Count(context.Context, observe.Counter, string, int) {}

// An Observer needs three methods. This one is set on a store alone.
func Example() {
	st := store.Observe(memstore.New(), slow{limit: 0})
	_, _ = st.Get(context.Background(), "client", "nobody")
	// Output: store.get refused not_found
}
