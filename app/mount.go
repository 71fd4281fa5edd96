package app

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
)

// Handler returns the whole API as a handler of package net/http, for a program that has
// routes of its own. No port is opened. The handler may be mounted under a prefix with
// [http.StripPrefix]; the prefix is then in front of the links. Call [App.Start] too.
//
// Every status, header and body is as with [App.Serve], and so are the limits of 64 KiB for
// a body and of 8 KiB for the headers, and the refusal of two Authorization headers. A GET
// or HEAD ends when its client disconnects.
//
// The outer server controls the connections: their number and timeouts, and TLS. Requests
// that it cannot read, and headers that are too large for it, get its own responses. Set
// its timeouts: without them, a slow client holds a connection for any time.
func (a *App) Handler() http.Handler { return a.server.Handler() }

// MountFiber adds the whole API to a router of Fiber under a prefix, like "/shop", which is
// then in front of the links. The program adds its own routes before or after it. No port
// is opened. Call [App.Start] too.
//
// Responses are as with [App.Handler], with every configuration of the outer app. fasthttp
// does not report that a client disconnects: a read ends with [fiber.Ctx.UserContext].
//
// Requests that the outer server cannot read get its own responses, and so do headers and
// bodies that are too large for it: more than 4 KiB and 4 MiB by default. Set ReadBufferSize
// to 8 KiB or more.
func (a *App) MountFiber(router fiber.Router, prefix string) { a.server.Mount(router, prefix) }
