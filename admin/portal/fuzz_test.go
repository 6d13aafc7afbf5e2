package portal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
