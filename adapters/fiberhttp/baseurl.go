package fiberhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseBaseURL returns the base URL of a server for [Config.BaseURL]: its scheme and host
// as browsers write them, and its path without a slash at the end. The error says why the
// text cannot be a base URL, and how to write one.
func ParseBaseURL(text string) (string, error) {
	base, err := parseBaseURL(strings.TrimSpace(text))
	if err == nil {
		return base, nil
	}
	if strings.Contains(text, "@") {
		text = "the value" // which may have a password
	} else {
		text = fmt.Sprintf("%q", text)
	}
	return "", fmt.Errorf("%s is not a base URL: %w: write https://host or https://host/path", text, err)
}

func parseBaseURL(text string) (string, error) {
	scheme, rest, found := strings.Cut(text, "://")
	authority, path, _ := strings.Cut(rest, "/")
	switch {
	case !found:
		return "", errors.New("it does not begin with http:// or https://")
	case strings.ContainsAny(text, "?#"):
		return "", errors.New("it has a query or a fragment")
	case strings.Contains(authority, "*"):
		return "", errors.New("it has a wildcard in the host")
	}
	origin, err := parseOrigin(scheme + "://" + authority)
	if err != nil {
		return "", err
	}
	path, err = normalPath(path)
	return origin + path, err
}

// normalPath returns a path with the characters escaped that a URL cannot have, and
// without slashes at its end. It refuses empty segments: a link that begins with two
// slashes would lead to another host.
func normalPath(text string) (string, error) {
	parsed, err := url.Parse("http://host/" + text)
	if err != nil {
		return "", errors.New("its path has a control character, or a percent sign that begins no escape")
	}
	path := strings.TrimRight(parsed.EscapedPath(), "/")
	if path == "" {
		return "", nil
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch unescape(segment) {
		case "", ".", "..":
			return "", errors.New("its path has a segment that is ., .. or empty")
		}
	}
	return path, nil
}

// pathOf returns the path of a base URL that ParseBaseURL has returned.
func pathOf(base string) string {
	return base[len(originOf(base)):]
}

// originOf returns a base URL that ParseBaseURL has returned, without its path.
func originOf(base string) string {
	_, rest, _ := strings.Cut(base, "://")
	authority, _, _ := strings.Cut(rest, "/")
	return base[:len(base)-len(rest)+len(authority)]
}

// links are the paths of the lists as the API writes them into links, with a prefix in
// front.
type links struct{ users, widgets string }

func newLinks(prefix string) links {
	return links{users: prefix + usersPath, widgets: prefix + widgetsPath}
}

// relativeServer is the server entry of the OpenAPI document. It is relative to the URL of
// the document.
const relativeServer = `"url": "../.."`

// openAPIOf returns the OpenAPI document of the server with the base URL, which may be
// empty.
func openAPIOf(base string) []byte {
	if base == "" {
		return openAPI
	}
	quoted, err := json.Marshal(base)
	if err != nil {
		panic(err) // a string cannot fail
	}
	return bytes.Replace(openAPI, []byte(relativeServer), append([]byte(`"url": `), quoted...), 1)
}
