// Package clienteletest is for the tests of programs that check tokens or hold
// them: a real authority in memory, on a clock that the test holds.
//
//	func TestOrders(t *testing.T) {
//		a := clienteletest.Start(t, clienteletest.Config{Scopes: []string{"orders.read"}})
//		handler := NewHandler(a.Verifier(t)) // the program's own
//		w := httptest.NewRecorder()
//		handler.ServeHTTP(w, a.Request(t, "GET", "/orders", nil, clienteletest.Token{}))
//		// … and with a token that is bad on purpose:
//		handler.ServeHTTP(w, a.Request(t, "GET", "/orders", nil, clienteletest.Token{Expired: true}))
//	}
//
// Nothing of it needs a network: what asks the authority over HTTP takes
// Authority.HTTPClient. A program that must have an address sets Config.Listen.
//
// Read [Config] first, then [Authority.Token] and [Token].
package clienteletest
