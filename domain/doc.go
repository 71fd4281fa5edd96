// Package domain holds the rules of the Widget API and nothing else: who a
// [User] is, what a [Widget] may look like, when a token's [Claims] stop being
// good, how a list is cut into pages, and the kinds of [Error] there are.
//
// It does no I/O and imports only the standard library. Time enters as an
// argument, identity as a parameter.
//
// Parse, don't validate: an [Email], [Password], [WidgetName], [InfoURL],
// [Deadline] or [PageRequest] can only be made through a function that refuses
// what breaks its rules, so whoever holds one need not check it again. Their
// zero values are not usable.
//
// Errors come in few kinds, told apart with [errors.Is]:
//
//	errors.Is(err, domain.NotFound)         // a Kind
//	errors.Is(err, domain.Unauthenticated)  // a Kind: any Refusal matches it
//	errors.Is(err, domain.TokenExpired)     // a Refusal
package domain
