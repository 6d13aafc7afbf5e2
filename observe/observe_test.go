package observe_test

import (
	"context"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/observe"
)

func TestAnOperationIsTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := observetest.New(t)
		ctx, running := observe.Begin(t.Context(), r, observe.StoreGet)
		require.True(t, running.Observed())
		require.NotEqual(t, t.Context(), ctx)
		time.Sleep(3 * time.Second)
		running.End(ctx, observe.Result{Outcome: observe.OK, Took: time.Hour})
		require.Equal(t, 3*time.Second, r.One(observe.StoreGet).Took)
	})
}

func TestNobodyWhoObservesCostsNothing(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		same, running := observe.Begin(ctx, nil, observe.StoreGet)
		if same != ctx || running.Observed() {
			t.Fatal("somebody observes")
		}
		running.End(same, observe.Result{Outcome: observe.OK})
	}))
	observe.Running{}.End(context.Background(), observe.Result{})
}

func TestEachNameIsExplained(t *testing.T) {
	name := regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)
	sentence := regexp.MustCompile(`^[A-Z].*\.$`)
	seen := map[string]bool{}
	check := func(n, text string) {
		t.Helper()
		require.Regexp(t, name, n)
		require.Regexp(t, sentence, text)
		require.False(t, seen[n], "%s stands there twice", n)
		seen[n] = true
	}
	for _, op := range observe.Operations() {
		check(string(op), op.Text())
	}
	for _, c := range observe.Counters() {
		check(string(c), c.Info().Text)
		require.Regexp(t, `^\{[a-z]+\}$`, c.Info().Unit)
		require.NotEmpty(t, c.Info().Label)
	}
	for _, g := range observe.Gauges() {
		check(string(g), g.Info().Text)
		require.Regexp(t, `^(s|\{[a-z]+\})$`, g.Info().Unit)
		require.NotEmpty(t, g.Info().Label)
	}
	require.Len(t, seen, 14+5+5)
	require.IsIncreasing(t, observe.Operations())

	require.Empty(t, observe.Operation("none").Text())
	require.Zero(t, observe.Counter("none").Info())
	require.Zero(t, observe.Gauge("none").Info())
}
