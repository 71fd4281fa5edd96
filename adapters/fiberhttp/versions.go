package fiberhttp

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// This file has entity tags and preconditions (RFC 9110 sections 8.8.3, 13.1 and 13.2) for
// every resource whose records have a [domain.Version]. The tag of a record is its version
// in decimal digits.

// errEntityTags is the error for an If-Match or If-None-Match that cannot be read.
var errEntityTags = errors.New(`Must be * or a list of entity tags in double quotes, such as "1795330507123456"`) //nolint:staticcheck // for a person

// setETag sets the header ETag to the tag of a version.
func setETag(c *fiber.Ctx, version domain.Version) {
	var buffer [24]byte // on the stack
	setHeader(c, "Etag", appendETag(buffer[:0], version))
}

func appendETag(b []byte, version domain.Version) []byte {
	return append(strconv.AppendInt(append(b, '"'), int64(version), 10), '"')
}

// sendVersion responds with status 200 and the JSON that render appends, or with 304 if the
// client has the version already. Both responses have the ETag of the version. known comes
// from readKnown.
func sendVersion(c *fiber.Ctx, version domain.Version, known *domain.Versions, render func([]byte) []byte) error {
	setETag(c, version)
	if known != nil && known.Has(version) {
		c.Status(fiber.StatusNotModified)
		return nil
	}
	return send(c, render)
}

// readKnown reads the header If-None-Match of a GET request, and returns the versions that
// the client has. It returns nil if the request does not have the header.
func readKnown(c *fiber.Ctx) (*domain.Versions, error) {
	known, err := readVersions(c, fiber.HeaderIfNoneMatch, true)
	if err != nil {
		return nil, domain.Fields{fiber.HeaderIfNoneMatch: err.Error()}.Err()
	}
	return known, nil
}

// readCondition reads the preconditions of a write. If a header cannot be read,
// readCondition adds it to the invalid fields.
func readCondition(c *fiber.Ctx, invalid domain.Fields) domain.Condition {
	match, err := readVersions(c, fiber.HeaderIfMatch, false)
	invalid.Add(fiber.HeaderIfMatch, err)
	noneMatch, err := readVersions(c, fiber.HeaderIfNoneMatch, true)
	invalid.Add(fiber.HeaderIfNoneMatch, err)
	return domain.Condition{Match: match, NoneMatch: noneMatch}
}

// readCollectionCondition reads the If-Match of a request that adds a record to a
// collection, and returns the condition for the new record. The collection exists, so "*"
// is no restriction. The collection has no version, so no record meets a tag.
func readCollectionCondition(c *fiber.Ctx, invalid domain.Fields) domain.Condition {
	match, err := readVersions(c, fiber.HeaderIfMatch, false)
	invalid.Add(fiber.HeaderIfMatch, err)
	if match != nil && match.Every {
		match = nil
	}
	return domain.Condition{Match: match}
}

// readVersions reads the versions that If-Match or If-None-Match names. It returns nil if
// the request does not have the header. The set has the versions of weak tags only if weak
// is true, which is the weak comparison. A tag that is no version is in no set.
func readVersions(c *fiber.Ctx, header string, weak bool) (*domain.Versions, error) {
	lines := c.Request().Header.PeekAll(header)
	if len(lines) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	if len(lines) == 1 && string(bytes.Trim(lines[0], optionalSpace)) == "*" {
		return &domain.Versions{Every: true}, nil
	}
	tags, err := parseEntityTags(lines)
	if err != nil {
		return nil, err
	}
	versions := &domain.Versions{}
	for _, tag := range tags {
		if version, ok := tag.version(); ok && (weak || !tag.weak) {
			versions.List = append(versions.List, version)
		}
	}
	return versions, nil
}

// entityTag is a tag of a record. It shares memory with the request.
type entityTag struct {
	weak   bool
	opaque []byte // without the quotation marks
}

// version returns the version whose tag this is. It returns false if no version has the tag.
// Each version has exactly one tag.
func (t entityTag) version() (domain.Version, bool) {
	number, err := strconv.ParseInt(string(t.opaque), 10, 64)
	if err != nil || strconv.FormatInt(number, 10) != string(t.opaque) {
		return 0, false
	}
	return domain.Version(number), true
}

// optionalSpace are the characters that may be around the elements of a list (RFC 9110
// section 5.6.3).
const optionalSpace = " \t"

// parseEntityTags parses the lines of a header as one list of tags. It skips empty elements
// (RFC 9110 section 5.6.1.2). A list without a tag is an error.
func parseEntityTags(lines [][]byte) (tags []entityTag, err error) {
	for _, rest := range lines {
		for found := true; found; {
			if rest = bytes.TrimLeft(rest, optionalSpace); len(rest) > 0 && rest[0] != ',' {
				var tag entityTag
				if tag, rest, found = cutEntityTag(rest); !found {
					return nil, errEntityTags
				}
				tags = append(tags, tag)
			}
			before, after, isComma := bytes.Cut(rest, []byte(","))
			if len(bytes.Trim(before, optionalSpace)) > 0 {
				return nil, errEntityTags
			}
			rest, found = after, isComma
		}
	}
	if len(tags) == 0 {
		return nil, errEntityTags
	}
	return tags, nil
}

// cutEntityTag splits a text after the tag at its beginning (RFC 9110 section 8.8.3). A tag
// may have commas.
func cutEntityTag(text []byte) (tag entityTag, rest []byte, ok bool) {
	rest, tag.weak = bytes.CutPrefix(text, []byte("W/"))
	rest, ok = bytes.CutPrefix(rest, []byte(`"`))
	if !ok {
		return entityTag{}, nil, false
	}
	tag.opaque, rest, ok = bytes.Cut(rest, []byte(`"`))
	if !ok || bytes.ContainsFunc(tag.opaque, isNoTagCharacter) {
		return entityTag{}, nil, false
	}
	return tag, rest, true
}

// isNoTagCharacter reports whether a tag cannot have the character. A tag may have every
// byte from 0x80 on. Bytes that are not UTF-8 arrive here as U+FFFD.
func isNoTagCharacter(r rune) bool { return r <= ' ' || r == 0x7F }
