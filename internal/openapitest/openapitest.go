// Package openapitest checks that the OpenAPI document describes the responses of
// the server.
package openapitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// nowhere is the path of an operation that Parse adds to the document. The operation
// has the responses to requests that match no other operation.
const nowhere = "/nowhere"

// undocumented lists headers of HTTP, of browser security and of CORS that the document
// need not describe. It must describe every other header.
var undocumented = []string{
	"Date", "Content-Type", "Content-Length", "Connection", "Vary",
	"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Strict-Transport-Security",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
}

// undeclared lists the parts of bodies whose fields the document does not name: the
// errors of a validation have fields named like those of the request, and the OpenAPI
// document is a body too.
var undeclared = []string{
	"$.body.errors.*",
	"$.body.info", "$.body.servers", "$.body.security", "$.body.tags", "$.body.paths", "$.body.components",
}

// Document is an OpenAPI document. It is safe for concurrent use.
type Document struct {
	model     *v3.Document
	templates map[string]*regexp.Regexp // for each path of the document, its requests
	whole     validator.Validator
	bodyless  validator.Validator
}

// Parse parses a document in JSON. The document must have the
// responses BadRequest, NotFound, MethodNotAllowed, RequestTimeout,
// ContentTooLarge and HeadersTooLarge among its components.
func Parse(text []byte) (*Document, error) {
	text = bytes.Replace(text, []byte(`"paths": {`), []byte(`"paths": {
		"`+nowhere+`": {"get": {"responses": {
			"400": {"$ref": "#/components/responses/BadRequest"},
			"404": {"$ref": "#/components/responses/NotFound"},
			"405": {"$ref": "#/components/responses/MethodNotAllowed"},
			"408": {"$ref": "#/components/responses/RequestTimeout"},
			"413": {"$ref": "#/components/responses/ContentTooLarge"},
			"431": {"$ref": "#/components/responses/HeadersTooLarge"}
		}}},`), 1)
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	built, err := document.BuildV3Model()
	if err != nil {
		return nil, err
	}
	options := []config.Option{
		config.WithFormatAssertions(),
		config.WithStrictMode(), // every field must be in the document
		config.WithStrictIgnorePaths(undeclared...),
		config.WithStrictIgnoredHeaders(undocumented...),
	}
	d := &Document{
		model:     &built.Model,
		templates: map[string]*regexp.Regexp{},
		whole:     validator.NewValidatorFromV3Model(&built.Model, options...),
		bodyless:  validator.NewValidatorFromV3Model(&built.Model, append(options, config.WithoutResponseBodyValidation())...),
	}
	for template := range built.Model.Paths.PathItems.KeysFromOldest() {
		d.templates[template] = matching(template)
	}
	if _, found := d.templates[nowhere]; !found {
		return nil, errors.New("the document has no paths")
	}
	return d, nil
}

// matching returns a pattern for the paths of a template. As in the server, a
// path may end with slashes.
func matching(template string) *regexp.Regexp {
	parameter := regexp.MustCompile(`\\\{[^}]+\\\}`)
	return regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "/*$")
}

// Operations returns the operations of the document, like "GET /healthz".
func (d *Document) Operations() []string {
	var operations []string
	for template, item := range d.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().KeysFromOldest() {
			if template != nowhere {
				operations = append(operations, strings.ToUpper(method)+" "+template)
			}
		}
	}
	return operations
}

// Check returns an error if the document does not describe a response. The target
// is the target of the request's first line. A response to HEAD is checked as one
// to GET, without the body. A response to a request that matches no operation must
// be one of the errors that every path has.
func (d *Document) Check(method, target string, response http.Response, body string) error {
	if method == http.MethodOptions && response.StatusCode == http.StatusNoContent {
		if body != "" {
			return errors.New("the response to a preflight has a body")
		}
		return nil // preflights are not in the document
	}
	check := d.whole
	if method == http.MethodHead {
		method, check = http.MethodGet, d.bodyless
	}
	path, _, _ := strings.Cut(target, "?")
	if whole, err := url.Parse(path); err == nil && whole.IsAbs() {
		path = whole.EscapedPath()
	}
	template, operation := d.operation(method, path)
	if operation == nil {
		method, template = http.MethodGet, nowhere
	} else if described := operation.Responses.FindResponseByCode(response.StatusCode); described != nil &&
		orderedmap.Len(described.Content) == 0 {
		if body != "" {
			return fmt.Errorf("%s %s: %d has a body, which is not in the document", method, template, response.StatusCode)
		}
		check = d.bodyless
	}
	request, err := http.NewRequestWithContext(context.Background(), method,
		"http://localhost"+strings.NewReplacer("{", "", "}", "").Replace(template), nil)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(strings.NewReader(body))
	if ok, found := check.ValidateHttpResponse(request, &response); !ok {
		var all []error
		for _, one := range found {
			all = append(all, fmt.Errorf("%s: %s %v", one.Message, one.Reason, one.SchemaValidationErrors))
		}
		return fmt.Errorf("the OpenAPI document does not describe the response: %w", errors.Join(all...))
	}
	return nil
}

// operation returns the operation that a request matches, or nil.
func (d *Document) operation(method, path string) (template string, operation *v3.Operation) {
	if method != strings.ToUpper(method) {
		return "", nil // methods are case-sensitive
	}
	for template, pattern := range d.templates {
		if template == nowhere || !pattern.MatchString(path) {
			continue
		}
		if operation := d.model.Paths.PathItems.GetOrZero(template).GetOperations().GetOrZero(strings.ToLower(method)); operation != nil {
			return template, operation
		}
	}
	return "", nil
}
