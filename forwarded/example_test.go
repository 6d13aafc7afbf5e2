package forwarded_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/clientele-go/clientele/forwarded"
)

func ExampleProxies_Handler() {
	proxies, err := forwarded.ParseProxies("10.0.0.0/8")
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := proxies.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.RemoteAddr)
	}))

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:4711"
	r.Header.Set("X-Forwarded-For", "1.2.3.4, 203.0.113.9") // the first one is made up
	handler.ServeHTTP(nil, r)
	// Output: 203.0.113.9:0
}
