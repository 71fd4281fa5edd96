package fiberhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// body is the fields of a request's body, and why some of them were refused.
// Everything in it is a copy: Fiber's buffers live only as long as the handler.
type body struct {
	text    func(field string) (string, error) // "" where there is no such field; nil for a malformed body
	refused domain.Fields
}

// readBody reads a form, multipart or JSON body. Another type of body is a 415;
// one that cannot be read as its type is refused as the field "body".
func readBody(c *fiber.Ctx) (body, error) {
	content := c.Request().Body() // not c.Body, which would inflate a compressed one
	encoding := c.Get(fiber.HeaderContentEncoding)
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return body{}, fiber.ErrUnsupportedMediaType
	}
	contentType := c.Get(fiber.HeaderContentType)
	if contentType == "" && len(content) == 0 {
		contentType = fiber.MIMEApplicationForm // no fields at all
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return body{}, fiber.ErrUnsupportedMediaType
	}
	var text func(string) (string, error)
	switch mediaType {
	case fiber.MIMEApplicationForm:
		text, err = readForm(content)
	case fiber.MIMEMultipartForm:
		text, err = readMultipart(content, params["boundary"])
	case fiber.MIMEApplicationJSON:
		text, err = readJSON(content)
	default:
		return body{}, fiber.ErrUnsupportedMediaType
	}
	refused := domain.Fields{}
	refused.Note("body", err)
	return body{text: text, refused: refused}, nil
}

// field parses one field of a body. When it is refused the body remembers why.
// Of a malformed body nothing is known, so no more is refused.
func field[T any](b body, name string, parse func(string) (T, error)) (value T) {
	if b.text == nil {
		return value
	}
	text, err := b.text(name)
	if err == nil {
		value, err = parse(text)
	}
	b.refused.Note(name, err)
	return value
}

func readForm(content []byte) (func(string) (string, error), error) {
	// Package url refuses what used to stand for &; to browsers and to curl it
	// is a character like any other (WHATWG URL section 5.1).
	values, err := url.ParseQuery(strings.ReplaceAll(string(content), ";", "%3B"))
	if err != nil {
		return nil, errors.New("Malformed form") //nolint:staticcheck // told to a person
	}
	return func(field string) (string, error) { return values.Get(field), nil }, nil
}

func readMultipart(content []byte, boundary string) (func(string) (string, error), error) {
	form, err := multipart.NewReader(bytes.NewReader(content), boundary).ReadForm(maxBodyBytes)
	if err != nil {
		return nil, errors.New("Malformed multipart form") //nolint:staticcheck // told to a person
	}
	values := url.Values(form.Value)
	return func(field string) (string, error) { return values.Get(field), nil }, nil
}

func readJSON(content []byte) (func(string) (string, error), error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(content, &values); err != nil || values == nil {
		return nil, errors.New("Malformed JSON: must be one object") //nolint:staticcheck // told to a person
	}
	return func(field string) (string, error) {
		raw := values[field]
		if raw == nil {
			return "", nil
		}
		return decodeJSONText(raw)
	}, nil
}

// decodeJSONText decodes a string, or null as an empty one. The standard decoder
// replaces what is not Unicode by U+FFFD; here that is an error, for nobody's
// password may be changed in silence.
func decodeJSONText(raw json.RawMessage) (string, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", errors.New("Must be a string") //nolint:staticcheck // told to a person
	}
	const replacement = string(utf8.RuneError)
	escapes := bytes.ToLower(bytes.ReplaceAll(raw, []byte(`\\`), nil)) // without \\, so that no \\ufffd counts
	written := bytes.Count(raw, []byte(replacement)) + bytes.Count(escapes, []byte(`\ufffd`))
	if !utf8.Valid(raw) || strings.Count(text, replacement) > written {
		return "", errors.New("Must be UTF-8 text") //nolint:staticcheck // told to a person
	}
	return text, nil
}
