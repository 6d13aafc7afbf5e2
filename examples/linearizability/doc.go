// Package linearizability tests what [store.Store] promises of Apply, Get and List
// under concurrency, on each of our stores: histories of many goroutines, through
// two handles on the same data, are recorded and checked by
// github.com/anishathalye/porcupine against a model of three records. There is
// nothing in it but tests.
//
// [store.Store]: https://pkg.go.dev/github.com/clientele-go/clientele/store#Store
package linearizability
