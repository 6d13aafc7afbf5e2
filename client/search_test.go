package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// searched returns a fixture with a client that has the id "report" and the given
// name, and with so many others called "report 0" and so on, and what a Search for
// "report" is to find.
func searched(t *testing.T, name string, others int, descending bool) (f *fixture, want []string) {
	t.Helper()
	f = newFixture(t)
	add := func(id, name string) {
		_, err := f.Import(f.ctx, client.Import{ID: id, Spec: client.Spec{Name: name}})
		require.NoError(t, err)
	}
	for i := range others {
		add(fmt.Sprint("id", i), fmt.Sprint("report ", i))
	}
	add("report", name)
	add("another", "nothing of the kind")
	want = f.list(t, client.Query{Name: "report", Descending: descending})
	if len(want) == others {
		want = append([]string{name}, want...)
	}
	return f, want
}

func TestPagesOfASearchThatFindsAnIDToo(t *testing.T) {
	for _, name := range []string{"a", "zz", "report 1 and a half", "the report"} {
		for _, others := range []int{0, 1, 4} {
			for _, descending := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s among %d, descending %v", name, others, descending), func(t *testing.T) {
					f, want := searched(t, name, others, descending)
					require.Len(t, want, others+1)
					for limit := 1; limit <= others+3; limit++ {
						q := client.Query{Search: "report", Descending: descending, Limit: limit, Count: true}
						got, pages := []string{}, 0
						for {
							page, err := f.List(f.ctx, q)
							require.NoError(t, err)
							require.Equal(t, len(want), page.Total)
							got = append(got, names(page.Clients)...)
							pages++
							if q.After = page.Next; q.After == "" {
								break
							}
							require.Len(t, page.Clients, limit, "only the last page has less")
						}
						require.Equal(t, want, got, "by cursors, %d at a time", limit)
						require.Equal(t, (len(want)+limit-1)/limit, pages)

						for offset := range others + 3 {
							page, err := f.List(f.ctx, client.Query{Search: "report", Descending: descending, Offset: offset, Limit: limit})
							require.NoError(t, err)
							from, to := min(offset, len(want)), min(offset+limit, len(want))
							require.Equal(t, want[from:to], names(page.Clients), "%d from %d", limit, offset)
							require.Equal(t, to < len(want), page.Next != "", "%d from %d", limit, offset)
							require.Zero(t, page.Total, "not asked for")
						}
					}
					require.Equal(t, want, f.list(t, client.Query{Search: "report", Descending: descending}), "with the default limit")
				})
			}
		}
	}
}

func TestAnOffsetCountsFromTheCursorOfASearch(t *testing.T) {
	f, want := searched(t, "zz", 4, false)
	page, err := f.List(f.ctx, client.Query{Search: "report", Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []string{"zz"}, names(page.Clients))
	require.Equal(t, want[3:5], f.list(t, client.Query{Search: "report", After: page.Next, Offset: 2, Limit: 2}))

	// Behind a client that is gone by now, the others begin.
	require.NoError(t, f.Delete(f.ctx, "report"))
	require.Equal(t, want[1:], f.list(t, client.Query{Search: "report", After: page.Next}))
}

func TestTheDefaultLimitOfASearchHoldsTheIDToo(t *testing.T) {
	f, want := searched(t, "zz", store.DefaultLimit, false)
	page, err := f.List(f.ctx, client.Query{Search: "report"})
	require.NoError(t, err)
	require.Len(t, page.Clients, store.DefaultLimit)
	require.Equal(t, []string{"zz", "report 0"}, names(page.Clients)[:2])
	rest := f.list(t, client.Query{Search: "report", After: page.Next})
	require.ElementsMatch(t, want, append(rest, names(page.Clients)...)[:store.DefaultLimit+1])
}

func TestASearchInAStoreThatCannotBeRead(t *testing.T) {
	f, _ := searched(t, "zz", 1, false)
	f.store.beforeGet = func(context.Context, store.Kind) error { return errAway }
	_, err := f.List(f.ctx, client.Query{Search: "report"})
	requireUnknown(t, err)
	require.ErrorContains(t, err, "listing clients: ")
	require.Equal(t, []string{"report 0"}, f.list(t, client.Query{Search: "report 0"}), "what can't be an id is not looked for")
	require.Equal(t, []string{"report 0"}, f.list(t, client.Query{Name: "report"}))
	f.store.beforeGet = nil
	f.store.beforeList = func(context.Context, store.Query) error { return errAway }
	_, err = f.List(f.ctx, client.Query{Search: "report"})
	requireUnknown(t, err)
}
