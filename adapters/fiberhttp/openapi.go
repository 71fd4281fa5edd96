package fiberhttp

import (
	_ "embed"

	"github.com/gofiber/fiber/v2"
)

// openAPI is openapi.yaml as JSON. It is made when the document is changed, not
// when a server starts, so that one that cannot be read is found here.
//
//go:generate go test -run ^TestDocumentIsTheOneWritten$ -args -update
//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the description of the HTTP contract: an OpenAPI 3.1 document,
// as JSON.
func OpenAPI() []byte { return openAPI }

// routeOpenAPI serves the document.
func (s *Server) routeOpenAPI() {
	document := newFile(fiber.MIMEApplicationJSON, openAPI)
	s.fiber.Get(Base+"/openapi.json", document.serve)
	s.fiber.Get(Base+"/swagger.json", document.serve)
}
