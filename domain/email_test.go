package domain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/widgetd/widgetd/domain"
)

func TestParseEmailAcceptsOneAddress(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"plain":                         "ada@example.com",
		"shortest":                      "a@b.c",
		"uppercase":                     "Ada.Lovelace@Example.COM",
		"every sign an atom may hold":   "!#$%&'*+-/=?^_`{|}~@example.com",
		"dots between atoms":            "a.b.c@example.com",
		"tag":                           "ada+widgets@example.com",
		"digits":                        "1@2.example3",
		"subdomains":                    "ada@a.b.c.d.example.com",
		"hyphens inside a label":        "ada@my--host.example.com",
		"label of 63 bytes":             "ada@" + strings.Repeat("a", 63) + ".com",
		"last label that begins digits": "ada@example.4u",
		"internationalized domain":      "ada@xn--bcher-kva.example",
		"local part of another script":  "用户@example.com",
		"combining mark":                "ade\u0301@example.com",
		"254 bytes":                     strings.Repeat("a", 242) + "@example.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			email, err := domain.ParseEmail(address)
			if err != nil {
				t.Fatal(err)
			}
			if email.String() != address {
				t.Errorf("String() = %q, want %q", email, address)
			}
		})
	}
}

func TestParseEmailRefusesAnythingElse(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"no @":                        "ada.example.com",
		"two @":                       "ada@home@example.com",
		"only @":                      "@",
		"no local part":               "@example.com",
		"no domain":                   "ada@",
		"display name":                "Ada <ada@example.com>",
		"angle brackets":              "<ada@example.com>",
		"comment":                     "ada(home)@example.com",
		"two addresses":               "ada@example.com,bob@example.com",
		"mailto":                      "mailto:ada@example.com",
		"space before":                " ada@example.com",
		"space after":                 "ada@example.com ",
		"space inside":                "ada lovelace@example.com",
		"only space":                  " ",
		"no-break space":              "ada\u00a0@example.com",
		"quoted local part":           `"ada"@example.com`,
		"backslash":                   `ada\@example.com`,
		"dot first":                   ".ada@example.com",
		"dot last":                    "ada.@example.com",
		"two dots":                    "ada..lovelace@example.com",
		"single label":                "ada@localhost",
		"empty first label":           "ada@.example.com",
		"empty label":                 "ada@example..com",
		"trailing dot":                "ada@example.com.",
		"hyphen first in a label":     "ada@-example.com",
		"hyphen last in a label":      "ada@example-.com",
		"hyphen last in the domain":   "ada@example.com-",
		"underscore in the domain":    "ada@my_host.example.com",
		"label of 64 bytes":           "ada@" + strings.Repeat("a", 64) + ".com",
		"numeric last label":          "ada@example.123",
		"IPv4 address":                "ada@127.0.0.1",
		"address literal":             "ada@[127.0.0.1]",
		"port":                        "ada@example.com:25",
		"domain of another script":    "ada@bücher.example",
		"255 bytes":                   strings.Repeat("a", 243) + "@example.com",
		"NUL":                         "ada\x00@example.com",
		"NUL last":                    "ada@example.com\x00",
		"invalid UTF-8":               "ada\xff@example.com",
		"invalid UTF-8 in the domain": "ada@example\xff.com",
		"newline":                     "ada@example.com\n",
		"header injection":            "ada@example.com\r\nBcc: bob@example.com",
		"tab":                         "ada\t@example.com",
		"DEL":                         "ada\x7f@example.com",
		"bidi override":               "ada\u202e@example.com",
		"zero-width space":            "ada\u200b@example.com",
		"emoji":                       "😀@example.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			email, err := domain.ParseEmail(address)
			wantInvalid(t, err, address+" is not a valid email")
			if email != (domain.Email{}) {
				t.Errorf("a refused address still made %q", email)
			}
		})
	}
}

func TestEmailKeyFoldsCaseAndStringKeepsIt(t *testing.T) {
	t.Parallel()
	for address, key := range map[string]string{
		"ada@example.com":   "ada@example.com",
		"ADA@EXAMPLE.COM":   "ada@example.com",
		"aDa@eXample.Com":   "ada@example.com",
		"Ärger@example.com": "ärger@example.com",
		"ИВАН@example.com":  "иван@example.com",
	} {
		email := must(domain.ParseEmail(address))
		if email.Key() != key || email.String() != address {
			t.Errorf("%q: Key() = %q, String() = %q; want %q, %q", address, email.Key(), email, key, address)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"", "ada@example.com", "ADA@Example.COM", "Ada <ada@example.com>", "a@b@c.d", `"a b"@c.d`, "a@b",
		"a@1.2.3.4", "用户@example.com", "ada\u202e@example.com", "ada\xff@example.com", "a\x00@b.c", "a@b.c\n",
		strings.Repeat("Ⱥ", 121) + "@example.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		email, err := domain.ParseEmail(s)
		if err != nil {
			if s != "" && err.Error() != s+" is not a valid email" {
				t.Errorf("error reads %q", err)
			}
			return
		}
		switch {
		case email.String() != s:
			t.Errorf("String() = %q", email)
		case len(s) > domain.MaxEmailBytes:
			t.Errorf("%d bytes were accepted", len(s))
		case strings.Count(s, "@") != 1:
			t.Error("not exactly one @")
		case !utf8.ValidString(s):
			t.Error("invalid UTF-8 was accepted")
		case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }):
			t.Error("space or a character that does not show was accepted")
		}
		key, err := domain.ParseEmail(email.Key())
		if len(email.Key()) > domain.MaxEmailBytes {
			return // a few letters, such as Ⱥ, take more bytes in lower case
		}
		if err != nil || key.Key() != email.Key() {
			t.Errorf("the key %q has the key %q, error %v", email.Key(), key.Key(), err)
		}
	})
}
