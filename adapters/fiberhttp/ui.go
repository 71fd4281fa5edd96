package fiberhttp

import (
	"embed"

	"github.com/gofiber/fiber/v2"
	"github.com/swaggest/swgui/v5/static"
)

const uiPath = Base + "/ui"

// uiPolicy is what the page may load and do: nothing from another host, no
// script and no style that is written in the page itself, no frame around it.
// Swagger UI's pictures are in its styles, as data.
const uiPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageFiles are the page around Swagger UI.
//
//go:embed ui
var pageFiles embed.FS

// routeUI serves the page that shows the OpenAPI document.
func (s *Server) routeUI() {
	page := newFile(fiber.MIMETextHTMLCharsetUTF8, read(pageFiles, "ui/index.html"))
	files := map[string]file{
		"page.js":              newFile(fiber.MIMETextJavaScriptCharsetUTF8, read(pageFiles, "ui/page.js")),
		"page.css":             newFile("text/css; charset=utf-8", read(pageFiles, "ui/page.css")),
		"swagger-ui-bundle.js": newGzippedFile(fiber.MIMETextJavaScriptCharsetUTF8, read(static.FS, "swagger-ui-bundle.js.gz")),
		"swagger-ui.css":       newGzippedFile("text/css; charset=utf-8", read(static.FS, "swagger-ui.css.gz")),
		"favicon-32x32.png":    newFile("image/png", read(static.FS, "favicon-32x32.png")),
	}
	s.fiber.Get("/", func(c *fiber.Ctx) error { return c.Redirect(uiPath) })
	s.fiber.Get(uiPath, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, uiPolicy)
		return page.serve(c)
	})
	s.fiber.Get(uiPath+"/:file", func(c *fiber.Ctx) error {
		f, found := files[c.Params("file")]
		if !found {
			return fiber.ErrNotFound
		}
		return f.serve(c)
	})
}

// read returns an embedded file.
func read(files embed.FS, name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err) // no such file was there when this was compiled
	}
	return content
}
