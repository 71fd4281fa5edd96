// Package ports holds the interfaces around the [domain].
//
// The driving ports [Auth], [Accounts], [Widgets], [Keys], [Transfer] and [Maintenance] are the
// operations that the service offers. The use cases in app implement them, and the HTTP adapter
// and the operator's commands call them. The driven ports are the resources that the use cases
// need: [Store] with its repositories, [FileStore], [TokenSigner], [KeyRing], [PasswordHasher],
// [Clock] and [Audit]. The HTTP adapter needs one more, an [AttemptLimiter]. The other adapters
// implement the driven ports.
//
// To write an adapter, implement a driven port and run its suite of package conformance: there
// is one for [Store] and each of its repositories, for [TokenSigner], [PasswordHasher] and
// [AttemptLimiter]. Pass the adapter to app.New, or to the use cases that need it. To test code
// that calls a port, use a fake of package fakes, or package memory.
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

//go:generate go tool moq -out fakes/fakes.go -pkg fakes -rm . Auth Accounts Widgets Keys Transfer Maintenance Store FileStore UserRepository WidgetRepository TokenBlacklist TokenSigner KeyRing PasswordHasher Clock Audit AttemptLimiter
