package observe

import "slices"

// An Operation is something that takes time.
type Operation string

// The operations. Reasons are those of the package named, unless it is said
// otherwise.
const (
	// TokenRequest is a request for a token, by HTTP or by token.Issuer.Issue:
	// OK means that one was issued. Reasons are the Reason constants of packages
	// token and credentials, and "caller_left"; whatever OnIssue says is
	// "refused_by_hook". It has LabelMethod if the client is known.
	TokenRequest Operation = "token.request"
	// Introspection is a request about a token (RFC 7662). It has LabelActive if
	// it was answered.
	Introspection Operation = "token.introspection"
	// Revocation is a request to revoke a token (RFC 7009).
	Revocation Operation = "token.revocation"

	// StoreGet and its siblings are calls of a store.Store that store.Observe has
	// returned. They have LabelKind, but for StoreChanges, StoreWait and
	// StoreSweep, which are about all kinds; that of an Apply is the kind of its
	// first change. Reasons are "not_found", "conflict", "exists", "taken",
	// "too_old" and "invalid" (Refused), "closed", "newer", "timeout" and
	// "unavailable" (Failed), and "cancelled" (Left).
	StoreGet     Operation = "store.get"
	StoreList    Operation = "store.list"
	StoreApply   Operation = "store.apply"
	StoreChanges Operation = "store.changes"
	StoreWait    Operation = "store.wait" // Changes that waits for them: how long is no sign of how fast it is
	StoreSweep   Operation = "store.sweep"

	// JWKSFetch is a fetch of the keys of an API client from its JWKS URL.
	// Reasons are those of package jwks.
	JWKSFetch Operation = "jwks.fetch"

	// Verification is a call of verifier.Verifier.Verify. Reasons are those of
	// package verifier. It has LabelRemember.
	Verification Operation = "verifier.verification"
	// KeysFetch and its siblings are what a Verifier asks an issuer for: its
	// keys, a list of what it has revoked, and whether a token is active. They
	// have LabelIssuer. Reasons are those of package jwks, and "content" for an
	// answer that can't be read or must not be used.
	KeysFetch         Operation = "verifier.keys.fetch"
	RevocationsFetch  Operation = "verifier.revocations.fetch"
	IntrospectionCall Operation = "verifier.introspection"
)

// A Counter is something that happens.
type Counter string

// The counters.
const (
	// CacheHits is how often a store.Table had what it was asked for, or knew
	// that there is none.
	CacheHits Counter = "cache.hits"
	// CacheLoads is how often it had to ask the store: once for all who ask for
	// the same meanwhile.
	CacheLoads Counter = "cache.loads"
	// CachedRequests is how many token requests were decided from caches while the
	// store was away (token.Config.StoreAway): "ok" or "failed".
	CachedRequests Counter = "token.request.cached"
	// LogLost is how many entries of a log could not be written, or perhaps not:
	// "token" of the issued tokens, "denial" of the refusals, "use" of the uses
	// of credentials.
	LogLost Counter = "log.lost"
	// RequestsRefused is how many requests the middleware of a Verifier turned
	// away, by the reason in its log.
	RequestsRefused Counter = "verifier.requests.refused"
)

// A Gauge is something that is the case at a moment.
type Gauge string

// The gauges.
const (
	// CacheEntries is how many entries a cache has: of "client" and whatever
	// other kind a store.Table is of, and of "jwks", the JWKS URLs.
	CacheEntries Gauge = "cache.entries"
	// SigningKeyAge is how long ago the oldest signing key in a state was made,
	// as this process last saw them. An active one that is older than
	// token.Config.KeyPeriod is one that is not rotated.
	SigningKeyAge Gauge = "token.signing_key.age"
	// StoreAway is for how long the store of an Issuer that goes on without it
	// (token.Config.StoreAway) has been away, as its last request has found it, or 0.
	// Its label is the issuer identifier.
	StoreAway Gauge = "token.store.away"
	// KeysAge is how long ago a Verifier last fetched the keys of an issuer.
	KeysAge Gauge = "verifier.keys.age"
	// RevocationsAge is how long ago it last fetched the list of what an issuer
	// has revoked; of several status lists, the one for which it is longest of
	// those that were looked at within a minute. It counts for
	// verifier.Revocation.MaxStale.
	RevocationsAge Gauge = "verifier.revocations.age"
)

// An Info says what a counter or a gauge means.
type Info struct {
	Unit  string // as UCUM has it: "s" for seconds, "{hit}" for hits
	Text  string // what it is, in one sentence
	Label string // what the label is: the key of an attribute
}

var counters = map[Counter]Info{
	CacheHits:       {"{hit}", "Values that a cache had, or knew not to exist.", "cache"},
	CacheLoads:      {"{load}", "Values that a cache had to ask the store for.", "cache"},
	LogLost:         {"{entry}", "Entries of a log that could not be written.", "log"},
	CachedRequests:  {"{request}", "Token requests that were decided from caches while the store was away.", "outcome"},
	RequestsRefused: {"{request}", "Requests that the middleware of a Verifier turned away.", "reason"},
}

var gauges = map[Gauge]Info{
	CacheEntries:   {"{entry}", "Entries that a cache has.", "cache"},
	SigningKeyAge:  {"s", "Time since the oldest signing key in a state was made.", "state"},
	StoreAway:      {"s", "Time since the store of an issuer was first found to be away.", LabelIssuer},
	KeysAge:        {"s", "Time since the keys of an issuer were last fetched.", LabelIssuer},
	RevocationsAge: {"s", "Time since the revocations of an issuer were last fetched.", LabelIssuer},
}

var operations = map[Operation]string{
	TokenRequest:  "Requests for an access token.",
	Introspection: "Requests about an access token.",
	Revocation:    "Requests to revoke an access token.",

	StoreGet:     "Records read from the store.",
	StoreList:    "Pages of records read from the store.",
	StoreApply:   "Changes written to the store.",
	StoreChanges: "Looks into the feed of the store.",
	StoreWait:    "Waits for the feed of the store.",
	StoreSweep:   "Sweeps of the store.",

	JWKSFetch: "Fetches of the keys of an API client.",

	Verification:      "Verifications of an access token.",
	KeysFetch:         "Fetches of the keys of an issuer.",
	RevocationsFetch:  "Fetches of the revocations of an issuer.",
	IntrospectionCall: "Questions about an access token to its issuer.",
}

// Info says what c means. Of a counter that there is not it says nothing.
func (c Counter) Info() Info { return counters[c] }

// Info says what g means. Of a gauge that there is not it says nothing.
func (g Gauge) Info() Info { return gauges[g] }

// Text says what o is, in one sentence. Of an operation that there is not it says
// nothing.
func (o Operation) Text() string { return operations[o] }

// Operations returns all operations, in alphabetical order.
func Operations() []Operation { return sorted(operations) }

// Counters returns all counters, in alphabetical order.
func Counters() []Counter { return sorted(counters) }

// Gauges returns all gauges, in alphabetical order.
func Gauges() []Gauge { return sorted(gauges) }

func sorted[K ~string, V any](table map[K]V) []K {
	names := make([]K, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
