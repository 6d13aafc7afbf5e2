package fetch_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestGetChanged(t *testing.T) {
	etag := `"one"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Cache-Control", "max-age=7")
		if r.Header.Get("If-None-Match") == etag || r.URL.Path == "/confused" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "there")
	}))
	defer server.Close()
	for name, c := range map[string]struct {
		path, etag  string
		body        string
		notModified bool
	}{
		"who has nothing gets what there is": {"/", "", "there", false},
		"who has another one gets it too":    {"/", `"two"`, "there", false},
		"who has the same gets the headers":  {"/", `"one"`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := fetch.GetChanged(t.Context(), server.Client(), server.URL+c.path, "text/plain", c.etag, 100)
			require.NoError(t, err)
			require.Equal(t, c.body, string(answer.Body))
			require.Equal(t, c.notModified, answer.NotModified)
			require.Equal(t, etag, answer.Header.Get("ETag"))
			require.Equal(t, "max-age=7", answer.Header.Get("Cache-Control"))
		})
	}
	t.Run("who asked for no change is told of none", func(t *testing.T) {
		_, err := fetch.Get(t.Context(), server.Client(), server.URL+"/confused", "text/plain", 100)
		var status *fetch.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, http.StatusNotModified, status.Status)
	})
}
