package domain_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestParseEmailAccepts(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"plain":                        "ada@example.com",
		"shortest":                     "a@b.c",
		"uppercase":                    "Ada.Lovelace@Example.COM",
		"every character of an atom":   "!#$%&'*+-/=?^_`{|}~@example.com",
		"dots between atoms":           "a.b.c@example.com",
		"tag":                          "ada+widgets@example.com",
		"digits":                       "1@2.example3",
		"subdomains":                   "ada@a.b.c.d.example.com",
		"hyphens inside a label":       "ada@my--host.example.com",
		"label of 63 bytes":            "ada@" + strings.Repeat("a", 63) + ".com",
		"last label starts with digit": "ada@example.4u",
		"internationalized domain":     "ada@xn--bcher-kva.example",
		"local part of another script": "用户@example.com",
		"combining mark":               "ade\u0301@example.com",
		"254 bytes":                    strings.Repeat("a", 242) + "@example.com",
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

func TestParseEmailRefuses(t *testing.T) {
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
			shown := address
			if address != strings.TrimSpace(address) {
				shown = `"` + address + `"`
			}
			wantInvalid(t, err, shown+" is not a valid email")
			if email != (domain.Email{}) {
				t.Errorf("the result is %q, want the zero value", email)
			}
		})
	}
}

func TestParseEmailQuotesSpaceAtAnEnd(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"ada@example.com ":       `"ada@example.com " is not a valid email`,
		" ada@example.com":       `" ada@example.com" is not a valid email`,
		"ada@example.com\t":      "\"ada@example.com\t\" is not a valid email",
		"ada@example.com\u00a0":  "\"ada@example.com\u00a0\" is not a valid email",
		"\u3000ada@example.com":  "\"\u3000ada@example.com\" is not a valid email",
		" ":                      `" " is not a valid email`,
		"ada lovelace":           "ada lovelace is not a valid email",
		`"ada"@example.com`:      `"ada"@example.com is not a valid email`,
		"ada lovelace@localhost": "ada lovelace@localhost is not a valid email",
	} {
		_, err := domain.ParseEmail(address)
		wantInvalid(t, err, want)
	}
}

func TestEmailKeyFoldsCaseAndStringKeepsIt(t *testing.T) {
	t.Parallel()
	for address, key := range map[string]string{
		"ada@example.com":          "ada@example.com",
		"ADA@EXAMPLE.COM":          "ada@example.com",
		"aDa@eXample.Com":          "ada@example.com",
		"Ärger@example.com":        "ärger@example.com",
		"ИВАН@example.com":         "иван@example.com",
		"ΝΙΚΟΣ@example.com":        "νικοσ@example.com",
		"νικος@example.com":        "νικοσ@example.com",
		"νικοσ@example.com":        "νικοσ@example.com",
		"\u017fam@example.com":     "sam@example.com",
		"SAM@example.com":          "sam@example.com",
		"\u212arista@example.com":  "krista@example.com",
		"\u00b5@example.com":       "\u03bc@example.com",
		"\u03d1\u03d0@example.com": "θβ@example.com",
		"\u1e9e@example.com":       "ß@example.com",
		"vİctim@example.com":       "vİctim@example.com",
		"vıctim@example.com":       "vıctim@example.com",
		"VICTIM@example.com":       "victim@example.com",
	} {
		email := sample.Email(address)
		if email.Key() != key || email.String() != address {
			t.Errorf("%q: Key() = %q, String() = %q; want %q, %q", address, email.Key(), email, key, address)
		}
	}
}

// TestEmailKeyIsSimpleCaseFolding tests every character: it has the key of exactly the
// characters that package unicode folds to it.
func TestEmailKeyIsSimpleCaseFolding(t *testing.T) {
	t.Parallel()
	key := func(r rune) string { return domain.RestoreEmail(string(r)).Key() }
	keys := map[string]rune{}
	for r := rune(0); r <= 0x1FFFF; r++ { // no letter above has a case
		if !utf8.ValidRune(r) {
			continue
		}
		if !strings.EqualFold(key(r), string(r)) {
			t.Errorf("the key of %U is %q", r, key(r))
		}
		if first, found := keys[key(r)]; found && !strings.EqualFold(string(first), string(r)) {
			t.Errorf("%U and %U have one key", first, r)
		}
		keys[key(r)] = r
		if next := unicode.SimpleFold(r); key(next) != key(r) {
			t.Errorf("%U and %U have two keys", r, next)
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
			if s != "" && err.Error() != s+" is not a valid email" && err.Error() != `"`+s+`" is not a valid email` {
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
			t.Error("a space or an invisible character was accepted")
		}
		key, err := domain.ParseEmail(email.Key())
		if len(email.Key()) > domain.MaxEmailBytes {
			return // the key may be too long: some letters, for example Ⱥ, take more bytes in lower case
		}
		if err != nil || key.Key() != email.Key() {
			t.Errorf("the key %q has the key %q, error %v", email.Key(), key.Key(), err)
		}
	})
}
