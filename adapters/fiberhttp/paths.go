package fiberhttp

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// existingName returns the {name} of the path, or NotFound for a name that no
// widget can have.
func existingName(c *fiber.Ctx) (domain.WidgetName, error) {
	text := pathName(c)
	name, err := domain.ParseWidgetName(text)
	if err != nil {
		return domain.WidgetName{}, domain.WidgetNotFound(text)
	}
	return name, nil
}

// pathName returns a copy of the {name} of the path, unescaped, with A to Z in lower
// case.
func pathName(c *fiber.Ctx) string { return lowerASCII(unescape(c.Params(nameParameter))) }

// existingID returns the {public_id} of the path, or NotFound for a text that is no
// UUID. Capital letters stand for lower-case ones (RFC 9562 section 4).
func existingID(c *fiber.Ctx) (domain.UUID, error) {
	text := unescape(c.Params(idParameter))
	id, err := parseID(text)
	if err != nil {
		return domain.UUID{}, domain.AccountNotFound(strings.Clone(text))
	}
	return id, nil
}

func parseID(text string) (domain.UUID, error) { return domain.ParseUUID(lowerASCII(text)) }

// unescape returns a segment of a path without escapes. It may share memory with the
// segment.
func unescape(segment string) string {
	text, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return text
}

// lowerASCII returns a copy of a text with A to Z in lower case. [strings.ToLower] would
// also convert some other letters, such as the Kelvin sign, to a to z.
func lowerASCII(text string) string {
	var short [domain.MaxWidgetNameBytes]byte // on the stack
	lower := append(short[:0], text...)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + ('a' - 'A')
		}
	}
	return string(lower)
}
