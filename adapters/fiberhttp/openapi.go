package fiberhttp

import (
	_ "embed"

	"github.com/gofiber/fiber/v2"
)

// openAPI is openapi.yaml as JSON. A test checks that the two files agree.
//
//go:generate go test -run ^TestOpenAPIJSONIsGeneratedFromYAML$ -args -update
//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document of the API, as JSON.
func OpenAPI() []byte { return openAPI }

// routeOpenAPI serves the document. Its server is the base URL, if that is set.
func (s *Server) routeOpenAPI() {
	document := newFile(fiber.MIMEApplicationJSON, openAPIOf(s.config.BaseURL)).compressed()
	s.fiber.Get(Base+"/openapi.json", document.serve)
	s.fiber.Get(Base+"/swagger.json", document.serve)
}
