package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// A silent store answers nothing while it is told to be, as behind a network that
// was cut: a call ends with its context.
type silent struct {
	store.Store
	on          atomic.Bool
	calls, most atomic.Int64 // of it, and at once, while it was on
	waiting     atomic.Int64
}

func (s *silent) wait(ctx context.Context) error {
	if !s.on.Load() {
		return nil
	}
	s.calls.Add(1)
	s.most.Store(max(s.most.Load(), s.waiting.Add(1)))
	defer s.waiting.Add(-1)
	<-ctx.Done()
	return ctx.Err()
}

func (s *silent) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if err := s.wait(ctx); err != nil {
		return store.Record{}, err
	}
	return s.Store.Get(ctx, kind, id)
}

func (s *silent) List(ctx context.Context, q store.Query) (store.Page, error) {
	if err := s.wait(ctx); err != nil {
		return store.Page{}, err
	}
	return s.Store.List(ctx, q)
}

func (s *silent) Apply(ctx context.Context, changes ...store.Change) (store.Revision, error) {
	if err := s.wait(ctx); err != nil {
		return 0, err
	}
	return s.Store.Apply(ctx, changes...)
}

func (s *silent) Changes(ctx context.Context, since store.Revision, wait time.Duration, limit int) (store.Feed, error) {
	if err := s.wait(ctx); err != nil {
		return store.Feed{}, err
	}
	return s.Store.Changes(ctx, since, wait, limit)
}

// silenceable returns an authority on a store that falls silent when its on is set.
func silenceable(t *testing.T, configure ...func(*token.Config)) (*authority, *silent) {
	mem := memstore.New()
	t.Cleanup(func() { require.NoError(t, mem.Close()) })
	st := &silent{Store: mem}
	return authorityOn(t, st, configure...), st
}

func TestAStoreThatDoesNotAnswerIsNotWaitedForLongerThanStoreTimeout(t *testing.T) {
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		want    time.Duration
	}{
		{"by default", 0, 1500 * time.Millisecond},
		{"as the program says", 40 * time.Millisecond, 40 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, st := silenceable(t, func(c *token.Config) { c.StoreTimeout = tc.timeout })
				defer a.issuer.Close(t.Context())
				c := a.add("report")
				raw := a.post(c.form()).AccessToken
				require.NotEmpty(t, raw)

				st.on.Store(true)
				time.Sleep(2 * store.DefaultFresh) // of the bubble: no cache is fresh any more
				about := c.form()
				about.Set("token", raw)
				for path, r := range map[string]*http.Request{
					"token":      post(c.form().Encode()),
					"revoke":     post(about.Encode()),
					"introspect": post(about.Encode()),
					"keys":       httptest.NewRequest(http.MethodGet, issuerURL, nil),
				} {
					r.URL.Path = "/oauth2/v1/" + path
					began, w := time.Now(), httptest.NewRecorder()
					a.issuer.ServeHTTP(w, r)
					require.Equal(t, tc.want, time.Since(began), path)
					require.Equal(t, http.StatusServiceUnavailable, w.Code, path)
					require.NotEmpty(t, w.Header().Get("Retry-After"), path)
				}
				require.Contains(t, a.log.String(), "no answer from the store within Config.StoreTimeout")

				st.on.Store(false)
				require.Equal(t, http.StatusOK, a.post(c.form()).Code, "it recovers by itself")
			})
		})
	}
}

func TestARevocationThatIsNotSavedInTimeSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, st := silenceable(t)
		defer a.issuer.Close(t.Context())
		about := a.add("report").form()
		about.Set("token", a.post(about).AccessToken)
		st.on.Store(true) // while the caches are fresh
		r, w := post(about.Encode()), httptest.NewRecorder()
		r.URL.Path = "/oauth2/v1/revoke"
		a.issuer.ServeHTTP(w, r)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Contains(t, a.log.String(), "saving: no answer from the store within Config.StoreTimeout")
	})
}

func TestWhatOnIssueTakesIsNotTimeOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		defer mem.Close()
		a := authorityOn(t, mem, withHook(func(ctx context.Context, _ *token.Issuance) error {
			time.Sleep(5 * time.Second)
			return ctx.Err()
		}))
		defer a.issuer.Close(t.Context())
		require.Equal(t, http.StatusOK, a.post(a.add("report").form()).Code)
	})
}

func TestACallerWhoLeavesASilentStoreIsNoFailureOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, st := silenceable(t)
		defer a.issuer.Close(t.Context())
		c := a.add("report")
		st.on.Store(true)
		time.Sleep(2 * store.DefaultFresh)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := a.issuer.Issue(ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
		require.Equal(t, context.Canceled, err)
	})
}
