package token_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clientele-go/clientele/token"
)

// rewound is a body that is read from b.
type rewound struct{ b []byte }

func (r *rewound) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (r *rewound) Close() error { return nil }

// check holds an answer to what is true of each.
func check(t *testing.T, w *httptest.ResponseRecorder, secret string) {
	t.Helper()
	var body struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	switch {
	case json.Unmarshal(w.Body.Bytes(), &body) != nil:
		t.Errorf("no JSON: %q", w.Body)
	case w.Code >= 500:
		t.Errorf("status %d: %s", w.Code, w.Body)
	case (w.Code == http.StatusOK) != (body.AccessToken != "") || (w.Code == http.StatusOK) == (body.Error != ""):
		t.Errorf("status %d with %s", w.Code, w.Body)
	case w.Header().Get("Cache-Control") != "no-store":
		t.Error("may be cached")
	case w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "":
		t.Error("401 without a challenge")
	case strings.Contains(w.Body.String(), secret):
		t.Error("shows the secret")
	}
}

// FuzzTokenRequest sends bodies and queries. Only one that holds the secret of
// the client may get a token.
func FuzzTokenRequest(f *testing.F) {
	a := newAuthority(f)
	c := a.add("report")
	good := c.form().Encode()
	f.Add(good, "", "application/x-www-form-urlencoded")
	f.Add(good+"&scope=orders.read+r%3A%3Aread&audience=https%3A%2F%2Forders.example.com", "x=1", "application/x-www-form-urlencoded; charset=utf-8")
	f.Add("grant_type=client_credentials&client_id=%zz", "client_secret=x", "")
	f.Add("&&=&;=;&grant_type", "%", ";")
	f.Fuzz(func(t *testing.T, body, query, contentType string) {
		r := httptest.NewRequest(http.MethodPost, issuerURL+"/oauth2/v1/token", strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		check(t, w, c.secret)
		if w.Code == http.StatusOK && !strings.Contains(body, c.secret[13:30]) && !strings.Contains(body, "%") {
			t.Errorf("a token for %q", body)
		}
	})
}

// FuzzBasic sends Authorization headers.
func FuzzBasic(f *testing.F) {
	a := newAuthority(f)
	c := a.add("report")
	f.Add(basic(c.id, c.secret))
	f.Add("Basic Og==")
	f.Add("bAsIc " + strings.TrimPrefix(rawBasic("%zz:\x00"), "Basic "))
	f.Add("Basic")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		r := post("grant_type=client_credentials")
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		check(t, w, c.secret)
		if w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
			t.Errorf("status %d", w.Code)
		}
	})
}

// FuzzScope sends scopes: what comes back was granted and was asked for.
func FuzzScope(f *testing.F) {
	a := newAuthority(f)
	c := a.add("report")
	f.Add("orders.read")
	f.Add("r::read orders.read r::read")
	f.Add(" orders.read")
	f.Add("orders.read\t\"\\")
	f.Fuzz(func(t *testing.T, scope string) {
		got, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret, Scope: scope})
		if err != nil {
			return
		}
		for _, s := range got.Scopes {
			if s != "orders.read" && s != "r::read" {
				t.Errorf("%q was never granted", s)
			}
			if scope != "" && !strings.Contains(" "+scope+" ", " "+s+" ") {
				t.Errorf("%q was not asked for in %q", s, scope)
			}
		}
	})
}

func FuzzSealingKey(f *testing.F) {
	f.Add(testSealingKey.Reveal())
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := token.ParseSealingKey(s)
		if err != nil {
			return
		}
		again, err := token.ParseSealingKey(k.Reveal())
		if err != nil || again.ID() != k.ID() {
			t.Errorf("%q does not come back", s)
		}
	})
}

// FuzzDenial has whatever a stranger may write kept, which must never fail, hold
// more than it may, or show a control character.
func FuzzDenial(f *testing.F) {
	a := newAuthority(f)
	s := a.addSigner("signer")
	f.Add(`{"alg":"ES256","typ":"JWT","kid":"k"}`, `{"iss":"a","sub":"b","aud":["c","d"],"iat":1,"nbf":2,"exp":3}`, "orders.read", ordersAud, "192.0.2.7:1")
	f.Add(`{"alg":"none"}`, `{"aud":7,"exp":1e400,"iat":-1e11,"nbf":"x"}`, "\x00\xff", "€", "")
	f.Add("", `{"iat":253402300799,"sub":"\ud800"}`, "", "", "[::1]:2")
	f.Fuzz(func(t *testing.T, header, claims, scope, audience, address string) {
		a.clock.advance(time.Hour)
		encode := base64.RawURLEncoding.EncodeToString
		form := assertionForm(encode([]byte(header)) + "." + encode([]byte(claims)) + ".AA")
		form.Set("client_id", s.id)
		form.Set("scope", scope)
		form.Set("audience", audience)
		r := post(form.Encode())
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, r)
		if w.Code == http.StatusRequestEntityTooLarge {
			return
		}
		page, err := a.issuer.Denials(t.Context(), token.DenialFilter{From: a.clock.Now()})
		if err != nil || len(page.Denials) != 1 {
			t.Fatalf("%d denials, %v; %s", len(page.Denials), err, a.log)
		}
		d := page.Denials[0]
		if d.RequestID != w.Header().Get("X-Request-Id") || d.Assertion == nil {
			t.Errorf("%+v", d)
		}
		texts := append([]string{d.Detail, d.Address, d.Audience, d.Scope, d.Assertion.Algorithm, d.Assertion.Type,
			d.Assertion.KeyID, d.Assertion.Issuer, d.Assertion.Subject}, d.Assertion.Audiences...)
		for _, text := range append(texts, d.Assertion.WantedAudiences...) {
			if len(text) > token.MaxDenialText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
		}
		if _, err := a.store.Sweep(t.Context(), a.clock.Now().AddDate(1, 0, 0), 0); err != nil {
			t.Error(err)
		}
	})
}
