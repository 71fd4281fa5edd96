// Package ports holds the interfaces around the [domain].
//
// The driving ports [Auth], [Accounts], [Widgets] and [Keys] are the operations that the service
// offers. The use cases in app implement them, and the HTTP adapter calls them.
// The driven ports are the resources that the use cases need: [Store] with its
// repositories, [TokenSigner], [KeyRing], [PasswordHasher], [Clock] and [Audit]. The other
// adapters implement them.
//
// Package fakes has a generated fake of each port. Package conformance tests
// whether an adapter keeps the promises of [Store] and its repositories, of [TokenSigner]
// or of [PasswordHasher].
//
// # Rules for every method
//
// Every method is safe for concurrent use. A method that takes a context returns
// a [domain.Unavailable] error if the context ends before the work is done, or if
// the technology behind the port does not answer.
//
// The doc comments name the other expected errors. A caller tests for an expected
// error with [errors.Is]. Any error that is not expected is a fault of the program
// or of its environment.
//
// # Stability
//
// Until the first release these interfaces may gain methods, and structs may gain
// fields.
package ports

//go:generate go tool moq -out fakes/fakes.go -pkg fakes -rm . Auth Accounts Widgets Keys Transfer Maintenance Store FileStore UserRepository WidgetRepository TokenBlacklist TokenSigner KeyRing PasswordHasher Clock Audit
