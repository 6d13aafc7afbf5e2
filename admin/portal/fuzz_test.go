package portal_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
)

// Whatever is sent to the form of a client is answered with a page that is whole,
// or leads on; never with a failure of the server.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"do=save&name=a&method=SECRET&minutes=60&enabled=1", "do=add-secret&days=90&nonce=x&draft=y&replace=z", "do=add-keys&pem=-----BEGIN PUBLIC KEY-----",
		"do=remove-key:1&keypem=a&keypem=b&keyname=c", "do=save&base=e30&take.name=theirs&take.label:x=theirs&name=%F0%9F%98%80&labelkey=x&labelvalue=%00",
		"do=save&name=n&method=SECRET&minutes=1e-3&g.orders-api.orders=orders::read&g.orders-api.iam=orders::read&g..=x&g.a=b", "do=remove-secret:%zz", "do=add-label&tab=resources",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	var w *world
	var b *browser
	var id string
	f.Fuzz(func(t *testing.T, body string, existing bool) {
		if strings.Contains(body, "validate") {
			t.Skip() // which goes out to the network
		}
		if w == nil {
			w = newWorld(t)
			b = w.sits(full)
			id = w.add(client.Spec{Name: "there"}).ID
		}
		w.T = t
		b.world = w
		path := "/portal/new-client"
		if existing {
			path = "/portal/clients/" + id
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := b.do(r)
		switch answer.Code {
		case http.StatusSeeOther:
		case http.StatusOK, http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
			require.Contains(t, answer.Body.String(), "</html>")
		default:
			t.Fatalf("%d: %s", answer.Code, answer.Body.String())
		}
	})
}

// FuzzHandedBack hands back, changed in any way, what the portal gave to two people:
// cookies, a sign-in link, the id of a draft and the nonce of a page. Each counts for
// whom it was given to, as it was given, and nothing else counts. Words in braces
// stand for what was given.
func FuzzHandedBack(f *testing.F) {
	const name = "__Host-clientele="
	f.Add(name+"{ada}", "{link}", "{draft}", "{own}")
	f.Add(name+"{vera}; "+name+"{ada}", "{link}/", "{draft}{draft}", "{nonce}")
	f.Add(name+"x; "+name+`"{ada}"`, "./{link}", "", "{own}=")
	f.Add("clientele={ada}; __host-clientele={ada}; "+name+" {ada}", "%00{link}", "{link}", "{own}{nonce}")
	f.Add(name+"{ada}{ada},{vera}\t;=; ;"+name, "{LINK}", "\x00", "{OWN}")
	f.Add(name+"{ADA}", "sign-in/{link}", "{ada}", "\n{own}")
	f.Add(strings.Repeat(name+"{vera}x;", 200)+name+"{ada}", strings.Repeat("{link}", 200), strings.Repeat("x", 5000), strings.Repeat("A", 75))
	var w *world
	var ada, vera, bob *browser
	var form url.Values
	var page, secret string
	used := 0
	f.Fuzz(func(t *testing.T, cookie, link, draft, nonce string) {
		if w == nil || used == 500 { // so many sessions and drafts there may be
			w, used = newWorld(t), 0
			ada, vera, bob = w.sits(full), w.sits(viewer), w.sits(other)
			form = ada.opened("/portal/new-client", "do", "add-secret", "days", "90", "name", "of Ada")
			page = ada.post("/portal/new-client", form).Body.String()
			secret = secretValue.FindString(page)
			require.NotEmpty(t, secret)
		}
		used++
		w.T = t
		path, err := w.portal.SignInLink(full, time.Hour)
		require.NoError(t, err)
		waits := fields(t, page).Get("draft")
		require.NotEmpty(t, waits)
		own := fields(t, bob.get("/portal/new-client").Body.String()).Get("nonce")
		token := strings.TrimPrefix(path, "/portal/sign-in/")
		given := strings.NewReplacer("{ada}", ada.cookie.Value, "{vera}", vera.cookie.Value, "{ADA}", strings.ToUpper(ada.cookie.Value), "{link}", token,
			"{LINK}", strings.ToUpper(token), "{draft}", waits, "{nonce}", fields(t, page).Get("nonce"), "{own}", own, "{OWN}", strings.ToLower(own))
		cookie, link, draft, nonce = given.Replace(cookie), given.Replace(link), given.Replace(draft), given.Replace(nonce)

		// Who has signed in.
		r := httptest.NewRequest(http.MethodGet, "/portal/clients", nil)
		r.Header["Cookie"] = []string{cookie}
		answer := httptest.NewRecorder()
		w.portal.ServeHTTP(answer, r)
		require.Empty(t, answer.Header()["Set-Cookie"])
		switch text := answer.Body.String(); {
		case answer.Code == http.StatusUnauthorized:
			require.NotEqual(t, name+ada.cookie.Value, cookie)
		case strings.Contains(text, ">Ada<"):
			require.Contains(t, cookie, ada.cookie.Value)
		case strings.Contains(text, ">Vera<"):
			require.Contains(t, cookie, vera.cookie.Value)
		default:
			t.Fatalf("%d: %s", answer.Code, text)
		}

		// Who may sign in.
		r = httptest.NewRequest(http.MethodPost, "/portal/", nil)
		r.URL.Path = "/portal/sign-in/" + link
		answer = httptest.NewRecorder()
		w.portal.ServeHTTP(answer, r)
		require.Equal(t, link == token, answer.Header().Get("Set-Cookie") != "", "%d for %q", answer.Code, link)
		if answer = (&browser{world: w}).get(path); link == token {
			require.Equal(t, http.StatusGone, answer.Code)
		} else {
			require.Equal(t, http.StatusOK, answer.Code, "what is none uses none up")
		}

		// Whose secrets those are.
		form.Set("draft", draft)
		form.Set("nonce", nonce)
		answer = bob.post("/portal/new-client", form)
		text := answer.Body.String()
		require.Equal(t, strings.NewReplacer("\n", "", "\r", "").Replace(nonce) == own, secretValue.MatchString(text), "%d: %s", answer.Code, text)
		require.NotContains(t, text, secret[:len("cls_12345678")], "a secret of Ada's, or its id")
	})
}
