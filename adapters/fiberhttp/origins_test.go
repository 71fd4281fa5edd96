package fiberhttp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
)

func TestOriginsAreReadAsBrowsersWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://app.example":                   "https://app.example",
		" https://app.example\t":                "https://app.example", //nolint:gocritic // the space is the test
		"HTTPS://App.Example":                   "https://app.example",
		"https://app.example:443":               "https://app.example",
		"http://app.example:80":                 "http://app.example",
		"https://app.example:80":                "https://app.example:80",
		"http://app.example:443":                "http://app.example:443",
		"https://app.example:0443":              "https://app.example",
		"https://app.example:08443":             "https://app.example:8443",
		"https://app.example.":                  "https://app.example.",
		"http://localhost:3000":                 "http://localhost:3000",
		"http://a_b.example":                    "http://a_b.example",
		"http://-a.example":                     "http://-a.example",
		"https://münchen.example":               "https://xn--mnchen-3ya.example",
		"https://MÜNCHEN.example:443":           "https://xn--mnchen-3ya.example",
		"https://mu\u0308nchen.example":         "https://xn--mnchen-3ya.example",
		"https://XN--MNCHEN-3YA.example":        "https://xn--mnchen-3ya.example",
		"https://straße.example":                "https://xn--strae-oqa.example", // not strasse
		"https://faß.example":                   "https://xn--fa-hia.example",
		"https://例え。テスト":                        "https://xn--r8jz45g.xn--zckzah",
		"https://ｅｘａｍｐｌｅ.com":                   "https://example.com",
		"https://بوابة.تونس":                    "https://xn--mgbbbe6m.xn--pgbs0dh",
		"http://127.0.0.1:8080":                 "http://127.0.0.1:8080",
		"http://１２７.0.0.1":                      "http://127.0.0.1",
		"http://[::1]:80":                       "http://[::1]",
		"http://[::1]:3000":                     "http://[::1]:3000",
		"http://[2001:DB8:0:0:0:0:0:1]":         "http://[2001:db8::1]",
		"http://[2001:db8:0:1:1:1:1:1]":         "http://[2001:db8:0:1:1:1:1:1]",
		"http://[::ffff:127.0.0.1]":             "http://[::ffff:7f00:1]",
		"https://1.example":                     "https://1.example",
		"https://0x7f.example":                  "https://0x7f.example",
		"https://" + strings.Repeat("a", 63):    "https://" + strings.Repeat("a", 63),
		"https://xn--mnchen-3ya.example:443":    "https://xn--mnchen-3ya.example",
		"https://app--x.ex--ample.example:8443": "https://app--x.ex--ample.example:8443",
	} {
		got, err := fiberhttp.ParseOrigins([]string{"http://other.example", text})
		if err != nil || !slices.Equal(got, []string{"http://other.example", want}) {
			t.Errorf("%q became %q, %v; want %q", text, got, err, want)
		}
	}
	for _, all := range [][]string{{"*"}, {" * "}} {
		if got, err := fiberhttp.ParseOrigins(all); err != nil || !slices.Equal(got, []string{"*"}) {
			t.Errorf("%q became %q, %v", all, got, err)
		}
	}
}

func TestTextsThatCannotBeOriginsAreRefused(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"":                                     "http://",
		"null":                                 "http://",
		"app.example":                          "http://",
		"app.example:443":                      "http://",
		"//app.example":                        "http://",
		"https:app.example":                    "http://",
		"https:/app.example":                   "http://",
		`https:\\app.example`:                  "http://",
		"ftp://app.example":                    "http://",
		"file://app.example":                   "http://",
		"*://app.example":                      "http://",
		"*":                                    "only one",
		"https://*":                            "wildcard",
		"https://*.app.example":                "wildcard",
		"https://app.example:*":                "wildcard",
		"https://app.example/":                 "slash",
		"https://app.example/path":             "path",
		"https://app.example?x":                "query",
		"https://app.example#x":                "query",
		`https://app.example\`:                 "slash",
		"https://me@app.example":               "user",
		"https://me:secret@app.example":        "user",
		"https://":                             "host",
		"https://.":                            "host",
		"https://:443":                         "host",
		"https://a..b":                         "host",
		"https://.a":                           "host",
		"https://a b":                          "host",
		"https://a\tb":                         "host",
		"https://a%20b":                        "host",
		"https://%61.example":                  "host",
		"https://a,b":                          "host",
		"https://a<b":                          "host",
		"https://a|b":                          "host",
		"https://xn--a.example":                "host", // no valid A-label
		"https://xn--.example":                 "host",
		"https://\xff.example":                 "host",
		"https://\u202e.example":               "host",
		"https://" + strings.Repeat("a", 64):   "host",
		"https://" + strings.Repeat("a.", 130): "host",
		"https://app.example:":                 "port",
		"https://app.example:0":                "port",
		"https://app.example:65536":            "port",
		"https://app.example:+443":             "port",
		"https://app.example:https":            "port",
		"https://app.example:443:443":          "host",
		"http://127.1":                         "IPv4",
		"http://127.0.0.1.":                    "IPv4",
		"http://0177.0.0.1":                    "IPv4",
		"http://0x7f.0.0.0x1":                  "IPv4",
		"http://2130706433":                    "IPv4",
		"http://256.0.0.1":                     "IPv4",
		"http://1.2.3.4.5":                     "IPv4",
		"http://a.1":                           "IPv4",
		"http://::1":                           "host",
		"http://[::1":                          "IPv6",
		"http://[::1]x":                        "IPv6",
		"http://[fe80::1%25eth0]":              "IPv6",
		"http://[fe80::1%eth0]":                "IPv6",
		"http://[127.0.0.1]":                   "IPv6",
		"http://[]":                            "IPv6",
	} {
		got, err := fiberhttp.ParseOrigins([]string{"https://good.example", text})
		if err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), "write scheme://host") {
			t.Errorf("%q: %q, %v; want an error with %q", text, got, err, reason)
		}
	}
}
