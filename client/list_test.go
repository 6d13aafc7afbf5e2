package client_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

func names(clients []*client.Client) []string {
	names := []string{}
	for _, c := range clients {
		names = append(names, c.Name)
	}
	return names
}

// list returns the names on the page that q selects.
func (f *fixture) list(t testing.TB, q client.Query) []string {
	t.Helper()
	page, err := f.List(f.ctx, q)
	require.NoError(t, err)
	return names(page.Clients)
}

func TestListSelects(t *testing.T) {
	f := newFixture(t)
	for _, in := range []client.Import{
		{ID: "Aa-1", Spec: client.Spec{Name: "Nightly Report", Labels: map[string]string{"owner": "ops", "\u00e9": "\u00e9"}, Grants: []client.Grant{grant("orders", "shop::read")}}},
		{ID: "bb_2", Spec: client.Spec{Name: "caf\u00e9 \u00dfystem", Labels: map[string]string{"owner": "ops", "env": "prod"}, Disabled: true, Grants: []client.Grant{grant("orders", "shop::write"), grant("metrics", "node::read")}}},
		{ID: "cc3", Spec: client.Spec{Name: "50%_off", Labels: map[string]string{"owner": "Ops"}, Grants: []client.Grant{grant("metrics", "node::read")}}},
		{ID: "report", Spec: client.Spec{Name: `<script>"\'`, Labels: map[string]string{"critical": ""}}},
	} {
		_, err := f.Import(f.ctx, in)
		require.NoError(t, err)
	}
	f.plant(t, "keys", 1, `{"name":"keys","token_lifetime":3600,"method":"JWKS"}`) // without any label
	nightly, cafe, off, script, keys := "Nightly Report", "caf\u00e9 \u00dfystem", "50%_off", `<script>"\'`, "keys"

	cases := []struct {
		title string
		query client.Query
		want  []string
	}{
		{"all, by their names whatever the case", client.Query{}, []string{off, script, cafe, keys, nightly}},
		{"all, the other way round", client.Query{Descending: true}, []string{nightly, keys, cafe, script, off}},

		{"a part of a name", client.Query{Search: "ly rep"}, []string{nightly}},
		{"a part of a name in another case", client.Query{Search: "NIGHT"}, []string{nightly}},
		{"a part of a name in another form of Unicode", client.Query{Search: "FE\u0301 SS"}, []string{cafe}},
		{"a part of a client id", client.Query{Search: "b_2"}, []string{}},
		{"a client id", client.Query{Search: "bb_2"}, []string{cafe}},
		{"a client id in another case", client.Query{Search: "AA-1"}, []string{}},
		{"a client id with a space behind it", client.Query{Search: "bb_2 "}, []string{}},
		{"a client id here, in front, and a part of a name there", client.Query{Search: "report"}, []string{script, nightly}},
		{"a part of a name here and a client id in another case there", client.Query{Search: "Report"}, []string{nightly}},
		{"a client id that is also in the name of the client", client.Query{Search: "keys"}, []string{keys}},
		{"a client id in front the other way round too", client.Query{Search: "report", Descending: true}, []string{script, nightly}},
		{"a client id that a status lets pass", client.Query{Search: "bb_2", Status: client.OnlyDisabled}, []string{cafe}},
		{"a client id that a status does not", client.Query{Search: "bb_2", Status: client.OnlyEnabled}, []string{}},
		{"a client id that a label lets pass", client.Query{Search: "report", Labels: map[string]string{"critical": ""}}, []string{script}},
		{"a client id that a label does not", client.Query{Search: "report", Labels: map[string]string{"owner": "ops"}}, []string{nightly}},
		{"a client id that only one of two labels lets pass", client.Query{Search: "bb_2", Labels: map[string]string{"owner": "ops", "env": "test"}}, []string{}},
		{"a client id that a scope lets pass", client.Query{Search: "bb_2", ServerID: "metrics", ScopeID: "node::read"}, []string{cafe}},
		{"a client id that a scope does not", client.Query{Search: "bb_2", ServerID: "orders", ScopeID: "shop::read"}, []string{}},
		{"a client id that a method does not", client.Query{Search: "bb_2", Method: credentials.MethodJWKS}, []string{}},
		{"a percent sign, which means itself", client.Query{Search: "%"}, []string{off}},
		{"an underscore, which means itself", client.Query{Search: "_"}, []string{off}},

		{"a part of a name alone", client.Query{Name: "LY REP"}, []string{nightly}},
		{"a part of a name, and not the client id there", client.Query{Name: "report"}, []string{nightly}},
		{"a client id as a name", client.Query{Name: "bb_2"}, []string{}},
		{"a quote", client.Query{Search: `"\'`}, []string{script}},
		{"no match", client.Query{Search: "nothing"}, []string{}},
		{"the label of another client is no name", client.Query{Search: "ops"}, []string{}},

		{"a label", client.Query{Labels: map[string]string{"owner": "ops"}}, []string{cafe, nightly}},
		{"two labels", client.Query{Labels: map[string]string{"owner": "ops", "env": "prod"}}, []string{cafe}},
		{"a label in another case", client.Query{Labels: map[string]string{"owner": "Ops"}}, []string{off}},
		{"a decomposed label", client.Query{Labels: map[string]string{"e\u0301": "e\u0301"}}, []string{nightly}},
		{"a label without a value", client.Query{Labels: map[string]string{"critical": ""}}, []string{script}},
		{"a label with another value", client.Query{Labels: map[string]string{"owner": "nobody"}}, []string{}},
		{"a label that is called like one of ours", client.Query{Labels: map[string]string{"status": "enabled"}}, []string{}},

		{"the enabled ones", client.Query{Status: client.OnlyEnabled}, []string{off, script, nightly}},
		{"the disabled ones", client.Query{Status: client.OnlyDisabled}, []string{cafe}},
		{"those with secrets", client.Query{Method: credentials.MethodSecret}, []string{off, script, cafe, nightly}},
		{"those with keys", client.Query{Method: credentials.MethodPublicKeys}, []string{}},

		{"a server", client.Query{ServerID: "metrics"}, []string{off, cafe}},
		{"a scope of a server", client.Query{ServerID: "orders", ScopeID: "shop::read"}, []string{nightly}},
		{"a scope of another server", client.Query{ServerID: "metrics", ScopeID: "shop::read"}, []string{}},
		{"an unknown server", client.Query{ServerID: "nowhere"}, []string{}},

		{"all but the status", client.Query{
			Search: "SSYS", Labels: map[string]string{"owner": "ops"}, Status: client.OnlyEnabled, Method: credentials.MethodSecret,
			ServerID: "metrics", ScopeID: "node::read",
		}, []string{}},
		{"all at once", client.Query{
			Search: "SSYS", Labels: map[string]string{"owner": "ops"}, Status: client.OnlyDisabled, Method: credentials.MethodSecret,
			ServerID: "metrics", ScopeID: "node::read",
		}, []string{cafe}},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			c.query.Count = true
			page, err := f.List(f.ctx, c.query)
			require.NoError(t, err)
			require.Equal(t, c.want, names(page.Clients))
			require.Equal(t, len(c.want), page.Total)
			for _, listed := range page.Clients {
				require.Equal(t, f.get(t, listed.ID), listed)
			}
		})
	}
}

func TestListFollowsEveryChange(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Labels: map[string]string{"owner": "ops"}, Grants: []client.Grant{grant("orders", "shop::read")}})
	_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error {
		e.Name, e.Labels, e.Grants, e.Disabled = "weekly", map[string]string{"owner": "dev"}, []client.Grant{grant("metrics", "node::read")}, true
		return nil
	})
	require.NoError(t, err)
	for _, q := range []client.Query{
		{Search: "nightly"}, {Labels: map[string]string{"owner": "ops"}}, {ServerID: "orders"},
		{ServerID: "orders", ScopeID: "shop::read"}, {Status: client.OnlyEnabled},
	} {
		require.Empty(t, f.list(t, q), "%+v", q)
	}
	for _, q := range []client.Query{
		{Search: "weekly"}, {Labels: map[string]string{"owner": "dev"}}, {ServerID: "metrics"},
		{ServerID: "metrics", ScopeID: "node::read"}, {Status: client.OnlyDisabled},
	} {
		require.Equal(t, []string{"weekly"}, f.list(t, q), "%+v", q)
	}
	require.NoError(t, f.Delete(f.ctx, c.ID))
	require.Empty(t, f.list(t, client.Query{}))
}

func TestListFindsNamesThatFoldToKilobytes(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat(salawat, 255)
	f.add(t, client.Spec{Name: "z"})
	f.add(t, client.Spec{Name: long})
	f.add(t, client.Spec{Name: "a"})
	require.Equal(t, []string{"a", "z", long}, f.list(t, client.Query{}))
	require.Equal(t, []string{long}, f.list(t, client.Query{Search: salawat}))
	require.Equal(t, []string{"a", "z", long}, f.list(t, client.Query{Limit: 10}))
}

func TestListPagesByCursorUnderInserts(t *testing.T) {
	for _, descending := range []bool{false, true} {
		t.Run(fmt.Sprint("descending ", descending), func(t *testing.T) {
			f := newFixture(t)
			var want []string
			for i := range 25 {
				name := fmt.Sprintf("Client %02d", i)
				f.add(t, client.Spec{Name: name, Labels: map[string]string{"listed": "yes"}})
				want = append(want, name)
			}
			if descending {
				slices.Reverse(want)
			}
			q := client.Query{Labels: map[string]string{"listed": "yes"}, Descending: descending, Limit: 10, Count: true}
			var got []string
			for n := 0; ; n++ {
				page, err := f.List(f.ctx, q)
				require.NoError(t, err)
				require.Equal(t, 25+n, page.Total)
				got = append(got, names(page.Clients)...)
				// One more in front of the place reached, which is not seen.
				front := "client 00 and a half"
				if descending {
					front = "client 24 and a half"
				}
				f.add(t, client.Spec{Name: front + strings.Repeat("!", n), Labels: map[string]string{"listed": "yes"}})
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			require.Equal(t, want, got)
		})
	}
}

func TestListPagesByOffset(t *testing.T) {
	f := newFixture(t)
	for i := range 7 {
		f.add(t, client.Spec{Name: fmt.Sprint(i)})
	}
	cases := []struct {
		offset, limit int
		want          []string
		more          bool
	}{
		{0, 3, []string{"0", "1", "2"}, true},
		{3, 3, []string{"3", "4", "5"}, true},
		{6, 3, []string{"6"}, false},
		{4, 3, []string{"4", "5", "6"}, false},
		{7, 3, []string{}, false},
		{1000, 3, []string{}, false},
		{5, 0, []string{"5", "6"}, false},
	}
	for _, c := range cases {
		page, err := f.List(f.ctx, client.Query{Offset: c.offset, Limit: c.limit, Count: true})
		require.NoError(t, err)
		require.Equal(t, c.want, names(page.Clients))
		require.Equal(t, 7, page.Total)
		require.Equal(t, c.more, page.Next != "")
	}
	page, err := f.List(f.ctx, client.Query{Limit: 1})
	require.NoError(t, err)
	require.Zero(t, page.Total, "not asked for")
	require.Equal(t, []string{"3"}, f.list(t, client.Query{After: page.Next, Offset: 2, Limit: 1}))
}

func TestListRefusesWhatIsOutOfBounds(t *testing.T) {
	f := newFixture(t)
	_, err := f.Import(f.ctx, client.Import{ID: "a-client", Spec: client.Spec{Name: "nightly"}})
	require.NoError(t, err)
	nine := map[string]string{}
	for i := range 9 {
		nine[fmt.Sprint(i)] = ""
	}
	for title, q := range map[string]client.Query{
		"a limit of 1001":                    {Limit: 1001},
		"a negative limit":                   {Limit: -1},
		"a negative offset":                  {Offset: -1},
		"a made-up cursor":                   {After: "made up"},
		"a search of more than 4 KiB":        {Search: strings.Repeat("x", store.MaxText+1)},
		"a search of more than 4 KiB folded": {Search: strings.Repeat(salawat, 125)},
		"a NUL in a search":                  {Search: "a\x00"},
		"a name of more than 4 KiB":          {Name: strings.Repeat("x", store.MaxText+1)},
		"a name beside a search":             {Name: "nightly", Search: "nightly"},
		"a limit of 1001, and an id":         {Search: "a-client", Limit: 1001},
		"a limit of -1, and an id":           {Search: "a-client", Limit: -1},
		"an offset of -1, and an id":         {Search: "a-client", Offset: -1},
		"a made-up cursor, and an id":        {Search: "a-client", After: "made up"},
		"a cursor of a search without it":    {After: "after-id"},
		"nine labels":                        {Labels: nine},
		"a label that is not UTF-8":          {Labels: map[string]string{"\xff": ""}},
		"a label value of more than 1 KiB":   {Labels: map[string]string{"a": strings.Repeat("x", store.MaxString+1)}},
		"a server that is not UTF-8":         {ServerID: "\xff"},
		"a scope without a server":           {ScopeID: "shop::read"},
		"an unknown status":                  {Status: 3},
		"a negative status":                  {Status: -1},
	} {
		t.Run(title, func(t *testing.T) {
			page, err := f.List(f.ctx, q)
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, "listing clients: ")
			require.Empty(t, page)
		})
	}
	delete(nine, "8")
	require.Empty(t, f.list(t, client.Query{
		Labels: nine, Status: client.OnlyEnabled, Method: credentials.MethodSecret, ServerID: "orders", ScopeID: "shop::read",
		Search: strings.Repeat("x", store.MaxText), Limit: 1000,
	}), "the most of everything")
}
