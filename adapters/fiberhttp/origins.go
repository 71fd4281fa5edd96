package fiberhttp

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ParseOrigins returns allowed origins for [Config.CORSOrigins], each as a browser
// writes it in the header Origin. "*" alone stays. The error names the first value
// that cannot be an origin, and how to write one.
func ParseOrigins(texts []string) ([]string, error) {
	if len(texts) == 1 && strings.TrimSpace(texts[0]) == "*" {
		return []string{"*"}, nil
	}
	var origins []string
	for _, text := range texts {
		origin, err := parseOrigin(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q is not an origin: %w: write scheme://host or scheme://host:port, or * alone for all", text, err)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// parseOrigin returns an origin with its scheme and host in the form of the URL
// standard (url.spec.whatwg.org), and without the default port of its scheme.
func parseOrigin(text string) (string, error) {
	scheme, authority, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case text == "*":
		return "", errors.New("* stands for all origins and must be the only one")
	case !found || scheme != "http" && scheme != "https":
		return "", errors.New("it does not begin with http:// or https://")
	case strings.ContainsAny(authority, `/?#\`):
		return "", errors.New("it has a path, a query or a slash at its end")
	case strings.Contains(authority, "@"):
		return "", errors.New("it has a user")
	case strings.Contains(authority, "*"):
		return "", errors.New("it has a wildcard, so list each host")
	}
	host, port, err := splitPort(authority)
	if err != nil {
		return "", err
	}
	if host, err = normalHost(host); err != nil {
		return "", err
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, nil
	}
	return scheme + "://" + host + ":" + port, nil
}

// splitPort splits host:port. It returns the port without leading zeros, or "" if
// there is none.
func splitPort(authority string) (host, port string, err error) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < strings.LastIndexByte(authority, ']') || colon < 0 {
		return authority, "", nil // the colons, if any, are in an IPv6 address
	}
	number, err := strconv.ParseUint(authority[colon+1:], 10, 16)
	if err != nil || number == 0 {
		return "", "", fmt.Errorf("%q is not a port from 1 to 65535", authority[colon+1:])
	}
	return authority[:colon], strconv.FormatUint(number, 10), nil
}

// normalHost returns a host as browsers write it: a name in lower case and in
// A-labels, an IPv4 address in decimal numbers, or an IPv6 address in brackets.
func normalHost(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		return normalIPv6(host)
	}
	name, err := browserNames().ToASCII(host)
	if err != nil || !utf8.ValidString(host) || !isName(name) {
		return "", fmt.Errorf("%q is not a host", host)
	}
	if endsInNumber(name) {
		if addr, err := netip.ParseAddr(name); err != nil || !addr.Is4() {
			return "", fmt.Errorf("%q is neither a host name nor an IPv4 address of four decimal numbers", host)
		}
	}
	return name, nil
}

// browserNames returns the conversion of host names that browsers use: UTS 46,
// not transitional, without the limits of host names that DNS does not have.
func browserNames() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.CheckJoiners(true), idna.CheckHyphens(false), idna.StrictDomainName(false))
}

// isName reports whether the labels of a name in ASCII have letters, digits,
// hyphens and underscores, and lengths that DNS allows. The last label may be empty.
func isName(name string) bool {
	const most = 253
	name = strings.TrimSuffix(name, ".")
	for label := range strings.SplitSeq(name, ".") {
		other := strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_")
		if label == "" || len(label) > 63 || other != "" {
			return false
		}
	}
	return len(name) <= most
}

// endsInNumber reports whether browsers take a name for an IPv4 address.
func endsInNumber(name string) bool {
	name = strings.TrimSuffix(name, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, found := strings.CutPrefix(last, "0x"); found {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// normalIPv6 returns an IPv6 address in brackets in its shortest form. Unlike
// [netip.Addr], browsers write all of it in hexadecimal numbers.
func normalIPv6(host string) (string, error) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(host[1:], "]"))
	if err != nil || !strings.HasSuffix(host, "]") || !addr.Is6() || addr.Zone() != "" {
		return "", fmt.Errorf("%q is not an IPv6 address in brackets without a zone", host)
	}
	if addr.Is4In6() {
		b := addr.As16()
		return fmt.Sprintf("[::ffff:%x:%x]", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15])), nil
	}
	return "[" + addr.String() + "]", nil
}
