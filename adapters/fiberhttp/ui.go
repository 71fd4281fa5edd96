package fiberhttp

import (
	"embed"
	"strings"

	"github.com/gofiber/fiber/v2"
)

const uiPath = Base + "/ui"

// uiPolicy lets the page load only files of this server, and forbids inline scripts,
// inline styles and frames. It allows data URLs for images, which the style sheet of
// Swagger UI contains. Requests may also go to the base URL, if that is set: the page
// sends them there, also when it was loaded from another address of this server.
func uiPolicy(base string) string {
	connect := "'self'"
	if base != "" {
		connect += " " + originOf(base)
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " + connect + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// uiFiles has the page and the files of Swagger UI that the page loads.
// .ci/swagger-ui writes the folder ui/swagger-ui.
//
//go:embed ui
var uiFiles embed.FS

// routeUI serves the page that shows the OpenAPI document. All references to the
// page and in the page are relative, so that it works under any path that a proxy
// serves it at.
func (s *Server) routeUI() {
	policy := uiPolicy(s.config.BaseURL)
	page := newFile(fiber.MIMETextHTMLCharsetUTF8, read("ui/index.html"))
	files := map[string]file{
		"page.js":              newFile(fiber.MIMETextJavaScriptCharsetUTF8, read("ui/page.js")).compressed(),
		"page.css":             newFile("text/css; charset=utf-8", read("ui/page.css")).compressed(),
		"swagger-ui-bundle.js": newGzippedFile(fiber.MIMETextJavaScriptCharsetUTF8, read("ui/swagger-ui/swagger-ui-bundle.js.gz")),
		"swagger-ui.css":       newGzippedFile("text/css; charset=utf-8", read("ui/swagger-ui/swagger-ui.css.gz")),
		"favicon-32x32.png":    newFile("image/png", read("ui/swagger-ui/favicon-32x32.png")),
	}
	s.fiber.Get("/", redirectToUI)
	s.fiber.Get(Base, redirectToUI)
	s.fiber.Get(uiPath, func(c *fiber.Ctx) error {
		if c.Path() != uiPath {
			return redirectToUI(c) // its references would not lead to its files
		}
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
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

// redirectToUI redirects a request for the root, [Base] or the page to the page.
func redirectToUI(c *fiber.Ctx) error {
	prefix, path := "", c.Path()
	if m := mountOf(c); m != nil {
		prefix, path = m.prefix, m.path
	}
	return c.Redirect(relativeReference(prefix+path, prefix+uiPath))
}

// relativeReference returns the shortest relative reference (RFC 3986 section
// 4.2) that leads from one absolute path to another. Segments that both paths begin
// with are not in the reference, so both may be below any further path.
func relativeReference(from, to string) string {
	folder := from[:strings.LastIndexByte(from, '/')+1]
	up := 0
	for !strings.HasPrefix(to, folder) {
		folder = folder[:strings.LastIndexByte(folder[:len(folder)-1], '/')+1]
		up++
	}
	reference := strings.Repeat("../", up) + to[len(folder):]
	if segment, _, _ := strings.Cut(reference, "/"); strings.Contains(segment, ":") {
		return "./" + reference // a browser would take the segment for a scheme
	}
	return reference
}

// read returns an embedded file.
func read(name string) []byte {
	content, err := uiFiles.ReadFile(name)
	if err != nil {
		panic(err) // the file is not embedded
	}
	return content
}
