package token

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatusOf(t *testing.T) {
	i := &Issuer{issuer: "https://auth.example.com", paths: Paths{}.orDefault()}
	const id = "0123456789abcdefghijklmnop"
	const uri = "https://auth.example.com/oauth2/v1/statuslists/" + id
	for name, tt := range map[string]struct {
		claims string
		want   *statusRef
	}{
		"the first index":           {`{"status":{"status_list":{"idx":0,"uri":"` + uri + `"}}}`, &statusRef{id, 0}},
		"the last index":            {`{"status":{"status_list":{"idx":131071,"uri":"` + uri + `"}}}`, &statusRef{id, 131071}},
		"an index behind the last":  {`{"status":{"status_list":{"idx":131072,"uri":"` + uri + `"}}}`, nil},
		"a negative index":          {`{"status":{"status_list":{"idx":-1,"uri":"` + uri + `"}}}`, nil},
		"an index with a fraction":  {`{"status":{"status_list":{"idx":1.5,"uri":"` + uri + `"}}}`, nil},
		"no index":                  {`{"status":{"status_list":{"uri":"` + uri + `"}}}`, nil},
		"no URI":                    {`{"status":{"status_list":{"idx":1}}}`, nil},
		"a list of another issuer":  {`{"status":{"status_list":{"idx":1,"uri":"` + strings.Replace(uri, "auth.", "other.", 1) + `"}}}`, nil},
		"an id that is too long":    {`{"status":{"status_list":{"idx":1,"uri":"` + uri + `0"}}}`, nil},
		"an id of other characters": {`{"status":{"status_list":{"idx":1,"uri":"` + strings.Replace(uri, "p", "z", -1) + `"}}}`, nil},
		"another mechanism":         {`{"status":{"other":{"idx":1,"uri":"` + uri + `"}}}`, nil},
		"a status that is a text":   {`{"status":"status_list"}`, nil},
		"no status":                 {`{"jti":"1"}`, nil},
		"no JSON":                   {`{`, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, i.statusOf([]byte(tt.claims))) })
	}
}

// What was handed out does not change.
func TestMarksAreImmutable(t *testing.T) {
	first := marks{}
	first.add(&revocation{TokenID: "a", Status: &statusRef{"l", 1}})
	first.add(&revocation{TokenID: "b"})
	require.Len(t, first["l"], 1)
	left, right := first.clone(), first.clone()
	left.add(&revocation{TokenID: "c", Status: &statusRef{"l", 2}})
	right.add(&revocation{TokenID: "d", Status: &statusRef{"l", 3}})
	right.remove("a")
	require.Equal(t, []int{1}, indexes(first["l"]))
	require.Equal(t, []int{1, 2}, indexes(left["l"]))
	require.Equal(t, []int{3}, indexes(right["l"]))

	end := left["l"][0].until
	require.Empty(t, left.after(end))
	require.Len(t, left.after(end - 1)["l"], 2)
}

func indexes(all []mark) (found []int) {
	for _, one := range all {
		found = append(found, one.index)
	}
	return found
}

func TestStatusListsThatAreKept(t *testing.T) {
	s := &statusLists{signed: map[string]*signedStatus{}}
	now := time.Now()
	s.put("ended", &signedStatus{expires: now}, now)
	for n := range maxStatusLists - 1 {
		s.put(fmt.Sprint(n), &signedStatus{expires: now.Add(1)}, now)
	}
	require.Len(t, s.signed, maxStatusLists)
	s.put("0", &signedStatus{expires: now.Add(1)}, now)
	require.NotNil(t, s.get("ended"), "there is room for one that is there")
	s.put("another", &signedStatus{expires: now.Add(1)}, now)
	require.Nil(t, s.get("ended"))
	require.NotNil(t, s.get("1"), "one that has ended goes first")
	s.put("one more", &signedStatus{expires: now.Add(1)}, now)
	require.Len(t, s.signed, maxStatusLists)
	require.NotNil(t, s.get("one more"))
}

// What the log says of a client counts as long as its revocation is the same.
func TestLoggedClientIsForgotten(t *testing.T) {
	s := &statusLists{clients: map[string]*loggedClient{"a": {until: 1}, "b": {until: 2}, "c": {until: 3}}}
	s.forget(&revoked{clients: map[string]int64{"a": 1, "b": 3}})
	require.Len(t, s.clients, 1)
	require.Contains(t, s.clients, "a", "b was revoked again since, and c is no more")
}
