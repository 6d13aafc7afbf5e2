package clienteletest_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/clientele-go/clientele/clienteletest"
)

// The test of a handler in five lines, without a network.
func Example() {
	test := func(t *testing.T) {
		a := clienteletest.Start(t, clienteletest.Config{Scopes: []string{"orders.read", "orders.write"}})
		handler, w := orders(a.Verifier(t)), httptest.NewRecorder()
		handler.ServeHTTP(w, a.Request(t, "GET", "/orders", nil, clienteletest.Token{Without: []string{"orders.read"}}))
		if w.Code != 403 {
			t.Errorf("status %d", w.Code)
		}
	}
	fmt.Println(testing.RunTests(func(_, _ string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "TestOrders", F: test}}))
	// Output: true
}
