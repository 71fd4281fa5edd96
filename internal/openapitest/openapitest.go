// Package openapitest checks that the OpenAPI document describes the responses of
// the server.
//
// It validates values with package jsonschema, because schemas of OpenAPI 3.1 are JSON
// schemas. The validators for whole OpenAPI documents were left out: with an empty cache,
// one of them took more time to compile than everything else that the tests need.
package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// undocumented lists headers of HTTP, of browser security and of CORS that the document
// need not describe. It must describe every other header.
var undocumented = []string{
	"Date", "Content-Type", "Content-Length", "Connection", "Vary",
	"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Strict-Transport-Security",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
}

// everywhere has the responses that the operations need not name, because a request with any
// path may get them. Each refers to the components of the document.
var everywhere = map[string]any{
	"400": reference("BadRequest"), "404": reference("NotFound"), "405": reference("MethodNotAllowed"),
	"408": reference("RequestTimeout"), "413": reference("ContentTooLarge"), "431": reference("HeadersTooLarge"),
}

func reference(response string) map[string]any {
	return map[string]any{"$ref": "#/components/responses/" + response}
}

// Document is an OpenAPI document. It is safe for concurrent use.
type Document struct {
	operations []operation
	elsewhere  operation // has the responses to requests that match no operation
}

// operation is an operation of the document.
type operation struct {
	method, template string
	requests         *regexp.Regexp       // matches the paths of its requests
	responses        map[string]*response // by status
}

// response is a response of an operation.
type response struct {
	headers map[string]header
	content map[string]*jsonschema.Schema // by media type; the schema is nil for a body that is not JSON
}

// header is a header of a response.
type header struct {
	required bool
	isText   bool // else its value is read as JSON
	schema   *jsonschema.Schema
}

// Parse parses a document in JSON. The document must have the responses BadRequest, NotFound,
// MethodNotAllowed, RequestTimeout, ContentTooLarge and HeadersTooLarge among its components.
func Parse(text []byte) (*Document, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	p := parser{root: root, schemas: jsonschema.NewCompiler()}
	p.schemas.AssertFormat()
	closeObjects(p.at("#/components/schemas"))
	if err := p.schemas.AddResource(resource, root); err != nil {
		return nil, err
	}
	return p.document()
}

// closeObjects forbids the fields that the schemas do not name: every field of a response
// must be in the document.
func closeObjects(schema any) {
	object, isObject := schema.(map[string]any)
	if !isObject {
		return
	}
	_, hasFields := object["properties"].(map[string]any)
	if _, found := object["additionalProperties"]; hasFields && !found {
		object["additionalProperties"] = false
	}
	for _, part := range object {
		closeObjects(part)
	}
}

// resource is the name of the document for its schemas.
const resource = "openapi.json"

// parser reads a document. A pointer is a JSON pointer with a number sign before it.
type parser struct {
	root    any
	schemas *jsonschema.Compiler
}

// pointerTo returns the pointer to a part of an object.
func pointerTo(object string, names ...string) string {
	pointer := []string{object}
	for _, name := range names {
		pointer = append(pointer, strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return strings.Join(pointer, "/")
}

// at returns the value that the pointer refers to, or nil.
func (p parser) at(pointer string) any {
	value := p.root
	for _, name := range strings.Split(pointer, "/")[1:] {
		object, _ := value.(map[string]any)
		value = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return value
}

// object returns the object that the pointer refers to, and its pointer. It follows $ref.
func (p parser) object(pointer string) (map[string]any, string) {
	object, _ := p.at(pointer).(map[string]any)
	if to, found := object["$ref"].(string); found {
		return p.object(to)
	}
	return object, pointer
}

func (p parser) document() (*Document, error) {
	d := &Document{}
	paths, at := p.object("#/paths")
	if len(paths) == 0 {
		return nil, errors.New("the document has no paths")
	}
	for template := range paths {
		item, at := p.object(pointerTo(at, template))
		for method := range item {
			responses, at := p.object(pointerTo(at, method, "responses"))
			if len(responses) == 0 {
				continue // not an operation
			}
			o := operation{method: strings.ToUpper(method), template: template, requests: matching(template)}
			if err := p.addResponses(&o, at, responses); err != nil {
				return nil, err
			}
			d.operations = append(d.operations, o)
		}
	}
	return d, p.addResponses(&d.elsewhere, "", everywhere)
}

// matching returns a pattern for the paths of a template. As in the server, a
// path may end with slashes.
func matching(template string) *regexp.Regexp {
	parameter := regexp.MustCompile(`\\\{[^}]+\\\}`)
	return regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "/*$")
}

// addResponses adds responses to an operation. The pointer is that of the responses.
func (p parser) addResponses(o *operation, pointer string, responses map[string]any) error {
	o.responses = map[string]*response{}
	for status, described := range responses {
		at := pointerTo(pointer, status)
		if object, _ := described.(map[string]any); object["$ref"] != nil {
			at = object["$ref"].(string)
		}
		parsed, err := p.response(at)
		if err != nil {
			return fmt.Errorf("%s %s, %s: %w", o.method, o.template, status, err)
		}
		o.responses[status] = parsed
	}
	return nil
}

func (p parser) response(pointer string) (*response, error) {
	object, pointer := p.object(pointer)
	if object == nil {
		return nil, fmt.Errorf("the document has no %s", pointer)
	}
	r := &response{map[string]header{}, map[string]*jsonschema.Schema{}}
	headers, at := p.object(pointerTo(pointer, "headers"))
	for name := range headers {
		described, at := p.object(pointerTo(at, name))
		schema, err := p.schemas.Compile(resource + pointerTo(at, "schema"))
		if err != nil {
			return nil, err
		}
		kind, _ := p.object(pointerTo(at, "schema"))
		r.headers[http.CanonicalHeaderKey(name)] = header{described["required"] == true, kind["type"] == "string", schema}
	}
	content, at := p.object(pointerTo(pointer, "content"))
	for mediaType := range content {
		r.content[mediaType] = nil
		if mediaType != "application/json" {
			continue
		}
		schema, err := p.schemas.Compile(resource + pointerTo(at, mediaType, "schema"))
		if err != nil {
			return nil, err
		}
		r.content[mediaType] = schema
	}
	return r, nil
}

// Operations returns the operations of the document, like "GET /healthz".
func (d *Document) Operations() []string {
	var names []string
	for _, o := range d.operations {
		names = append(names, o.method+" "+o.template)
	}
	return names
}

// Check returns an error if the document does not describe a response. The target
// is the target of the request's first line. A response to HEAD is checked as one
// to GET, without the body. A response to a request that matches no operation must
// be one of the errors that every path has.
func (d *Document) Check(method, target string, got http.Response, body string) error {
	if method == http.MethodOptions && got.StatusCode == http.StatusNoContent {
		if body != "" {
			return errors.New("the response to a preflight has a body")
		}
		return nil // preflights are not in the document
	}
	isHead := method == http.MethodHead
	if isHead {
		method = http.MethodGet
	}
	path, _, _ := strings.Cut(target, "?")
	if whole, err := url.Parse(path); err == nil && whole.IsAbs() {
		path = whole.EscapedPath()
	}
	o := d.operation(method, path)
	described, found := o.responses[strconv.Itoa(got.StatusCode)]
	if !found {
		return fmt.Errorf("the OpenAPI document has no status %d for %s %s", got.StatusCode, method, path)
	}
	err := described.checkHeaders(got.Header)
	if !isHead {
		err = errors.Join(err, described.checkBody(got.Header.Get("Content-Type"), body))
	}
	if err != nil {
		return fmt.Errorf("the OpenAPI document does not describe the response %d to %s %s: %w", got.StatusCode, method, path, err)
	}
	return nil
}

// operation returns the operation that a request matches. Methods are case-sensitive.
func (d *Document) operation(method, path string) operation {
	for _, o := range d.operations {
		if o.method == method && o.requests.MatchString(path) {
			return o
		}
	}
	return d.elsewhere
}

func (r *response) checkHeaders(got http.Header) (err error) {
	for name, described := range r.headers {
		if described.required && got.Get(name) == "" {
			err = errors.Join(err, fmt.Errorf("the header %s is missing", name))
		}
	}
	for name, values := range got {
		described, found := r.headers[http.CanonicalHeaderKey(name)]
		switch {
		case !found && !slices.Contains(undocumented, http.CanonicalHeaderKey(name)):
			err = errors.Join(err, fmt.Errorf("the header %s is not in the document", name))
		case found:
			for _, value := range values {
				err = errors.Join(err, described.check(name, value))
			}
		}
	}
	return err
}

func (h header) check(name, value string) error {
	var parsed any = value
	if !h.isText {
		var err error
		if parsed, err = jsonschema.UnmarshalJSON(strings.NewReader(value)); err != nil {
			return fmt.Errorf("the header %s is %q: %w", name, value, err)
		}
	}
	if err := h.schema.Validate(parsed); err != nil {
		return fmt.Errorf("the header %s is %q: %w", name, value, err)
	}
	return nil
}

func (r *response) checkBody(contentType, body string) error {
	if len(r.content) == 0 {
		if body != "" {
			return errors.New("the body is not in the document")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("the media type %q: %w", contentType, err)
	}
	schema, found := r.content[mediaType]
	switch {
	case !found:
		return fmt.Errorf("the media type %s is not in the document", mediaType)
	case schema == nil:
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	return schema.Validate(value)
}
