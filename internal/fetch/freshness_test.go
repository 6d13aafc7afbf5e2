package fetch_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestFreshness(t *testing.T) {
	const none = time.Duration(1)
	control := func(lines ...string) http.Header { return http.Header{"Cache-Control": lines} }
	cases := map[string]struct {
		headers http.Header
		want    time.Duration
	}{
		"nothing said":                            {http.Header{}, 0},
		"an empty header":                         {control(""), 0},
		"max-age":                                 {control("public, max-age=1800"), 30 * time.Minute},
		"in another case":                         {control("Max-Age=1800"), 30 * time.Minute},
		"in quotes":                               {control(`max-age="1800"`), 30 * time.Minute},
		"in the second header":                    {control("public", "max-age=1800"), 30 * time.Minute},
		"the smaller of two":                      {control("max-age=1800", "max-age=60, max-age=90"), time.Minute},
		"zero":                                    {control("max-age=0"), none},
		"the largest":                             {control("max-age=2147483647"), 2147483647 * time.Second},
		"one beyond the largest is not there":     {control("max-age=2147483648"), 0},
		"one beyond all numbers is not there":     {control("max-age=99999999999999999999"), 0},
		"a negative one is not there":             {control("max-age=-1"), 0},
		"a fraction is not there":                 {control("max-age=1.5"), 0},
		"one without a value is not there":        {control("max-age"), 0},
		"no-store":                                {control("no-store"), none},
		"no-cache beats max-age before it":        {control("max-age=1800, no-cache"), none},
		"and behind it":                           {control("No-Cache", "max-age=1800"), none},
		"s-maxage is for others":                  {control("s-maxage=1800"), 0},
		"an age is taken off":                     {http.Header{"Cache-Control": {"max-age=1800"}, "Age": {"600"}}, 20 * time.Minute},
		"an age above max-age leaves nothing":     {http.Header{"Cache-Control": {"max-age=1800"}, "Age": {"3600"}}, none},
		"an age that is no number takes off none": {http.Header{"Cache-Control": {"max-age=1800"}, "Age": {"x"}}, 30 * time.Minute},
		"an age alone says nothing":               {http.Header{"Age": {"600"}}, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, fetch.Freshness(tc.headers))
		})
	}
}
