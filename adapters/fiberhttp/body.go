package fiberhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// body is the body of a request. Its texts are copies, because Fiber reuses its
// buffers after the handler.
type body struct {
	sent    sentFields // nil if the body is malformed
	invalid domain.Fields
}

// sentFields are the fields of a body as they were sent.
type sentFields interface {
	has(name string) bool
	text(name string) (string, error)    // "" for a missing field
	boolean(name string) (string, error) // as text; a JSON literal is its text
}

// readBody reads a form, multipart or JSON body, or one of the given other types, which
// must be forms of JSON too. It returns a 415 error for another type. If the body is
// malformed, "body" is one of the invalid fields.
func readBody(c *fiber.Ctx, jsonTypes ...string) (body, error) {
	content := c.Request().Body() // c.Body would decompress the content
	encoding := c.Get(fiber.HeaderContentEncoding)
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return body{}, fiber.ErrUnsupportedMediaType
	}
	contentType := c.Get(fiber.HeaderContentType)
	if contentType == "" && len(content) == 0 {
		contentType = fiber.MIMEApplicationForm // an empty form
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return body{}, fiber.ErrUnsupportedMediaType
	}
	var sent sentFields
	switch {
	case mediaType == fiber.MIMEApplicationForm:
		sent, err = readForm(content)
	case mediaType == fiber.MIMEMultipartForm:
		sent, err = readMultipart(content, params["boundary"])
	case mediaType == fiber.MIMEApplicationJSON, slices.Contains(jsonTypes, mediaType):
		sent, err = readJSON(content)
	default:
		return body{}, fiber.ErrUnsupportedMediaType
	}
	invalid := domain.Fields{}
	invalid.Add("body", err)
	return body{sent: sent, invalid: invalid}, nil
}

// field parses a field of a body. If parse returns an error, field adds it to the
// body's invalid fields. If the body is malformed, field returns the zero value.
func field[T any](b body, name string, parse func(string) (T, error)) (value T) {
	if b.sent == nil {
		return value
	}
	text, err := b.sent.text(name)
	if err == nil {
		value, err = parse(text)
	}
	b.invalid.Add(name, inContractWords(err))
	return value
}

// has reports whether the body has a field.
func (b body) has(name string) bool { return b.sent != nil && b.sent.has(name) }

// isEmpty reports whether the body lacks a field or has it as an empty text.
func (b body) isEmpty(name string) bool {
	if b.sent == nil {
		return true
	}
	text, err := b.sent.text(name)
	return text == "" && err == nil
}

// optionalField is field for a field that need not be sent. It returns nil if the body
// does not have the field.
func optionalField[T any](b body, name string, parse func(string) (T, error)) *T {
	if !b.has(name) {
		return nil
	}
	value := field(b, name, parse)
	return &value
}

// optionalBool parses a boolean field that need not be sent. It returns nil if the body
// does not have the field or the field is invalid.
func optionalBool(b body, name string) *bool {
	if !b.has(name) {
		return nil
	}
	text, err := b.sent.boolean(name)
	if err != nil || text != "true" && text != "false" {
		b.invalid.Add(name, errNotBoolean)
		return nil
	}
	value := text == "true"
	return &value
}

func readForm(content []byte) (sentFields, error) {
	// Package url refuses a semicolon. Browsers and curl send a semicolon without
	// escaping it (WHATWG URL section 5.1).
	values, err := url.ParseQuery(strings.ReplaceAll(string(content), ";", "%3B"))
	if err != nil {
		return nil, errors.New("Malformed form") //nolint:staticcheck // for a person
	}
	return formFields(values), nil
}

func readMultipart(content []byte, boundary string) (sentFields, error) {
	form, err := multipart.NewReader(bytes.NewReader(content), boundary).ReadForm(maxBodyBytes)
	if err != nil {
		return nil, errors.New("Malformed multipart form") //nolint:staticcheck // for a person
	}
	return formFields(form.Value), nil
}

// formFields are the fields of a form.
type formFields url.Values

func (f formFields) has(name string) bool { return url.Values(f).Has(name) }

func (f formFields) text(name string) (string, error) { return url.Values(f).Get(name), nil }

func (f formFields) boolean(name string) (string, error) { return f.text(name) }

func readJSON(content []byte) (sentFields, error) {
	var values jsonFields
	if err := json.Unmarshal(content, &values); err != nil || values == nil {
		return nil, errors.New("Malformed JSON: must be one object") //nolint:staticcheck // for a person
	}
	return values, nil
}

// jsonFields are the fields of a JSON object.
type jsonFields map[string]json.RawMessage

func (f jsonFields) has(name string) bool { return f[name] != nil }

func (f jsonFields) text(name string) (string, error) {
	raw := f[name]
	if raw == nil {
		return "", nil
	}
	return decodeJSONText(raw)
}

// boolean returns the text of a literal true or false, or of a string.
func (f jsonFields) boolean(name string) (string, error) {
	if literal := string(f[name]); literal == "true" || literal == "false" {
		return literal, nil
	}
	return f.text(name)
}

// decodeJSONText decodes a string, or null as an empty string. It returns an error
// for a string that is not valid Unicode. encoding/json replaces invalid characters
// with U+FFFD, which would change a password.
func decodeJSONText(raw json.RawMessage) (string, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", errors.New("Must be a string") //nolint:staticcheck // for a person
	}
	const replacement = string(utf8.RuneError)
	escapes := bytes.ToLower(bytes.ReplaceAll(raw, []byte(`\\`), nil)) // an escaped backslash does not begin an escape
	written := bytes.Count(raw, []byte(replacement)) + bytes.Count(escapes, []byte(`\ufffd`))
	if !utf8.Valid(raw) || strings.Count(text, replacement) > written {
		return "", errors.New("Must be UTF-8 text") //nolint:staticcheck // for a person
	}
	return text, nil
}
